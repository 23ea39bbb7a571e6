-- The harness of the crash tests: a play on one prefix of one Redis, a host that is killed or cut off at its n-th call,
-- and the host that comes after it. A play is a list of acts; each begins from outside and is over when Redis says so.
--
-- `make test` takes a selection of n, WEIR_CRASH=all (`make crash`) every one. Two cases run at a time, as coroutines
-- of the file that asks for them.

local assert = require "luassert"

local account = require "tests.crash.account"
local facts = require "tests.facts"
local side_by_side = require "tests.side_by_side"
local support = require "tests.support"

local harness = {}

local AT_ONCE = 2
local ALL = os.getenv "WEIR_CRASH" == "all"
local STRIDE = 3 -- from one n to the next, unless all are taken
local MOST_DEATHS = 100

---@class Case
---@field name string also its prefix in Redis
---@field notes string file to which steps append a line each
---@field facts Facts
---@field flows string the folder that the host serves

---@class Act
---@field begin fun(case: Case)
---@field over fun(case: Case): boolean
---@field forgets boolean? what failed before may be executed again

---@class Harness
---@field play Act[]
---@field roots string[] runs whose trees are compared
---@field stride integer
---@field files table<string, string>? name -> text of the workflow files that each case begins with, in a folder of its
---own; nil: tests/fixtures/crash
local Harness = {}
Harness.__index = Harness

---@param roots string[]
---@param play Act[]
---@param options { files: table<string, string>?, stride: integer? }?
function harness.new(roots, play, options)
  options = options or {}
  return setmetatable({ roots = roots, play = play, cases = {}, folder = support.folder(), files = options.files,
                        stride = ALL and 1 or options.stride or STRIDE,
                        redis = support.redis { "--appendfsync", "no" } }, Harness)
end

function Harness:stop()
  self.redis:stop()
  support.remove(self.folder)
end

---After a test that failed: nothing stays behind.
function Harness:clear()
  for _, case in ipairs(self.cases) do
    if case.host then case.host:stop() end
    case.facts:close()
  end
  self.cases = {}
end

---A workflow file of a case gets this text at once, as an editor saves it.
---@param case Case
function harness.save(case, name, text)
  support.write(("%s.new"):format(case.flows), text) -- beside the folder: the host watches that
  assert(os.rename(("%s.new"):format(case.flows), ("%s/%s"):format(case.flows, name)))
end

