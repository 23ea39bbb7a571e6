-- The files of `weir init`: the types that editors get are whole.

local files = require "weir.cli.starter_files"

local function read(module)
  for _, form in ipairs { "lua/%s.lua", "lua/%s/init.lua" } do
    local file <close> = io.open(form:format((module:gsub("%.", "/"))))
    if file then return file:read "a" end
  end
  error("there is no module " .. module)
end

describe("the types for editors", function()
  local MODULES = table.move(files.MODULES, 1, #files.MODULES, 2, { "weir.workflow_ids" })

  it("have each class and alias that the calls of authors name", function()
    local there = {}
    for _, module in ipairs(MODULES) do
      for name in read(module):gmatch "%-%-%-@%l+ (weir%.[%w_.]+)" do there[name] = true end
    end
    for _, module in ipairs { "weir", "weir.types" } do
      for annotation in read(module):gmatch "%-%-%-(@[^\n]+)" do
        for name in annotation:gmatch "weir%.[%w_.]*[%w_]" do assert.truthy(there[name], module .. ": " .. name) end
      end
    end
  end)

  it("are those of a runner, too", function()
    local testing = read "weir.testing"
    for class in testing:gmatch "%-%-%-@return (weir%.testing%.[%w_]+)" do
      local found = false
      for _, module in ipairs(MODULES) do
        found = found or read(module):find("@class " .. class .. "%f[^%w_]") ~= nil
      end
      assert.is_true(found, class)
    end
  end)
end)

describe("the first workflow", function()
  it("has the ids that editors are told of", function()
    for _, id in ipairs(files.IDS) do
      assert.truthy(files.WORKFLOW[1][2]:find(('id = "%s"'):format(id), 1, true))
    end
  end)
end)
