local duration = require "weir.base.duration"

describe("duration.ms", function()
  it("reads every unit", function()
    local cases = {
      ["250ms"] = 250, ["30s"] = 30000, ["5m"] = 300000, ["2h"] = 7200000, ["1d"] = 86400000,
      ["0s"] = 0, ["1.5h"] = 5400000, ["0.5s"] = 500, ["1h 30m"] = 5400000, ["1m5s"] = 65000,
      [" 3 s "] = 3000,
    }
    for text, ms in pairs(cases) do
      assert.equal(ms, duration.ms(text), text)
      assert.equal("integer", math.type(duration.ms(text)), text)
    end
  end)

  it("reads numbers as seconds", function()
    assert.equal(2000, duration.ms(2))
    assert.equal(1500, duration.ms(1.5))
    assert.equal(0, duration.ms(0))
    assert.equal("integer", math.type(duration.ms(1.5)))
  end)

  it("says what is wrong with everything else", function()
    local advice = '; write "250ms", "30s", "5m", "2h", "1d" or a number of seconds'
    local cases = {
      { "30", '"30" is no duration' .. advice },
      { "", '"" is no duration' .. advice },
      { "soon", '"soon" is no duration' .. advice },
      { "5 weeks", '"5 weeks" is no duration' .. advice },
      { "1h and a bit", '"1h and a bit" is no duration' .. advice },
      { "1.s", '"1.s" is no duration' .. advice },
      { true, "a duration cannot be a boolean" .. advice },
      { {}, "a duration cannot be a table" .. advice },
      { "-5s", "a duration cannot be negative" },
      { -1, "a duration cannot be negative" },
      { 0 / 0, "a duration cannot be NaN" },
      { math.huge, "a duration cannot be longer than 100 years" },
      { "36526d", "a duration cannot be longer than 100 years" },
      { "9223372036854775807d", "a duration cannot be longer than 100 years" },
    }
    for _, case in ipairs(cases) do
      local ms, message = duration.ms(case[1])
      assert.is_nil(ms)
      assert.equal(case[2], message)
    end
  end)

  it("refuses long text unread", function()
    local fault = "a duration has at most 64 bytes, not 100000; write"
    for _, text in ipairs { ("1"):rep(100000), (" "):rep(100000), ("1s"):rep(50000) } do
      local ms, message = duration.ms(text)
      assert.is_nil(ms)
      assert.equal(fault, message:sub(1, #fault))
    end
    assert.equal(1000, duration.ms((" "):rep(62) .. "1s"))
  end)
end)

describe("duration.text", function()
  it("is short", function()
    local cases = {
      [0] = "0ms", [250] = "250ms", [1000] = "1s", [1250] = "1.25s", [59999] = "59.999s",
      [30000] = "30s", [60000] = "1m", [65000] = "1m 5s", [3600000] = "1h", [5430000] = "1h 30m",
      [86400000] = "1d", [97200000] = "1d 3h",
    }
    for ms, text in pairs(cases) do assert.equal(text, duration.text(ms)) end
  end)

  it("reads back the same where nothing had to be left out", function()
    for _, ms in ipairs { 0, 1, 999, 1001, 59999, 61000, 3660000, 90000000 } do
      assert.equal(ms, duration.ms(duration.text(ms)))
    end
  end)
end)
