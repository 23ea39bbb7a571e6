local retry_policy = require "weir.define.retry_policy"

describe("retry.policy", function()
  it("fills in the defaults", function()
    local default = {
      attempts = 3, delay_ms = 1000, backoff = "exponential", max_delay_ms = 300000, jitter = true,
    }
    assert.same(default, retry_policy.policy())
    assert.same(default, retry_policy.policy {})
  end)

  it("takes every field", function()
    local given = {
      attempts = 5, delay = "250ms", backoff = "fixed", max_delay = 10, jitter = false,
    }
    assert.same({
      attempts = 5, delay_ms = 250, backoff = "fixed", max_delay_ms = 10000, jitter = false,
    }, retry_policy.policy(given))
  end)

  it("lets a long delay grow, too, when no maximum is given", function()
    assert.equal(300000, retry_policy.policy({ delay = "10ms" }).max_delay_ms)
    assert.equal(300 * 600000, retry_policy.policy({ delay = "10m" }).max_delay_ms)
    assert.equal(36525 * 86400000, retry_policy.policy({ delay = "36525d" }).max_delay_ms)
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
      { { attempt = 3 }, 'retry: unknown field "attempt"; did you mean "attempts"?' },
      { { [1] = 3 },
        'retry: unknown field "1"; it has attempts, backoff, delay, jitter, max_delay' },
    }
    for _, case in ipairs(cases) do
      local policy, message = retry_policy.policy(case[1])
      assert.is_nil(policy)
      assert.equal(case[2], message)
    end
  end)
end)

describe("retry.delay", function()
  local function delays(given)
    given.jitter = false
    local policy, pauses = assert(retry_policy.policy(given)), {}
    for failed = 1, policy.attempts do pauses[failed] = retry_policy.delay(policy, failed, 0) end
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
    assert.is_nil(retry_policy.delay(retry_policy.policy(), 3, 0))
    assert.is_nil(retry_policy.delay(retry_policy.policy(), 4, 0))
  end)

  it("stays an integer after any number of failures", function()
    local policy = retry_policy.policy { attempts = math.maxinteger, jitter = false }
    local delay = retry_policy.delay(policy, 1000000, 0)
    assert.equal(300000, delay)
    assert.equal("integer", math.type(delay))
  end)

  it("never overflows", function()
    for _, backoff in ipairs { "exponential", "linear", "fixed" } do
      for _, jitter in ipairs { true, false } do
        local none = retry_policy.policy { attempts = math.maxinteger, delay = 0, backoff = backoff, jitter = jitter }
        local most = retry_policy.policy {
          attempts = math.maxinteger, delay = "36500d", backoff = backoff, jitter = jitter,
        }
        for _, failed in ipairs { 1, 64, 1024, 1025, 2 ^ 40 // 1 | 0, math.maxinteger - 1 } do
          assert.equal(0, retry_policy.delay(none, failed, 0.99))
          local longest = retry_policy.delay(most, failed, 0.99)
          assert.is_true(longest >= most.delay_ms and longest <= most.max_delay_ms)
        end
      end
    end
  end)

  it("is lengthened by chance, by up to half, and never past the maximum", function()
    local policy = retry_policy.policy { delay = 1, attempts = 9, max_delay = "2200ms" }
    assert.equal(1000, retry_policy.delay(policy, 1, 0))
    assert.equal(1250, retry_policy.delay(policy, 1, 0.5))
    assert.equal(1499, retry_policy.delay(policy, 1, 0.99999))
    assert.equal(2000, retry_policy.delay(policy, 2, 0))
    assert.equal(2200, retry_policy.delay(policy, 2, 0.5))
    assert.equal(2200, retry_policy.delay(policy, 3, 0))
  end)

  it("is left alone by chance when it is fixed", function()
    for _, jitter in ipairs { true, false } do
      local policy = retry_policy.policy { delay = "1d", backoff = "fixed", jitter = jitter }
      assert.equal(86400000, retry_policy.delay(policy, 1, 0.5))
    end
  end)
end)
