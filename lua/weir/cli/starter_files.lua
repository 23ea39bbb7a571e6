-- The files of `weir init`: a first workflow with its spec, and settings of editors and tools.

local starter_files = {}

---The workflows of these files, in order.
starter_files.IDS = { "greet", "upper" }

---The first workflow and its spec.
---@type string[][] path and text
starter_files.WORKFLOW = {
  { "greet.lua", [[
-- A first workflow. `weir dev` loads this file whenever it is saved.
local weir = require "weir"

return {
  weir.workflow {
    id = "greet",
    schema = { type = "object", required = { "name" }, properties = { name = { type = "string" } } },
    run = function(ctx, data)
      -- A child is a run of its own, with retries of its own.
      local upper = ctx:invoke { id = "shout", workflow = "upper", data = { text = data.name } }
      -- A sleep survives restarts. It could as well last a week.
      ctx:sleep "100ms"
      -- A step is ordinary Lua (files, network, clock). It runs once, and its result is recorded.
      local sent_at = ctx:step("send", function() return os.time() end)
      return { greeting = "Hello, " .. upper .. "!", sent_at = sent_at }
    end,
  },

  weir.workflow {
    id = "upper",
    run = function(_, data) return data.text:upper() end,
  },
}
]] },
  { "greet_spec.lua", [[
-- Specs run the workflows of this folder in memory, on a clock that jumps: sleeps take no time.
local testing = require "weir.testing"

describe("greet", function()
  local runner

  before_each(function()
    runner = testing.new { steps = "mocked" }
    runner:mock_step("greet", "send", 1767225600)
  end)

  it("greets in capitals", function()
    local result = runner:run("greet", { name = "Ada" })
    assert.completed(result)
    assert.same({ greeting = "Hello, ADA!", sent_at = 1767225600 }, result.result)
  end)

  it("needs a name", function()
    assert.failed_with(runner:run("greet", {}), "invalid_data")
  end)

  it("survives a crash at every event", function()
    runner:crash_everywhere(function(crashing) crashing:run("greet", { name = "Ada" }) end)
  end)
end)
]] },
}

---Settings of LuaLS, busted and luacheck.
---@type string[][] path and text
starter_files.SETTINGS = {
  { ".luarc.json", [[
{
  "runtime.version": "Lua 5.4",
  "runtime.path": ["?.lua", "?/init.lua"],
  "workspace.library": [".luals"],
  "workspace.ignoreDir": [".weir"],
  "diagnostics.globals": ["describe", "it", "before_each", "after_each", "setup", "teardown", "pending", "finally"]
}
]] },
  { ".busted", [[
return { default = { ROOT = { "." } } }
]] },
  { ".luacheckrc", [[
std = "lua54"
cache = false
max_line_length = 120
exclude_files = { ".luals", ".weir" }
files["**/*_spec.lua"] = { std = "lua54+busted" }
]] },
}

---Where LuaLS finds the modules below.
starter_files.TYPES = ".luals"

---The modules of weir that say to LuaLS which verbs and options there are; weir.workflow_ids is made anew.
starter_files.MODULES = {
  "weir", "weir.types", "weir.json", "weir.testing", "weir.base.failure", "weir.define.definition",
  "weir.engine.futures", "weir.testing.asserts", "weir.testing.crashing", "weir.testing.golden", "weir.testing.mocks",
  "weir.testing.result",
}

return starter_files
