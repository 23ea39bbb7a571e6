-- ctx:step: runs ordinary Lua and records its result.

local call_site = require "weir.base.call_site"
local random = require "weir.base.random"
local coroutines = require "weir.code.coroutines"
local duration = require "weir.base.duration"
local failure = require "weir.base.failure"
local files = require "weir.code.files"
local futures = require "weir.engine.futures"
local json = require "weir.json"
local option_checks = require "weir.base.options"
local retry_policy = require "weir.define.retry_policy"
local run_id = require "weir.base.run_id"
local returned = require "weir.engine.returned"
local undo = require "weir.engine.undo"
local call = require "weir.engine.call"

local check_options, usage_error = call.check_options, call.usage_error

local step = {}

local STEP_FIELDS = option_checks.fields { "id", "run", "retry", "timeout", "at_most_once", "undo" }

local function step_arguments(failures, pause_ms)
  return json.encode { failures = failures, pause_ms = pause_ms }
end

---The pause before the next try after a failure; nil if no try follows.
---@return integer? ms
function step.pause(run, policy, stream, failures, raised)
  if raised.retryable == false then return nil end
  local pause = retry_policy.delay(policy, failures, random.fraction(random.bits(run.seed, stream, failures)))
  local least = math.type(raised.retry_after_ms) and math.tointeger(raised.retry_after_ms)
  if pause and least and least > pause then return math.min(least, duration.LONGEST_MS) end
  return pause
end

-- Returns whether a try succeeded, and its value or failure.
local function result_of(operation, ok, value, ...)
  local fault = ok and returned.surplus("step", operation.id, ...)
  if fault then return false, fault end
  return ok, value
end

---Records the outcome of a step. If its begin is not recorded, Redis dates it back by the time that its Lua took.
---@param state "completed"|"failed"
---@param value string JSON
---@param took_ms integer
function step.resolve(run, operation, state, attempts, value, took_ms)
  local effects, entry = run.effects, nil
  if not operation.recorded then entry = run.journal:entry(operation) end
  local timed = entry and took_ms >= 1
  if timed then
    effects:add("took", { ms = took_ms })
    effects:join()
  end
  run.journal:resolve(operation, state, attempts, value, entry)
  if timed then effects:separate() end
end

---Runs the author's code once: a try of a step, or a call of a poll.
---@param operation weir.Operation
---@param attempt integer from 1
---@param code fun(about: weir.StepAbout): any
---@return boolean ok
---@return any value the result or the failure
---@return integer took_ms
function step.perform(run, operation, attempt, code)
  local host = run.host
  local about = { attempt = attempt, key = run_id.child(run.id, operation.id) }
  if operation.timeout_ms then about.deadline_ms = run.clock_ms + operation.timeout_ms end
  local co = coroutines.begin_step()
  run.step = operation
  if operation.timeout_ms then host.limit(operation.timeout_ms) end
  local body = host.mocked_step and host.mocked_step(run, operation) or code
  if host.step then host.step(operation.id, operation.line) end
  local began_ms = host.elapsed_ms()
  local ok, value = result_of(operation, xpcall(body, function(raised)
    return failure.from(raised, call_site.traceback())
  end, about))
  local took_ms = math.floor(host.elapsed_ms() - began_ms)
  if host.step then host.step() end
  local late = operation.timeout_ms and host.limit(nil)
  files.end_step(operation)
  run.step = nil
  coroutines.end_step(co)

  if late then
    ok, value = false, failure.new {
      code = "timeout",
      message = ('step "%s" timed out after %s'):format(operation.id, duration.text(operation.timeout_ms)),
    }
  end
  return ok, value, took_ms
end

-- Runs one try. Returns whether the step has ended; if not, the pause before the next try.
local function try_step(run, operation, options, failures)
  local journal, attempt = run.journal, failures + 1
  local ok, value, took_ms = step.perform(run, operation, attempt, options.run)
  local text
  if ok then
    local fault
    text, fault = call.encode(run, value, 'result of step "%s"', operation.id)
    if fault then ok, value = false, fault end
  end
  if ok then
    step.resolve(run, operation, "completed", attempt, text, took_ms)
    return true
  end
  local pause = step.pause(run, options.policy, "step:" .. operation.id, attempt, value)
  if pause and not options.at_most_once then
    run:report("retrying", ('try %d of step "%s" failed, the next begins in %s: %s'):format(attempt, operation.id,
      duration.text(pause), tostring(value.message)), value.code)
    run.effects:add("record",
      { operation = operation.id, entry = journal:entry(operation, step_arguments(attempt, pause)) })
    operation.recorded, operation.started_at = true, nil
    return false, pause
  end
  step.resolve(run, operation, "failed", attempt, failure.encode(value), took_ms)
  return true
end

---The current branch waits so long until the next try of its step, or the next call of its poll.
---@param operation weir.Operation
---@param pause_ms integer
function step.back_off(run, operation, pause_ms)
  local wait = run.branches:begin_pause(operation)
  run.journal:arm(operation, pause_ms, function() run.branches:wake(wait) end)
  run.branches:pause()
end

---Runs ordinary Lua and records its result.
---@param id string|weir.StepOptions
---@param body? fun(about: weir.StepAbout): any
---@return any result
function step.verb(ctx, id, body)
  local state, run = call.place_of(ctx, "step")
  local fields = type(id) == "table" and id or { id = id, run = body }
  check_options("step", fields, STEP_FIELDS)
  if type(fields.run) ~= "function" then usage_error("ctx:step takes an id and a function") end
  if fields.undo ~= nil and type(fields.undo) ~= "function" then
    usage_error("ctx:step: undo is a function of the result")
  end
  local options = { run = fields.run, at_most_once = fields.at_most_once, policy = run.retry_policy }
  if fields.retry ~= nil then
    local message
    options.policy, message = retry_policy.policy(fields.retry)
    if not options.policy then usage_error("ctx:step: " .. message) end
  end

  local journal = run.journal
  local operation, new = journal:begin("step", call.id_of(state, "step", fields.id), "")
  operation.scope = state.scope
  operation.timeout_ms = call.milliseconds("step", "timeout", fields.timeout)
  if not operation.outcome then
    local failures = 0
    if options.at_most_once then
      if new then
        journal:check_new(operation.id, operation.line)
        run.effects:add("record", { operation = operation.id, entry = journal:entry(operation) })
        operation.recorded = true
      else
        journal:resolve(operation, "failed", 1, failure.encode(failure.new {
          code = "interrupted", retryable = false,
          message = ('step "%s" was interrupted; it may run at most once, and how far it came is unknown')
            :format(operation.id),
        }))
        return futures.await(run, "step", operation)
      end
    elseif not new and operation.arguments ~= "" then
      local before = json.decode(operation.arguments)
      failures = before.failures
      step.back_off(run, operation, before.pause_ms)
    end
    local over, pause
    repeat
      run.branches:await_step(operation)
      over, pause = try_step(run, operation, options, failures)
      if not over then
        failures = failures + 1
        step.back_off(run, operation, pause)
      end
    until over
  end
  local result = futures.await(run, "step", operation)
  if fields.undo then
    undo.add(run, operation.id, function(own)
      own:step("step", function(about) fields.undo(call.result(operation.outcome.value), about) end)
    end)
  end
  return result
end

return step
