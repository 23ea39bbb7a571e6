-- Retry policies: completes the fields that authors write, and computes the pause before the next attempt. Pure: the
-- random number is an argument, so that a replay gets the same pause.

local duration = require "weir.base.duration"
local option_checks = require "weir.base.options"

local retry_policy = {}

---@class weir.RetryPolicy
---@field attempts integer all attempts, the first included
---@field delay_ms integer pause after the first failure
---@field backoff "exponential"|"linear"|"fixed" how the pause grows with each failure
---@field max_delay_ms integer no pause is longer
---@field jitter boolean whether each pause is lengthened at random, by up to half; never a fixed one

local DEFAULT_ATTEMPTS, DEFAULT_DELAY = 3, "1s"
-- The default of max_delay is five minutes, or so many times the delay if that is longer, so that a long delay grows.
local DEFAULT_MAX_DELAY_MS, DEFAULT_MAX_DELAYS = 5 * 60 * 1000, 300
local FIELDS = option_checks.fields { "attempts", "backoff", "delay", "jitter", "max_delay" }

-- Floats never wrap; finite, so that a delay of 0 stays 0.
local GROWTH = {
  exponential = function(failures) return 2.0 ^ math.min(failures - 1, 1000) end,
  linear = function(failures) return failures * 1.0 end,
  fixed = function() return 1.0 end,
}

local function given_or(value, default)
  if value == nil then return default end
  return value
end

---A policy with every field filled in.
---@param fields table? { attempts, delay, backoff, max_delay, jitter }, each optional
---@return weir.RetryPolicy?
---@return string? message why it is not a policy
function retry_policy.policy(fields)
  fields = given_or(fields, {})
  if type(fields) ~= "table" then
    return nil, 'retry is a table such as { attempts = 3, delay = "1s" }, not a ' .. type(fields)
  end
  local unknown = option_checks.unknown(FIELDS, fields)
  if unknown then return nil, "retry: " .. unknown end

  local attempts = math.tointeger(given_or(fields.attempts, DEFAULT_ATTEMPTS))
  if type(fields.attempts) == "string" or not attempts or attempts < 1 then
    return nil, "retry.attempts must be an integer from 1 (the first attempt counts)"
  end
  local backoff = given_or(fields.backoff, "exponential")
  if not GROWTH[backoff] then
    return nil, 'retry.backoff must be "exponential", "linear" or "fixed"'
  end
  local delay_ms, delay_fault = duration.ms(given_or(fields.delay, DEFAULT_DELAY))
  if not delay_ms then return nil, "retry.delay: " .. delay_fault end
  local max_delay_ms = math.max(DEFAULT_MAX_DELAY_MS, math.min(DEFAULT_MAX_DELAYS * delay_ms, duration.LONGEST_MS))
  if fields.max_delay ~= nil then
    local max_fault
    max_delay_ms, max_fault = duration.ms(fields.max_delay)
    if not max_delay_ms then return nil, "retry.max_delay: " .. max_fault end
    if max_delay_ms < delay_ms then return nil, "retry.max_delay is shorter than retry.delay" end
  end
  local jitter = given_or(fields.jitter, true)
  if type(jitter) ~= "boolean" then return nil, "retry.jitter must be true or false" end

  return {
    attempts = attempts,
    delay_ms = delay_ms,
    backoff = backoff,
    max_delay_ms = max_delay_ms,
    jitter = jitter,
  }
end

---Milliseconds before the next attempt; nil if no attempt is left.
---@param policy weir.RetryPolicy
---@param failed_attempts integer from 1
---@param random01 number chance, 0 <= random01 < 1
---@return integer?
function retry_policy.delay(policy, failed_attempts, random01)
  if failed_attempts >= policy.attempts then return nil end
  local delay_ms = policy.delay_ms * GROWTH[policy.backoff](failed_attempts)
  -- Runs that failed together spread out, and no run waits less than its policy says.
  if policy.jitter and policy.backoff ~= "fixed" then delay_ms = delay_ms * (1 + random01 / 2) end
  return math.floor(math.min(delay_ms, policy.max_delay_ms))
end

return retry_policy
