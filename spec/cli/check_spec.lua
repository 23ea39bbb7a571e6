-- `weir check` on folders that a spec makes up. tests/e2e/process_spec.lua has real ones.

local clients = require "spec.support.clients"
local json = require "weir.json"

describe("weir check", function()
  local folders, written, natives = {}, nil, nil

  local function workflow(id, body)
    return ('return require "weir".workflow { id = "%s", run = function(ctx) %s end }'):format(id, body or "")
  end

  before_each(function()
    written, natives = "", {
      bundle = function(folder) return folders[folder], "1b7e", folder == "noted" and "x.lua is a link" or nil end,
      is_terminal = function() return false end,
      now_ms = function() return 0 end,
      write = function(_, text) written = written .. text end,
    }
    clients.load(natives)
    package.loaded["weir.native.host"] = { log = print, guard = function(_, _, call, ...)
      local ok, value = pcall(call, ...)
      if ok then return true, value end
      return nil, "error", value
    end }
    require("weir.engine.run").host = require "weir.native.host"
    folders = { one = { ["a.lua"] = workflow "a" }, two = { ["b.lua"] = workflow "b" } }
  end)

  after_each(function()
    require("weir.engine.run").host = nil
    clients.unload()
  end)

  local function check(...)
    return require("weir.cli.check").main { folders = { ... }, max_cpu_ms = 1, max_memory = 1 }
  end

  it("counts what a folder has, and tells what was left out", function()
    assert.equal(0, check "one")
    folders.noted = folders.one
    assert.equal(0, check "noted")
    assert.equal("1 file, 1 workflow, no faults\nx.lua is a link\n1 file, 1 workflow, no faults\n", written)
  end)

  it("names the folder where there are several", function()
    folders.two["c.lua"] = "return {"
    assert.equal(1, check("one", "two"))
    assert.matches("^one: 1 file, 1 workflow, no faults\ntwo: c.lua:1: ", written)
  end)

  it("knows the workflows of all folders", function()
    folders.one["a.lua"] = workflow("a", 'ctx:invoke { id = "x", workflow = "b" }')
    check("one", "two")
    assert.is_nil(written:find "warning")
    check "one"
    assert.matches('warning: a.lua:1: workflow = "b" names no workflow of this folder', written, 1, true)
  end)

  it("refuses a workflow that two folders define", function()
    folders.two = folders.one
    assert.equal(1, require("weir.cli.check").main { folders = { "one", "two" }, json = true, max_cpu_ms = 1,
                                                     max_memory = 1 })
    assert.same({ faults = { 'a.lua:1: workflow "a" is already defined in one at a.lua:1' }, warnings = {} },
      json.decode(written))
  end)
end)
