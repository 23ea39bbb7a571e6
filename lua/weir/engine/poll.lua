-- ctx:poll: asks again and again until a condition holds.
--
-- Each call runs as a step does. The journal has one operation for all of them, whose entry keeps the last state, so it
-- does not grow. Redis gets the state before the next call, and each call gets the state as JSON brings it back.

local call = require "weir.engine.call"
local duration = require "weir.base.duration"
local failure = require "weir.base.failure"
local futures = require "weir.engine.futures"
local json = require "weir.json"
local option_checks = require "weir.base.options"
local retry_policy = require "weir.define.retry_policy"
local step = require "weir.engine.step"

local usage_error = call.usage_error

local poll = {}

local FIELDS = option_checks.fields { "id", "run", "every", "timeout", "initial", "retry" }
local FORM = "ctx:poll{ id = …, every = …, run = function(state, about) … return done, state end }"
local EVERY_MS = 1000
local LARGEST_STATE = 64 * 1024 -- bytes of JSON: each call sends it

---@class weir.Polled what the entry of a poll keeps
---@field calls integer that have returned
---@field failures integer that came since
---@field state any after the last call that returned; nil: null
---@field pause_ms integer before the next call
---@field until_ms integer? when it times out

-- The results of a call: whether the condition holds, and the state.
local RETURNED = {}

local function returned(done, state, ...)
  if select("#", ...) > 0 then
    error(failure.new { retryable = false, message = "run of a poll returns two values: done, state" }, 0)
  end
  return setmetatable({ done = done, state = state }, RETURNED)
end

-- The state as the next call gets it, and as text.
local function checked_state(run, operation, state)
  local text, fault = call.encode(run, state, 'state of poll "%s"', operation.id)
  if text and #text > LARGEST_STATE then
    fault = failure.new {
      code = "payload_too_large", retryable = false,
      message = ('state of poll "%s" has %d bytes as JSON; %d are allowed'):format(operation.id, #text, LARGEST_STATE),
    }
  end
  if fault then return nil, nil, fault end
  return call.result(text), text
end

local function timed_out(operation, options, polled)
  return failure.new {
    code = "timeout", retryable = false, details = { calls = polled.calls, state = polled.state },
    message = ('poll "%s" timed out after %s'):format(operation.id, duration.text(options.timeout_ms)),
  }
end

-- Waits until the next call.
local function pause(run, operation, polled, pause_ms)
  if polled.until_ms then pause_ms = math.max(0, math.min(pause_ms, polled.until_ms - run.clock_ms)) end
  polled.pause_ms = pause_ms
  run.effects:add("record", { operation = operation.id, entry = run.journal:entry(operation, json.encode(polled)) })
  operation.recorded, operation.started_at = true, nil
  step.back_off(run, operation, pause_ms)
end

local function next_pause(options, polled)
  if type(options.every) ~= "function" then return options.every_ms end
  return call.milliseconds("poll", "every", options.every(polled.calls, polled.state)) or EVERY_MS
end

-- A call failed: it is made again as the retry policy says.
local function retry(run, operation, options, polled, raised, took_ms)
  polled.failures = polled.failures + 1
  local pause_ms = step.pause(run, options.policy, "poll:" .. operation.id, polled.failures, raised)
  if not pause_ms then
    step.resolve(run, operation, "failed", polled.calls + 1, failure.encode(raised), took_ms)
    return true
  end
  run:report("retrying", ('call %d of poll "%s" failed, the next begins in %s: %s'):format(polled.calls + 1,
    operation.id, duration.text(pause_ms), tostring(raised.message)), raised.code)
  pause(run, operation, polled, pause_ms)
  return false
end

-- Makes one call, and waits until the next one if there will be one. Returns whether the poll is over.
local function ask(run, operation, options, polled)
  run.branches:await_step(operation)
  if options.timeout_ms and not polled.until_ms then polled.until_ms = run.clock_ms + options.timeout_ms end
  local ok, value, took_ms = step.perform(run, operation, polled.calls + 1,
    function(about) return returned(options.run(polled.state, about)) end)
  if not ok then return retry(run, operation, options, polled, value, took_ms) end
  if getmetatable(value) ~= RETURNED then value = { done = true, state = value } end -- of a mock
  local state, text, fault = checked_state(run, operation, value.state)
  polled.calls, polled.failures = polled.calls + 1, 0
  if fault then
    step.resolve(run, operation, "failed", polled.calls, failure.encode(fault), took_ms)
    return true
  elseif value.done then
    step.resolve(run, operation, "completed", polled.calls, text, took_ms)
    return true
  end
  polled.state = state
  pause(run, operation, polled, next_pause(options, polled))
  return false
end

local function ask_until_over(run, operation, options, polled)
  repeat
    local over = polled.until_ms ~= nil and run.clock_ms >= polled.until_ms
    if over then
      step.resolve(run, operation, "failed", polled.calls, failure.encode(timed_out(operation, options, polled)), 0)
    else
      over = ask(run, operation, options, polled)
    end
  until over
end

local function checked(run, given)
  if type(given) ~= "table" or type(given.run) ~= "function" then
    usage_error("ctx:poll takes a table with a function: " .. FORM)
  end
  call.check_options("poll", given, FIELDS)
  local options = {
    run = given.run, every = given.every, policy = run.retry_policy,
    timeout_ms = call.milliseconds("poll", "timeout", given.timeout),
  }
  if type(given.every) ~= "function" then
    options.every_ms = call.milliseconds("poll", "every", given.every) or EVERY_MS
  end
  if given.retry ~= nil then
    local message
    options.policy, message = retry_policy.policy(given.retry)
    if not options.policy then usage_error("ctx:poll: " .. message) end
  end
  return options
end

---Calls `run`, as a step, until it returns true first. Returns the state that it returned then.
---@param given weir.PollOptions
---@return any state
function poll.verb(ctx, given)
  local state, run = call.place_of(ctx, "poll")
  local options = checked(run, given)
  local operation, new = run.journal:begin("poll", call.id_of(state, "poll", given.id), "")
  operation.scope = state.scope
  if not operation.outcome then
    local polled
    if new then
      local initial, _, fault = checked_state(run, operation, given.initial)
      if fault then error(fault, 0) end
      polled = { calls = 0, failures = 0, state = initial }
    else
      polled = json.decode(operation.arguments)
      step.back_off(run, operation, polled.pause_ms)
    end
    ask_until_over(run, operation, options, polled)
  end
  return (futures.await(run, "poll", operation))
end

return poll
