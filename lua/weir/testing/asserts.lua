-- Assertions for luassert about runs: assert.completed(result), assert.failed_with(result, code),
-- assert.cancelled(result), assert.called(runner, workflow, times). A failure prints the run.

local assert_ = require "luassert"
local failure = require "weir.base.failure"
local result = require "weir.testing.result"
local say = require "say"

-- `level` is that of the spec's line as luassert counts; an assertion is one call deeper, its helpers are two.
local function check_result(name, value, level)
  if result.is(value) then return end
  error(("assert.%s takes the result of runner:run, runner:result …, not a %s"):format(name, type(value)), level + 2)
end

local function state_of(run)
  local failed = run.error
  return failed and ("%s with %s: %s"):format(run.state, failed.code, failed.message) or run.state
end

-- luassert's own message has only the expectation; this one adds the run as it is.
local function describe(state, run, expected)
  state.failure_message = ("run %s %s; it is %s\n\n%s"):format(run.id, expected, state_of(run), run:draw())
end

local function completed(state, arguments, level)
  local run = arguments[1]
  check_result("completed", run, level)
  describe(state, run, state.mod and "was to complete" or "was not to complete")
  return run.state == "completed"
end

local function failed_with(state, arguments, level)
  local run, code = arguments[1], arguments[2]
  check_result("failed_with", run, level)
  if type(code) ~= "string" then error('assert.failed_with takes a code, as in "timeout"', level + 1) end
  describe(state, run, ('%s to fail with "%s"'):format(state.mod and "was" or "was not", code))
  return run.state == "failed" and failure.is_failure(run.error) and run.error:is(code)
end

local function cancelled(state, arguments, level)
  local run = arguments[1]
  check_result("cancelled", run, level)
  describe(state, run, state.mod and "was to be cancelled" or "was not to be cancelled")
  return run.state == "cancelled"
end

local function lines_of(calls)
  local lines = {}
  for i, call in ipairs(calls) do
    lines[i] = ("  %s, attempt %d: %s"):format(call.run, call.attempt, call.state)
  end
  return table.concat(lines, "\n")
end

-- luassert has an assertion of that name for its own spies, which still works.
require "luassert.spy"
local assertions = require("luassert.namespaces").assertion
local of_spies = assertions.called.of_spies or assertions.called -- busted may load this module once for each spec file

local function called(state, arguments, level)
  local runner, workflow, times = arguments[1], arguments[2], arguments[3]
  if type(runner) ~= "table" or not runner.mock_step then return of_spies.callback(state, arguments, level) end
  if type(workflow) ~= "string" then
    error('assert.called takes a runner, a workflow, and how often: assert.called(runner, "process-payment", 1)',
      level + 1)
  end
  local calls = runner:calls(workflow)
  state.failure_message = ('of "%s" these attempts began:\n%s'):format(workflow, lines_of(calls))
  arguments[1], arguments[2], arguments[3], arguments.n = times or "any", #calls, nil, 2
  if times then return #calls == times end
  return #calls > 0
end

for name, check in pairs { completed = completed, failed_with = failed_with, cancelled = cancelled } do
  local key = "assertion.weir." .. name
  say:set(key, "")
  assert_:register("assertion", name, check, key, key)
end
assert_:register("assertion", "called", called, of_spies.positive_message, of_spies.negative_message)
assertions.called.of_spies = of_spies
