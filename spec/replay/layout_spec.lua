-- Whether Lua sends the arguments of an effect in the order in which its script takes them.

local effects = require "weir.replay.effects"
local support = require "tests.support"

-- The arguments in the head of a script: words with two spaces between them, notes behind three.
local function arguments_of(name)
  local text = assert(support.read(("redis-scripts/effects/%s.lua"):format(name)), name)
  local line = assert(text:match "\n%-%- args   ([^\n]*)", name):gsub("   .*", "")
  local layout = {}
  for word in (line .. "  "):gmatch "(.-)  " do
    word = word:gsub("%(.*%)$", function(note) return note:find '^%("' and "" or nil end):gsub('|"".*', "")
    local item = word:match "^%((%w+)%)×n$"
    if item then
      layout.list = item .. "s"
    elseif word == "(option value)×n" then
      layout.options = {}
      for option in assert(text:match "\n%-%-        options: ([^\n]*)", name):gmatch "[%l_]+" do
        table.insert(layout.options, option)
      end
    elseif word ~= "n" and word ~= "none" then
      layout[#layout + 1] = word
    end
  end
  return layout
end

describe("an effect", function()
  it("has its arguments in the order of its script", function()
    local count = 0
    for name, layout in pairs(effects.LAYOUT) do
      assert.same(arguments_of(name), layout, name)
      count = count + 1
    end
    local listing <close> = assert(io.popen "ls redis-scripts/effects")
    for file in listing:lines() do
      assert(effects.LAYOUT[file:match "^(.*)%.lua$"], file .. " is in no layout")
      count = count - 1
    end
    assert.equal(0, count)
  end)

  it("that is speculative has the header that `turn` takes", function()
    local head = support.read("redis-scripts/worker/turn.lua"):match "%[(%w+ [%w ]+)%]  effect"
    assert.equal(table.concat(effects.HEADER, " "), head)
  end)
end)
