local values = require "weir.cli.values"

local function read(flag, text) return values.read(flag, text, function() return nil end) end

-- Each text is this value, or is refused with this message.
local function assert_all(flag, cases)
  for text, expected in pairs(cases) do
    local value, message = read(flag, text)
    if type(expected) == "table" and expected.wrong then
      assert.is_nil(value)
      assert.equal(expected.wrong, message)
    else
      assert.same(expected, value)
      assert.is_nil(message)
    end
  end
end

describe("the value of", function()
  it("a switch", function()
    assert_all({ kind = "switch" }, {
      ["true"] = true, ["1"] = true, ["false"] = false, ["0"] = false, maybe = { wrong = "true or false, not maybe" },
    })
    assert.is_false(values.none { kind = "switch" })
  end)

  it("a number", function()
    local function wrong(text) return { wrong = "an integer from 0 to 9, not " .. text } end
    assert_all({ kind = "number", least = 0, most = 9 }, {
      ["0"] = 0, ["+9"] = 9, ["09"] = 9, ["10"] = wrong "10", ["-1"] = wrong "-1", ["1.0"] = wrong "1.0",
      ["1e1"] = wrong "1e1", ["0x1"] = wrong "0x1", [""] = wrong "",
      ["99999999999999999999"] = wrong "99999999999999999999",
    })
  end)

  it("a size", function()
    local wrong = { wrong = "a size such as 64KiB or 16MiB" }
    assert_all({ kind = "size" }, {
      ["1"] = 1, ["2K"] = 2048, ["2KiB"] = 2048, ["3MiB"] = 3 << 20, ["1GiB"] = 1 << 30,
      ["0"] = wrong, ["1TB"] = wrong, ["-1"] = wrong, ["1.5M"] = wrong, [""] = wrong,
      ["8589934591GiB"] = 8589934591 << 30, ["8589934592GiB"] = wrong, ["99999999999999999999"] = wrong,
    })
  end)

  it("a duration", function()
    assert_all({ kind = "duration" }, { ["1h 30m"] = 5400000, ["1.5"] = 1500, ["250ms"] = 250 })
    assert.truthy(select(2, read({ kind = "duration" }, "soon")):find '"soon" is no duration')
    assert.truthy(select(2, read({ kind = "duration" }, "-1s")):find "negative")
  end)

  it("texts", function()
    assert_all({ kind = "text" }, { a = "a", [""] = { wrong = "may not be empty" } })
    assert_all({ kind = "choice", argument = "text|json" },
      { json = "json", jso = { wrong = "one of text|json, not jso" } })
    assert_all({ kind = "list" }, { ["a,,b"] = { "a", "b" }, [","] = { wrong = "may not be empty" } })
    assert.equal("", read({ kind = "each" }, ""))
    assert.same({}, values.none { kind = "each" })
  end)
end)
