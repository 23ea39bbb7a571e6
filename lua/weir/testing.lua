-- weir.testing: tests of workflows, in plain Lua and busted. The engine is the same as in a host, on a store in memory
-- and under a virtual clock: sleeps, timeouts and retries take no time, and no Redis is needed.
--
-- `run` and `retry` move the clock to each instant at which a run is due, until the run and all runs below it have
-- ended or can never go on. `start` and `cancel` run only what needs no time; `advance` moves the clock.

local crashing = require "weir.testing.crashing"
local call_site = require "weir.base.call_site"
local defaults = require "weir.define.defaults"
local definition = require "weir.define.definition"
local duration = require "weir.base.duration"
local failure = require "weir.base.failure"
local source_tree = require "weir.code.source_tree"
local golden = require "weir.testing.golden"
local identifier = require "weir.base.identifier"
local json = require "weir.json"
local sorted_keys = require "weir.base.sorted_keys"
local memory = require "weir.memory.driver"
local mocks = require "weir.testing.mocks"
local suggest = require "weir.base.suggest"
local option_checks = require "weir.base.options"
local check = require "weir.engine.check"
local result = require "weir.testing.result"
local retry_policy = require "weir.define.retry_policy"
local run_id = require "weir.base.run_id"
local call = require "weir.engine.call"

local usage_error = call.usage_error -- it names the line of the spec

local testing = { after = mocks.after, sequence = mocks.sequence }

---@class weir.testing.Options
---@field dir? string a folder of workflows, loaded as a host loads it: that of the spec unless given; or
---@field workflows? weir.Definition[] made by weir.workflow and weir.graph; or
---@field files? table<string, string> path -> source
---@field always_replay? boolean replays the run after each suspension, to check that it is deterministic; default true
---@field crash_at? integer the process dies after this event
---@field now? integer ms, when the clock begins
---@field seed? integer of all random numbers
---@field limits? { payload_bytes: integer?, depth: integer? }
---@field steps? "mocked" a step without a mock does not run, and fails the spec

---@class weir.testing.RunOptions
---@field id? string
---@field tags? table<string, string>
---@field delay? weir.Duration
---@field priority? integer
---@field queue? string
---@field dedupe? string|weir.DedupeOptions
---@field retry? weir.RetryFields instead of the workflow's own

---@class weir.testing.Runner
---@field memory weir.Memory
---@field mocks weir.testing.Mocks
---@field options weir.testing.Options
---@field code { workflows: weir.Definition[]?, files: table<string, string>? }
local Runner = {}
Runner.__index = Runner

local SEED = 42

-- ------------------------------------------------------------------------------------------------
-- Options

local function check_names(what, options, fields)
  if options ~= nil and type(options) ~= "table" then
    usage_error(("%s takes a table of options, not a %s"):format(what, type(options)))
  end
  local fault = option_checks.unknown(fields, options or {})
  if fault then usage_error(("%s: %s"):format(what, fault)) end
end

local OPTIONS = option_checks.fields {
  "always_replay", "crash_at", "dir", "files", "limits", "now", "seed", "steps", "workflows",
}

local function check_workflows(list)
  if type(list) ~= "table" or definition.is(list) then
    usage_error("testing.new: workflows is a list of what weir.workflow and weir.graph make")
  end
  local there = {}
  for i, one in ipairs(list) do
    if not definition.is(one) then usage_error(("testing.new: workflows[%d] is no workflow"):format(i)) end
    if there[one.id] then usage_error(('testing.new: workflow "%s" is there twice'):format(one.id)) end
    there[one.id] = true
  end
end

-- A spec stands beside the workflows, or in a folder `spec` beside them.
local function folder_of_spec()
  local place = call_site.file():match "^(.*)/[^/]*$" or "."
  return place == "spec" and "." or place:match "^(.*)/spec$" or place
end

local function code_of(options)
  local count = (options.dir and 1 or 0) + (options.workflows and 1 or 0) + (options.files and 1 or 0)
  if count > 1 then
    usage_error('testing.new takes one of dir = "workflows", workflows = { … } and files = { ["a.lua"] = "…" }')
  end
  if options.workflows then check_workflows(options.workflows) end
  if options.workflows or options.files then return { workflows = options.workflows, files = options.files } end
  local files, fault = source_tree.read(options.dir or folder_of_spec())
  if not files then usage_error("testing.new: " .. fault) end
  return { files = files }
end

local function limits_of(limits)
  limits = limits or {}
  return { payload_bytes = limits.payload_bytes or defaults.payload_bytes, depth = limits.depth or defaults.depth }
end

