local retry = require "weir.retry"

describe("retry.policy", function()
  it("fills in the defaults", function()
    local default = {
      attempts = 3, delay_ms = 1000, backoff = "exponential", max_delay_ms = 300000, jitter = true,
    }
    assert.same(default, retry.policy())
    assert.same(default, retry.policy {})
  end)

  it("takes every field", function()
    local given = {
      attempts = 5, delay = "250ms", backoff = "fixed", max_delay = 10, jitter = false,
    }
    assert.same({
      attempts = 5, delay_ms = 250, backoff = "fixed", max_delay_ms = 10000, jitter = false,
    }, retry.policy(given))
  end)

  it("does not let the default maximum cut short a longer delay", function()
    assert.equal(600000, retry.policy({ delay = "10m" }).max_delay_ms)
  end)

  it("says what is wrong", function()
    local cases = {
      { 3, 'retry is a table such as { attempts = 3, delay = "1s" }, not a number' },
      { { attempts = 0 }, "retry.attempts must be an integer from 1 (the first attempt counts)" },
      { { attempts = 1.5 }, "retry.attempts must be an integer from 1 (the first attempt counts)" },
      { { attempts = "3" }, "retry.attempts must be an integer from 1 (the first attempt counts)" },
      { { attempts = {} }, "retry.attempts must be an integer from 1 (the first attempt counts)" },
      { { backoff = "quadratic" }, 'retry.backoff must be "exponential", "linear" or "fixed"' },
      { { delay = -1 }, "retry.delay: a duration cannot be negative" },
      { { max_delay = -1 }, "retry.max_delay: a duration cannot be negative" },
      { { delay = "2s", max_delay = "1s" }, "retry.max_delay is shorter than retry.delay" },
      { { jitter = 0.5 }, "retry.jitter must be true or false" },
      { { attempt = 3 }, 'retry has no field "attempt"; did you mean "attempts"?' },
      { { [1] = 3 },
        'retry has no field "1"; it has attempts, backoff, delay, jitter, max_delay' },
    }
    for _, case in ipairs(cases) do
      local policy, message = retry.policy(case[1])
      assert.is_nil(policy)
      assert.equal(case[2], message)
    end
  end)
end)

describe("retry.delay", function()
  local function delays(given)
    given.jitter = false
    local policy, pauses = assert(retry.policy(given)), {}
    for failed = 1, policy.attempts do pauses[failed] = retry.delay(policy, failed, 0) end
    return pauses
  end

  it("grows as the backoff says, up to the maximum", function()
    assert.same({ 1000, 2000, 4000, 5000 },
      delays { attempts = 5, delay = 1, max_delay = 5, backoff = "exponential" })
    assert.same({ 1000, 2000, 3000, 3500 },
      delays { attempts = 5, delay = 1, max_delay = 3.5, backoff = "linear" })
    assert.same({ 1000, 1000 }, delays { delay = 1, backoff = "fixed" })
  end)

  it("ends with the last attempt", function()
    assert.same({}, delays { attempts = 1 })
    assert.is_nil(retry.delay(retry.policy(), 3, 0))
    assert.is_nil(retry.delay(retry.policy(), 4, 0))
  end)

  it("stays an integer after any number of failures", function()
    local policy = retry.policy { attempts = math.maxinteger, jitter = false }
    local delay = retry.delay(policy, 1000000, 0)
    assert.equal(300000, delay)
    assert.equal("integer", math.type(delay))
  end)

  it("keeps at least half of the pause when chance shortens it", function()
    local policy = retry.policy { delay = 1 }
    assert.equal(500, retry.delay(policy, 1, 0))
    assert.equal(750, retry.delay(policy, 1, 0.5))
    assert.equal(999, retry.delay(policy, 1, 0.99999))
  end)
end)
