-- Crash everywhere: one workflow that does one of everything, and one fault at the n-th call to
-- Redis, for n = 1, 2, … until it has ended before the fault comes. However it was interrupted, the
-- run, each run below it and each operation end as they do undisturbed.
--
-- `make test` takes a selection of n, WEIR_CRASH=all (`make crash`) every one. Each case has a
-- prefix of its own in one Redis; two cases run at a time, as coroutines of this file.

local account = require "tests.crash.account"
local facts = require "tests.facts"
local side_by_side = require "tests.crash.side_by_side"
local support = require "tests.support"

local AT_ONCE = 2
local STRIDE = os.getenv "WEIR_CRASH" == "all" and 1 or 3
local RUN = "r"
local MOST_DEATHS = 100

local redis, folder, cases

---@class Case
---@field name string also its prefix in Redis
---@field notes string file to which steps append a line each
---@field facts Facts

local function new_case(name)
  local case = { name = name, notes = ("%s/%s"):format(folder, name), facts = facts.of(redis, name) }
  support.write(case.notes, "")
  cases[#cases + 1] = case
  return case
end

local function start_host(case, fault)
  local words = {
    support.build .. "/faulty", "serve", "tests/fixtures/crash", "--redis", redis.url,
    "--prefix", case.name, "--node", "node", "--workers", "1",
  }
  return support.process(words, { WEIR_FAULT = fault })
end

-- How often each step was executed so far: "<run> <operation>" -> times.
local function executions(case)
  local times = {}
  for run, operation in support.read(case.notes):gmatch "([^\t\n]+)\t([^\t\n]+)\t%d+\n" do
    local key = run .. " " .. operation
    times[key] = (times[key] or 0) + 1
  end
  return times
end

-- The outcomes in the journals: "<run> <operation>" -> state.
local function recorded(case)
  local states = {}
  for _, id in ipairs(case.facts:ids()) do
    for operation, state in pairs(case.facts:outcomes(id)) do
      states[id .. " " .. operation:gsub("^.*:", "")] = state
    end
  end
  return states
end

local function have_all_ended(case)
  for _, id in ipairs(case.facts:ids()) do
    local state = case.facts:state(id)
    if state ~= "completed" and state ~= "failed" and state ~= "cancelled" then return false end
  end
  return case.facts:state(RUN) ~= nil
end

-- Waits until everything has ended, or the host has; true in the first case.
local function watch(case, host)
  return support.wait_until("the end of " .. case.name, function()
    if have_all_ended(case) then return "ended" end
    return host:status() and "died"
  end) == "ended"
end

-- Everything has ended: it is where it should be, and the host goes in peace.
local function conclude(case, host)
  assert.same({}, case.facts:faults())
  local status, stderr = host:stop "TERM"
  case.host = nil
  local died_late = stderr:find("fault: abort", 1, true)
  assert.equal(died_late and 128 + 9 or 0, status, stderr)
  assert.same({}, case.facts:faults())
end

-- The host died: what is recorded now may not be executed by the next one.
local function restart(case, fault)
  assert.equal(128 + 9, case.host:status(), case.host:stderr())
  local outcomes, before = recorded(case), executions(case)
  case.host:stop()
  case.host = start_host(case, fault)
  local ended = watch(case, case.host)
  for key, times in pairs(executions(case)) do
    if outcomes[key] then
      assert.equal(before[key], times, key .. " was recorded and executed again")
    end
  end
  return ended
end

---Runs the workflow with a fault; one that is written with a slash comes again and again.
---@return boolean faulted whether the fault came before everything had ended
local function perform(case, fault)
  local next_fault = fault and fault:find("/", 1, true) and fault
  case.facts:start(RUN, "everything", { notes = case.notes })
  case.host = start_host(case, fault)
  local ended, deaths = watch(case, case.host), 0
  while not ended do
    deaths = deaths + 1
    assert.is_true(deaths < MOST_DEATHS, "it does not come to its end")
    ended = restart(case, next_fault)
  end
  local faulted = deaths > 0 or case.host:stderr():find("fault: ", 1, true) ~= nil
  conclude(case, case.host)
  return faulted
end

describe("a workflow that does one of everything", function()
  local undisturbed, executed

  lazy_setup(function()
    redis, folder, cases = support.redis { "--appendfsync", "no" }, support.folder(), {}
    local case = new_case "undisturbed"
    assert.is_false(perform(case, nil))
    undisturbed, executed = account.of(case.facts, RUN), executions(case)
  end)

  after_each(function()
    for _, case in ipairs(cases) do
      if case.host then case.host:stop() end
      case.facts:close()
    end
    cases = {}
  end)

  lazy_teardown(function()
    redis:stop()
    support.remove(folder)
  end)

  local function same_as_undisturbed(case)
    local actual = account.of(case.facts, RUN)
    local expected = account.expected(undisturbed, actual)
    for id, run in pairs(expected) do assert.same(run, actual[id], id) end
    assert.same(expected, actual)
  end

  -- One case, from its start to what was executed; what it raises names the fault.
  local function story(fault, check)
    local case, faulted = new_case((fault:gsub("/", "-every-"):gsub(":", "-"))), nil
    local ok, raised = xpcall(function()
      faulted = perform(case, fault)
      same_as_undisturbed(case)
      check(executions(case))
    end, function(raised) return debug.traceback(tostring(raised)) end)
    case.facts:close()
    if not ok then error(("WEIR_FAULT=%s: %s"):format(fault, raised), 0) end
    return faulted
  end

  -- `check` looks at what was executed.
  local function everywhere(kind, check)
    local n, over, faults = 1 - STRIDE, false, 0
    side_by_side(AT_ONCE, function()
      if over then return nil end
      n = n + STRIDE
      local fault = ("%s:%d"):format(kind, n)
      return function()
        if story(fault, check) then faults = faults + 1 else over = true end
      end
    end)
    assert.is_true(faults > 50 / STRIDE, ("only %d faults came"):format(faults))
  end

  local function again_and_again(kind, periods, check)
    local i = 0
    side_by_side(AT_ONCE, function()
      i = i + 1
      local period = periods[i]
      return period and function()
        assert.is_true(story(("%s/%d"):format(kind, period), check))
      end
    end)
  end

  local function at_most_twice(times)
    for key, count in pairs(times) do
      assert.is_true(count <= executed[key] + 1, ("%s ran %d times"):format(key, count))
    end
  end

  local function once(times)
    for key, count in pairs(times) do assert.equal(executed[key], count, key) end
  end

  local function any_number() end

  it("executes each step once", function()
    for key, count in pairs(executed) do
      assert.equal(key == RUN .. " flaky" and 3 or 1, count, key)
    end
  end)

  it("ends the same when the host dies before any of its calls", function()
    everywhere("abort-before", at_most_twice)
  end)

  it("ends the same when the host dies right after any of its calls", function()
    everywhere("abort", at_most_twice)
  end)

  it("ends the same, each step executed once, when a call is carried out and its reply lost", function()
    everywhere("cut-before", once)
  end)

  it("ends the same, each step executed once, when a connection is cut after any reply", function()
    everywhere("cut-after", once)
  end)

  it("ends the same when the host dies again and again", function()
    again_and_again("abort-before", { 11, 17, 23 }, any_number)
    again_and_again("abort", { 11, 17, 23 }, any_number)
  end)

  it("ends the same, each step executed once, when connections are cut again and again", function()
    again_and_again("cut-before", { 2, 3, 5 }, once)
    again_and_again("cut-after", { 1, 2, 5 }, once)
  end)
end)