local function new_case(self, name)
  local case = { name = name, notes = ("%s/%s"):format(self.folder, name), facts = facts.of(self.redis, name),
                 flows = "tests/fixtures/crash" }
  if self.files then
    case.flows = case.notes .. ".flows"
    assert(os.execute(("mkdir '%s'"):format(case.flows)))
    for file, text in pairs(self.files) do harness.save(case, file, text) end
  end
  support.write(case.notes, "")
  self.cases[#self.cases + 1] = case
  return case
end

local function start_host(self, case, fault)
  local words = {
    support.build .. "/faulty", "serve", case.flows, "--redis", self.redis.url,
    "--prefix", case.name, "--node", "node", "--workers", "1",
  }
  return support.process(words, { WEIR_FAULT = fault, WEIR_DURABILITY = self.redis.durability })
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

---Whether a run and all others have ended.
function harness.all_ended(case, root)
  for _, id in ipairs(case.facts:ids()) do
    local state = case.facts:state(id)
    if state ~= "completed" and state ~= "failed" and state ~= "cancelled" then return false end
  end
  return case.facts:state(root) ~= nil
end

-- Waits until this act is over, or the host has died; true in the first case.
local function watch(case, act)
  return support.wait_until("the end of " .. case.name, function()
    if act.over(case) then return "over" end
    return case.host:status() and "died"
  end) == "over"
end

-- Everything has ended: it is where it should be, and the host goes in peace.
local function conclude(case)
  assert.same({}, case.facts:faults())
  local status, stderr = case.host:stop "TERM"
  case.host = nil
  local died_late = stderr:find("fault: abort", 1, true)
  assert.equal(died_late and 128 + 9 or 0, status, stderr)
  assert.same({}, case.facts:faults())
end

-- The host died: what is recorded now may not be executed by the next one.
local function restart(self, case, act, fault)
  assert.equal(128 + 9, case.host:status(), case.host:stderr())
  local outcomes, before = recorded(case), executions(case)
  case.host:stop()
  case.host = start_host(self, case, fault)
  local over = watch(case, act)
  for key, times in pairs(executions(case)) do
    if outcomes[key] and not (act.forgets and outcomes[key] ~= "completed") then
      assert.equal(before[key], times, key .. " was recorded and executed again")
    end
  end
  return over
end

-- Plays with a fault; one that is written with a slash comes again and again. Says whether it came before the end.
local function perform(self, case, fault)
  local next_fault = fault and fault:find("/", 1, true) and fault
  local crashes = 0
  for i, act in ipairs(self.play) do
    act.begin(case)
    if i == 1 then case.host = start_host(self, case, fault) end
    local over = watch(case, act)
    while not over do
      crashes = crashes + 1
      assert.is_true(crashes < MOST_DEATHS, "it does not come to its end")
      over = restart(self, case, act, next_fault)
    end
  end
  local faulted = crashes > 0 or case.host:stderr():find("fault: ", 1, true) ~= nil
  conclude(case)
  return faulted
end

local function accounts_of(self, case)
  local accounts = {}
  for _, root in ipairs(self.roots) do accounts[root] = account.of(case.facts, root) end
  return accounts
end

---Plays once without any fault: what all others are compared with.
function Harness:undisturbed()
  local case = new_case(self, "undisturbed")
  assert.is_false(perform(self, case, nil))
  self.expected, self.executed = accounts_of(self, case), executions(case)
end

local function same_as_undisturbed(self, case)
  for root, actual in pairs(accounts_of(self, case)) do
    local expected = account.expected(self.expected[root], actual)
    for id, run in pairs(expected) do assert.same(run, actual[id], id) end
    assert.same(expected, actual)
  end
end

-- One case, from its start to what was executed; what it raises names the fault.
local function story(self, fault, check)
  local case, faulted = new_case(self, (fault:gsub("/", "-every-"):gsub(":", "-"))), nil
  local ok, raised = xpcall(function()
    faulted = perform(self, case, fault)
    same_as_undisturbed(self, case)
    check(executions(case), self.executed)
  end, function(raised) return debug.traceback(tostring(raised)) end)
  case.facts:close()
  if not ok then
    error(("WEIR_FAULT=%s: %s\nthe host said:\n%s"):format(fault, raised, case.host and case.host:stderr() or ""), 0)
  end
  return faulted
end

---A fault at each call. `check` looks at what was executed. `least`: so many calls there are at least.
---@param kind string
---@param check fun(times: table<string, integer>, undisturbed: table<string, integer>)
---@param least integer
function Harness:everywhere(kind, check, least)
  local n, over, faults = 1 - self.stride, false, 0
  side_by_side(AT_ONCE, function()
    if over then return nil end
    n = n + self.stride
    local fault = ("%s:%d"):format(kind, n)
    return function()
      if story(self, fault, check) then faults = faults + 1 else over = true end
    end
  end)
  assert.is_true(faults > least / self.stride, ("only %d faults came"):format(faults))
end

---A fault at every so many calls.
---@param periods integer[]
function Harness:again_and_again(kind, periods, check)
  local i = 0
  side_by_side(AT_ONCE, function()
    i = i + 1
    local period = periods[i]
    return period and function()
      assert.is_true(story(self, ("%s/%d"):format(kind, period), check))
    end
  end)
end

-- ------------------------------------------------------------------------------------------------
-- Executions

---Its process may have died before its outcome was recorded.
function harness.at_most_twice(times, undisturbed)
  for key, count in pairs(times) do
    assert.is_true(count <= undisturbed[key] + 1, ("%s ran %d times"):format(key, count))
  end
end

---No process died.
function harness.once(times, undisturbed)
  for key, count in pairs(times) do assert.equal(undisturbed[key], count, key) end
end

function harness.any_number() end

return harness
