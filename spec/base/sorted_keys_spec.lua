local identifier = require "weir.base.identifier"
local sorted_keys = require "weir.base.sorted_keys"

describe("keys", function()
  it("come in the order of their bytes", function()
    assert.same({ "", "B", "a", "a1", "é" }, sorted_keys.of { a1 = 1, ["é"] = 2, B = 3, a = 4, [""] = 5 })
    assert.same({}, sorted_keys.of {})
  end)

  it("that are names of workflows come without weir's own", function()
    assert.same({ "a", "weirdo" }, identifier.not_own { weirdo = {}, a = {}, ["weir.graph"] = {} })
  end)
end)
