-- Which specs a saved file touches.

local watch = require "weir.cli.test.watch"

describe("what a saved file touches", function()
  local known, disk

  before_each(function()
    known = {
      texts = {},
      reads = {
        ["spec/a_spec.lua"] = { ["workflows/order.lua"] = true, ["spec/golden.json"] = true },
        ["spec/b_spec.lua"] = { ["workflows/order.lua"] = true, ["workflows/pay.lua"] = true },
      },
    }
    disk = {}
    for _, path in ipairs { "spec/a_spec.lua", "spec/b_spec.lua", "workflows/order.lua", "spec/golden.json" } do
      disk[path] = "as it was"
    end
  end)

  local function choose(...)
    return (watch.choose(known, { ... }, function(path) return disk[path] end))
  end

  it("is a spec itself", function() assert.same({ "spec/a_spec.lua" }, choose "spec/a_spec.lua") end)

  it("is all that read it", function()
    assert.same({ "spec/a_spec.lua", "spec/b_spec.lua" }, choose "workflows/order.lua")
    assert.same({ "spec/a_spec.lua" }, choose "spec/golden.json")
  end)

  it("is what read it when it is gone", function()
    assert.same({ "spec/b_spec.lua" }, choose "workflows/pay.lua")
  end)

  it("is everything when no spec read it and it is Lua, or the settings of busted", function()
    disk["workflows/new.lua"], disk[".busted"] = "new", "new"
    assert.same({}, choose "workflows/new.lua")
    assert.same({}, choose ".busted")
  end)

  it("is nothing when no spec read it, and it is none of these", function()
    disk["notes.txt"], disk["spec/.#a_spec.lua"] = "new", "new"
    assert.is_nil(choose("notes.txt", "spec/.#a_spec.lua", "spec/4913.lua"))
  end)

  it("is nothing when it was saved as it was", function()
    assert.truthy(choose "spec/golden.json")
    assert.is_nil(choose "spec/golden.json")
    disk["spec/golden.json"] = "changed"
    assert.truthy(choose "spec/golden.json")
  end)

  it("is nothing when it came and went again", function()
    assert.truthy(choose "workflows/pay.lua")
    assert.is_nil(choose "workflows/pay.lua")
    disk["workflows/pay.lua"] = "as it was"
    assert.truthy(choose "workflows/pay.lua")
  end)

  it("is no spec that is gone", function()
    disk["spec/b_spec.lua"] = nil
    assert.is_nil(choose "spec/b_spec.lua")
    assert.same({ "spec/a_spec.lua" }, choose "workflows/order.lua")
  end)
end)

describe("changes that have not been run to their end", function()
  local a, b = { specs = { "a", "c" }, because = { "x" } }, { specs = { "b", "c" }, because = { "y", "x" } }
  local all = { specs = {}, because = {} }

  it("are run together with the next", function()
    assert.same(b, watch.join(nil, b))
    assert.same({ specs = { "a", "b", "c" }, because = { "x", "y" } }, watch.join(a, b))
  end)

  it("concern everything if one of them does", function()
    assert.same({ specs = {}, because = { "x" } }, watch.join(a, all))
    assert.same({ specs = {}, because = { "x" } }, watch.join(all, a))
  end)
end)