-- Makes a runner that has run nothing yet.
---@param options weir.testing.Options
---@param code table
---@return weir.testing.Runner? runner
---@return string[]? faults
local function make(options, code)
  local always_replay = options.always_replay ~= false
  local self = setmetatable({
    options = options, code = code, mocks = mocks.new(options.steps == "mocked"), verified = 0, roots = {},
  }, Runner)
  local driver, faults = memory.new {
    files = code.files, workflows = code.workflows, now = options.now, seed = options.seed or SEED,
    always_replay = always_replay, strict = true, separate = always_replay, crash_at = options.crash_at,
    chronicle = true, limits = limits_of(options.limits),
    mocked_step = function(run, operation) return self.mocks:step_body(run, operation) end,
    advise = function(workflow) return ('; mock it: runner:mock("%s", …)'):format(workflow) end,
  }
  if not driver then return nil, faults end
  self.memory, self.mocks.memory = driver, driver
  return self
end

-- Runners of the current spec; nil without busted, which reports when a spec ends.
local live

local function warn_of_misspelled()
  for _, runner in ipairs(live) do
    for _, sentence in ipairs(runner.mocks:misspelled()) do io.stderr:write("weir: warning: ", sentence, "\n") end
  end
  live = {}
end

local function watch(runner)
  if not live and package.loaded.busted then
    local ok, subscribe = pcall(function() return require("busted").subscribe end)
    if ok and subscribe then
      live = {}
      subscribe({ "test", "end" }, warn_of_misspelled)
    end
  end
  if live then table.insert(live, runner) end
end

---Makes a runner, with a store, a clock and mocks of its own.
---@param options? weir.testing.Options
---@return weir.testing.Runner
function testing.new(options)
  options = options or {}
  check_names("testing.new", options, OPTIONS)
  if options.steps ~= nil and options.steps ~= "mocked" then
    usage_error(('testing.new: steps is "mocked" or nothing, not %s'):format(tostring(options.steps)))
  end
  local runner, faults = make(options, code_of(options))
  if not runner then usage_error("the workflows do not load:\n  " .. table.concat(faults, "\n  ")) end
  watch(runner)
  return runner
end

---Milliseconds of a duration.
---@param span weir.Duration
---@return integer
function testing.duration(span)
  local ms, fault = duration.ms(span)
  return ms or usage_error("testing.duration: " .. fault)
end

-- ------------------------------------------------------------------------------------------------
-- Start

