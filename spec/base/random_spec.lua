local random = require "weir.base.random"

local function stream(seed, name)
  local drawn = 0
  return function()
    drawn = drawn + 1
    return random.bits(seed, name, drawn)
  end
end

describe("chance", function()
  it("repeats itself", function()
    for n = 1, 100 do assert.equal(random.bits(42, "a", n), random.bits(42, "a", n)) end
  end)

  -- Runs that wait today draw the same numbers tomorrow: these may never change.
  it("draws what it has always drawn", function()
    assert.same({ 3170518917469051966, 3308678257147066266 },
      { random.bits(42, "random:", 1), random.bits(42, "uuid:a:", 2) })
  end)

  it("is another one for each seed, stream and place", function()
    local seen = {}
    for seed = 1, 10 do
      for _, name in ipairs { "", "a", "b", "ab", "ba" } do
        for n = 1, 20 do
          local bits = random.bits(seed, name, n)
          assert.is_nil(seen[bits])
          seen[bits] = true
        end
      end
    end
  end)

  it("gives fractions from 0 up to, not including, 1", function()
    assert.equal(0.0, random.fraction(0))
    assert.is_true(random.fraction(-1) < 1)
    local sum, draw = 0, stream(1, "f")
    for _ = 1, 2000 do
      local fraction = random.random(draw)
      assert.is_true(fraction >= 0 and fraction < 1)
      sum = sum + fraction
    end
    assert.is_true(math.abs(sum / 2000 - 0.5) < 0.02)
  end)

  it("draws integers as math.random does, each as often", function()
    local counts, draw = {}, stream(3, "n")
    for _ = 1, 6000 do
      local n = random.random(draw, 6)
      counts[n] = (counts[n] or 0) + 1
    end
    for n = 1, 6 do assert.is_true(math.abs(counts[n] - 1000) < 150, n .. ": " .. counts[n]) end
    assert.equal(5, random.random(draw, 5, 5))
    for _ = 1, 100 do
      local n = random.random(draw, -3, -1)
      assert.is_true(n >= -3 and n <= -1)
    end
    assert.equal("integer", math.type(random.random(draw, math.mininteger, math.maxinteger)))
    assert.equal("integer", math.type(random.random(draw, 3.0)))
    assert.not_equal(random.random(draw, 0), random.random(draw, 0)) -- all 64 bits
  end)

  it("refuses what math.random refuses", function()
    local draw = stream(1, "")
    for _, bounds in ipairs { { -1 }, { 2, 1 }, { 1.5 }, { 1, 2.5 }, { "x" } } do
      assert.is_false(pcall(random.random, draw, table.unpack(bounds)))
    end
  end)

  it("makes version 4 UUIDs", function()
    local draw, seen = stream(9, "u"), {}
    for _ = 1, 500 do
      local uuid = random.uuid(draw)
      assert.is_truthy(uuid:match("^%x+%-%x+%-4%x%x%x%-[89ab]%x%x%x%-%x+$"), uuid)
      assert.equal(36, #uuid)
      assert.is_nil(seen[uuid])
      seen[uuid] = true
    end
  end)
end)
