-- Whether lib/fields.lua and the manual of the store name the same fields of a run.

local support = require "tests.support"

-- lib/fields.lua as Redis would define it.
local function read_fields()
  local lib = {}
  assert(load(support.read "redis-scripts/lib/fields.lua", "fields", "t", { lib = lib }))()
  return lib.fields
end

-- The names in the first column of the table of fields, but for those that carry an operation or a number.
local function documented()
  local text = support.read "redis-scripts/README.md":match "### Fields of `r:<run>`\n(.-)\n## "
  local names = {}
  for cell in text:gmatch "\n| (`[^|]*) |" do
    for name in cell:gmatch "`([%w_]+)`" do names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

describe("the fields of a run", function()
  local fields = read_fields()

  it("are those of the manual, each once", function()
    local named, twice = {}, {}
    for _, list in ipairs { fields.COMMON, fields.RARE } do
      for _, name in ipairs(list) do
        assert.is_nil(twice[name], name)
        twice[name] = true
        named[#named + 1] = name
      end
    end
    table.sort(named)
    assert.same(documented(), named)
  end)

  it("are known where a script lists some of them", function()
    local known, rare = {}, {}
    for _, name in ipairs(fields.COMMON) do known[name] = true end
    for _, name in ipairs(fields.RARE) do known[name], rare[name] = true, true end
    for _, name in ipairs(fields.STATUS) do assert.is_true(known[name], name) end
    for _, name in ipairs(fields.RESET) do assert.is_true(known[name] and not rare[name], name) end
    for _, name in ipairs(fields.RESET_RARE) do assert.is_true(rare[name], name) end
    assert.is_true(fields.RARE_NUMBERS < #fields.RARE)
  end)
end)
