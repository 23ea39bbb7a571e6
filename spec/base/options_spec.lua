local options = require "weir.base.options"

describe("options", function()
  local fields = options.fields { "id", "timeout", "retry" }

  it("may have the fields that exist", function()
    assert.is_nil(options.unknown(fields, {}))
    assert.is_nil(options.unknown(fields, { id = "a", retry = {} }))
  end)

  it("are refused with the nearest name, or all", function()
    assert.equal('unknown field "tiemout"; did you mean "timeout"?', options.unknown(fields, { tiemout = 1 }))
    assert.equal('unknown field "zebra"; it has id, timeout, retry', options.unknown(fields, { zebra = 1, id = 1 }))
    assert.equal('unknown field "1"; a node has id, timeout, retry', options.unknown(fields, { "x" }, "a node"))
    assert.equal('unknown field "abc"; it has id, timeout, retry', options.unknown(fields, { xyz = 1, abc = 1 }))
    assert.is_true(#options.unknown(fields, { [("x"):rep(100000)] = 1 }) < 200)
  end)

  it("have a priority within bounds", function()
    assert.same({ 100, -100, 7 }, { options.priority(100), (options.priority(-100)), (options.priority(7.0)) })
    for _, value in ipairs { 101, -101, 0.5, "5", true } do
      assert.same({ nil, " must be an integer from -100 to 100" }, { options.priority(value) })
    end
  end)
end)
