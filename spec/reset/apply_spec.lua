-- A retry removes operations from a record, and tells Redis by effects.

local apply = require "weir.reset.apply"
local effects = require "weir.replay.effects"

local function entry(number, kind) return ("%s\t5\t%s\t0\t1\tw.lua:1\t\t"):format(number, kind) end

describe("an operation that is reset", function()
  it("leaves the record with its outcome and the run that it shared", function()
    local fields = { ["o:a"] = entry("3", "step"), ["3"] = "a\tfailed\t6\t1\t{}", ["w:a"] = "other", ["2"] = "kept" }
    assert.is_nil(apply.remove(fields, "a", "drop"))
    assert.same({ ["2"] = "kept" }, fields)
  end)

  it("keeps which generation of its child may go on", function()
    local fields = { ["o:a"] = entry("", "invoke") }
    assert.equal("1", apply.remove(fields, "a", "reuse"))
    assert.same({ ["x:a"] = "1\treuse" }, fields)
    fields = { ["o:a"] = entry("", "invoke"), ["c:a"] = "4" }
    assert.equal("4", apply.remove(fields, "a", "restart"))
    assert.same({ ["x:a"] = "4\trestart" }, fields)
  end)

  it("that was reset before and not invoked since keeps the stronger mark", function()
    local fields = { ["x:a"] = "2\trestart" }
    assert.equal("2", apply.remove(fields, "a", "reuse"))
    assert.same({ ["x:a"] = "2\trestart" }, fields)
  end)
end)

describe("a run that begins again", function()
  it("resets its unhandled failures and the end from outside that it had", function()
    local told = effects.new()
    local fields = {
      workflow = "w", reset = "unhandled", last_number = "3", redo = "\tbad", ["o:good"] = entry("1", "step"),
      ["1"] = "good\tcompleted\t6\t1\t7", ["o:bad"] = entry("2", "step"), ["2"] = "bad\tfailed\t6\t1\t{}",
      ["3"] = "\tcancelled\t7\t0\tby hand",
    }
    apply.begin_again(fields, told)
    assert.is_nil(fields["o:bad"] or fields["2"] or fields["3"])
    assert.is_truthy(fields["o:good"] and fields["1"])
    local _, list = effects.read((told:take()))
    local sent = {}
    for i, effect in ipairs(list) do sent[i] = { effect.name, effect.fields.operation, effect.fields.mark } end
    assert.same({ { "reset", "", "3" }, { "reset", "bad", "drop" }, { "reset_done" } }, sent)
  end)

  it("keeps an end that came since its retry", function()
    local told = effects.new()
    local fields = {
      workflow = "w", reset = "unhandled", last_number = "4", reset_number = "3", ["4"] = "\tcancelled\t7\t0\tlate",
    }
    apply.begin_again(fields, told)
    assert.is_truthy(fields["4"])
  end)
end)