local function unknown(what, name, names)
  local near = suggest.find(tostring(name), names)
  usage_error(('there is no %s "%s"; %s'):format(what, tostring(name), near and ('did you mean "%s"?'):format(near)
    or names[1] and "there are " .. table.concat(names, ", ", 1, math.min(#names, 8)) or "there are none"))
end

function Runner:check_workflow(workflow)
  if self.memory:is_open(workflow) then return end
  unknown("workflow", workflow, identifier.not_own(self.memory.registry))
end

function Runner:find(id)
  local record = self.memory.records[id]
  if record then return record end
  unknown("run", id, sorted_keys.of(self.memory.records))
end

local CANCEL_OPTIONS = option_checks.fields { "now" }
local RETRY_OPTIONS = option_checks.fields { "from", "scratch" }
local RUN_OPTIONS = option_checks.fields { "dedupe", "delay", "id", "priority", "queue", "retry", "tags" }

local function read_dedupe(dedupe)
  if dedupe == nil then return nil end
  local key, within = dedupe, nil
  if type(dedupe) == "table" then key, within = dedupe.key, dedupe.within end
  local fault = identifier.key_fault(key)
  if fault then usage_error("dedupe: key" .. fault) end
  local within_ms, message = defaults.dedupe_within_ms, nil
  if within ~= nil then within_ms, message = duration.ms(within) end
  if not within_ms then usage_error("dedupe: within: " .. message) end
  return { key = key, within_ms = within_ms }
end

-- Reads the options of a run, and checks them as `weir start` does.
local function read_options(what, options)
  check_names(what, options, RUN_OPTIONS)
  options = options or {}
  local read = { dedupe = read_dedupe(options.dedupe), queue = options.queue }
  local function refuse_if(name, message)
    if message then usage_error(("%s: %s%s"):format(what, name, message)) end
  end
  refuse_if("id", options.id ~= nil and identifier.fault(options.id) or nil)
  refuse_if("queue", options.queue ~= nil and identifier.queue_fault(options.queue) or nil)
  if options.delay ~= nil then
    local ms, message = duration.ms(options.delay)
    refuse_if("delay: ", message)
    read.delay_ms = ms
  end
  if options.retry ~= nil then
    local policy, message = retry_policy.policy(options.retry)
    refuse_if("", message)
    read.retry = json.encode(policy)
  end
  if options.priority ~= nil then
    local priority, message = option_checks.priority(options.priority)
    refuse_if("priority", message)
    read.priority = priority
  end
  if options.tags then
    local tags = {}
    for key, value in pairs(options.tags) do tags[key] = tostring(value) end
    read.tags = json.encode(tags)
  end
  return read
end

-- Starting a run again with the same id, workflow and data returns that run; anything else is an error.
local function check_same(record, workflow, text)
  if record.workflow == workflow and json.same(json.decode(record.fields.data), json.decode(text)) then return end
  usage_error(('duplicate_id: there is a run "%s" already, of %s; take another id'):format(record.id,
    record.workflow ~= workflow and ('another workflow, "%s"'):format(record.workflow) or "other data"))
end

function Runner:begin(what, workflow, data, options)
  self:check_workflow(workflow)
  local read = read_options(what, options)
  local text, fault = json.try_encode(data == nil and {} or data)
  if fault then usage_error(("%s: the data cannot be written as JSON: %s"):format(what, fault)) end
  local store, id = self.memory, options and options.id
  if id and store.records[id] then
    check_same(store.records[id], workflow, text)
    return id
  end
  local dedupe = read.dedupe
  local earlier = dedupe and store:earlier_run(workflow, dedupe.key)
  if earlier then return earlier.id end
  if not id then
    self.roots[workflow] = (self.roots[workflow] or 0) + 1
    id = ("%s-%d"):format(workflow, self.roots[workflow])
  end
  if dedupe then store:register_dedupe(workflow, dedupe.key, dedupe.within_ms, id) end
  store:begin_run(id, workflow, text, store.host.seed(id), read)
  return id
end

-- ------------------------------------------------------------------------------------------------
-- Events

-- Checks that a run ends in the same way when its whole journal is replayed.
local function check_end(self, record)
  local fields = record.fields
  if not fields.started_at or #record.begun == 0 or record.terminated or record.crash_loop then return end
  local done = check.dry(self.memory.bundles[fields.bundle], record.id, self.memory.fields_of(record), {
    now = record.finished_at, limits = self.memory.limits, host = self.memory.host, ended = true,
    is_meant = function(held) return held.attempt == record.attempt end,
  })
  local fault = done.fault or check.difference(done.run, record.state, fields)
  return fault and ('workflow "%s" is not deterministic: %s'):format(record.workflow, fault)
end

local function failure_or_trace(raised)
  return failure.is_failure(raised) and raised or debug.traceback(tostring(raised))
end

-- Runs events. Raises faults of the spec or of the workflows, even if the runs go on.
function Runner:act(act, ...)
  if self.acting then
    self.mocks.fault = "a mock cannot move the runner that runs it: it returns, raises, or answers with testing.after"
    usage_error(self.mocks.fault)
  end
  self.acting = true
  local ok, raised = xpcall(act, failure_or_trace, self.memory, ...)
  self.acting = false
  if not ok and not failure.is_failure(raised) then error(raised, 0) end
  local fault = self.mocks.fault or not ok and raised.message
  local ended = self.memory.ended
  while not fault and self.options.always_replay ~= false and self.verified < #ended do
    self.verified = self.verified + 1
    fault = check_end(self, ended[self.verified])
  end
  if fault then usage_error(fault) end
end

function Runner:settle(id)
  self:act(self.memory.settle)
  return result.new(self.memory, id)
end

function Runner:finish(id)
  local store, root = self.memory, run_id.root(id)
  self:act(store.finish, function() return store.open[root] == 0 end)
  return result.new(store, id)
end

---Runs a workflow until it and all runs below it have ended, or can never go on.
---@param workflow string
---@param data any {} unless given
---@param options? weir.testing.RunOptions
---@return weir.testing.Result
function Runner:run(workflow, data, options)
  return self:finish(self:begin("runner:run", workflow, data, options))
end

---Starts a workflow, and runs what needs no time.
---@param workflow string
---@param data any {} unless given
---@param options? weir.testing.RunOptions
---@return string id of the run
function Runner:start(workflow, data, options)
  local id = self:begin("runner:start", workflow, data, options)
  self:settle(id)
  return id
end

---Moves the clock.
---@param span weir.Duration
function Runner:advance(span)
  local ms, fault = duration.ms(span)
  if not ms then usage_error("runner:advance: " .. fault) end
  self:act(self.memory.advance, ms)
end

---@return integer ms, by the clock of the runner
function Runner:now() return self.memory.now end

---@param id string
---@return weir.testing.Result as the run stands now
function Runner:result(id)
  self:find(id)
  return result.new(self.memory, id)
end

---Cancels a run and all below it, as `weir cancel` does. Clean-up that takes time goes on when the clock moves.
---@param id string
---@param options? { now: boolean? } now: without clean-up
---@return weir.testing.Result as it stands
function Runner:cancel(id, options)
  check_names("runner:cancel", options, CANCEL_OPTIONS)
  local record = self:find(id)
  if record.finished_at then usage_error(("run %s has ended: it is %s"):format(id, record.state)) end
  self.memory:cancel(id, defaults.cancel_message, options and options.now)
  return self:settle(id)
end

---Lets an ended run begin again, as `weir retry` does, and runs it to its end.
---@param id string
---@param options? { from: string?, scratch: boolean? }
---@return weir.testing.Result
---@return string sentence on the operations that were reset and kept
function Runner:retry(id, options)
  check_names("runner:retry", options, RETRY_OPTIONS)
  options = options or {}
  if options.from and options.scratch then
    usage_error("runner:retry: from and scratch cannot be combined: scratch resets all operations")
  end
  local sentence, fault = self.memory:plan_retry(id, options)
  if not sentence then usage_error(fault) end
  return self:finish(id), sentence
end

for _, name in ipairs { "signal", "resolve", "reject" } do
  Runner[name] = function() usage_error(("runner:%s is not there yet"):format(name)) end
end

-- ------------------------------------------------------------------------------------------------
-- Mocks and spies

---Mocks the children of this workflow from now on. The answer is a function of (data, call), which returns the result
---or raises; a value; an error (weir.error, weir.fatal); testing.sequence { … }; or testing.after("1h", …).
---@param workflow string
---@param answer any|fun(data: any, call: weir.testing.Call): any
function Runner:mock(workflow, answer) self.mocks:mock(workflow, answer) end

---Ends a mock: children of this workflow run their own code again.
---@param workflow string
function Runner:unmock(workflow) self.mocks:unmock(workflow) end

---Mocks a step from now on, with answers as for children; a function gets the arguments of the step's own function.
---@param workflow string to which the step belongs
---@param id string of the operation, with the scope in front; "*" matches any text
---@param answer any|fun(about: weir.StepAbout): any
function Runner:mock_step(workflow, id, answer) self.mocks:mock_step(workflow, id, answer) end

---@class weir.testing.Spied an attempt of a run
---@field id string of the operation; of a run that was started, its own
---@field run string
---@field attempt integer
---@field data any
---@field state string
---@field result any
---@field error weir.Failure?
---@field at_ms integer when it began

local function spied(attempt)
  local record, completed = attempt.record, attempt.state == "completed"
  local value
  if completed then value = json.decode(attempt.value) end
  if value == json.null then value = nil end
  return {
    id = run_id.operation(record.id), run = record.id, attempt = attempt.attempt,
    data = json.decode(record.fields.data), state = attempt.state or record.state,
    result = value, error = not completed and attempt.value and failure.decode(attempt.value) or nil,
    at_ms = attempt.at,
  }
end

---The attempts of a workflow's runs, mocked or not, in the order in which they began.
---@param workflow string
---@return weir.testing.Spied[]
function Runner:calls(workflow)
  local list = {}
  for _, attempt in ipairs(self.memory.calls) do
    if attempt.record.workflow == workflow then list[#list + 1] = spied(attempt) end
  end
  if not list[1] then self:check_workflow(workflow) end
  return list
end

-- ------------------------------------------------------------------------------------------------
-- Crashes, golden journals

---Runs `act` on copies of this runner. In each the process crashes, after the first event, after the second, and so on
---for all events. Fails if a result differs from that without a crash.
---@param act fun(runner: weir.testing.Runner)
---@return integer crashes
function Runner:crash_everywhere(act)
  return crashing.everywhere(function(crash_at)
    local options = {}
    for name, value in pairs(self.options) do options[name] = value end
    options.crash_at = crash_at
    local runner = assert(make(options, self.code))
    runner.mocks = self.mocks:copy_for(runner.memory)
    return runner
  end, act)
end

---Writes the journals of all runs to a file. If the file exists, it is compared instead, unless WEIR_RECORD=1.
---@param path string
function Runner:record(path)
  local fault = golden.record(self.memory, self.mocks, path)
  if fault then usage_error(fault) end
end

---Fails if a run in the file could not go on with the present code as its journal says. No operation is executed.
---@param path string made by `record`, or by `weir show RUN --json`
---@return integer runs that were replayed
function Runner:replays(path)
  local count, fault = golden.replays(self.memory, self.mocks, path)
  if fault then usage_error(fault) end
  return count
end

-- Checks that each method is called with a colon; with a dot, the first argument would be taken for the runner.
for name, method in pairs(Runner) do
  if type(method) == "function" then
    Runner[name] = function(self, ...)
      if getmetatable(self) ~= Runner then usage_error(("call runner:%s with a colon"):format(name)) end
      return method(self, ...)
    end
  end
end

if pcall(require, "luassert") then require "weir.testing.asserts" end

return testing
