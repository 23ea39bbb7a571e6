-- One attempt of one run, from its record to its end. Sans-IO: outcomes come in, effects go out; who
-- drives it (the host on Redis, weir.testing in memory) only carries them.
--
--   begin    a record becomes a run, page by page; nothing of the author's runs yet
--   turn     outcomes in; the author's code runs until every branch waits; effects out
--   doom     the author's code is not to run any more (a limit was hit); the run ends with that failure
--
-- A run ends in two steps. Its body has ended: what it returned or raised is known. Then its other
-- branches and its children end, and only then does it complete or fail.

local branches = require "weir.engine.branches"
local context = require "weir.engine.context"
local duration = require "weir.base.duration"
local failure = require "weir.base.failure"
local journal = require "weir.replay.journal"
local graph_scheduler = require "weir.engine.graph_scheduler"
local json = require "weir.json"
local retry = require "weir.define.retry_policy"
local returned = require "weir.engine.returned"
local run_id = require "weir.base.run_id"
local sandbox = require "weir.code.sandbox"
local scopes = require "weir.base.scope"
local step = require "weir.engine.step"
local undo = require "weir.engine.undo"
local verb = require "weir.engine.call"
local violations = require "weir.define.violations"

local executor = {}

---Limits of every run, set by the driver.
executor.limits = { payload_bytes = 16 * 1024 * 1024, depth = 64 }

---What the driver provides: log, limit, elapsed_ms, seed. In the host that is a module in C, which has progress, too: a
---replay is long, and no loop; and report: a line for the log, written once this turn is recorded. weir.testing adds
---mocked_step and advise, and separate: no child is run in its parent's turn.
executor.host = package.preload["weir.native.host"] and require "weir.native.host"

-- Failures of the run's own code that no attempt would cure.
local FINAL = {
  replay_mismatch = true, duplicate_id = true, payload_invalid = true, payload_too_large = true,
  invalid_data = true, unknown_workflow = true, cpu_limit = true, memory_limit = true, crash_loop = true,
}

local Run = {}
Run.__index = Run


-- For a run whose code cannot be loaded: it can only fail.
local NO_BUNDLE = { name = "", workflows = {} }

-- A run whose record has not come whole.
local Record = {}
Record.__index = Record

---@param bundle table? what the run's attempt is served by
---@param id string
---@param known integer the number of its last outcome
---@param list string[] its record, or the first page: field, value, field, value …
---@param last boolean whether that is all
---@return table run to be asked for `more` until the last page has come
function executor.begin(bundle, id, known, list, last)
  local read = setmetatable({ bundle = bundle or NO_BUNDLE, id = id, known = known, fields = {} }, Record)
  return read:more(list, last)
end

---A page of the record. It may show an outcome that came after the first page was read: that one is left out, for
---others with lower numbers may be missing, and the first turn's reply brings them all.
---@param list string[]
---@param last boolean
---@return table run
function Record:more(list, last)
  local fields, known = self.fields, self.known
  for i = 1, #list, 2 do
    local field = list[i]
    local number = field:find("^%d+$") and tonumber(field)
    if not number or number <= known then fields[field] = list[i + 1] end
  end
  if not last then return self end
  fields.number = tostring(known)
  local run = executor.from_fields(self.bundle, self.id, fields)
  if self.bundle.fault then run:doom("error", self.bundle.fault) end
  return run
end

-- It was doomed while its record was read.
function Run:more() return self end

---@param fields table<string, string>
function executor.from_fields(bundle, id, fields)
  local attempt = math.tointeger(tonumber(fields.attempt or 1))
  local definition = bundle.workflows[fields.workflow]

  local self = setmetatable({
    id = id, bundle = bundle, bundle_hash = fields.bundle, workflow = fields.workflow, definition = definition,
    attempt = attempt, seed = math.tointeger(tonumber(fields.seed or 0)), crashes = tonumber(fields.crashes or 0),
    created_at = math.tointeger(tonumber(fields.created_at)), limits = executor.limits, host = executor.host,
    queue = fields.queue or "default", -- which this worker serves
    cancel_pending = {}, -- children that were told to end and of which nothing is awaited any more
    abandoned = {}, -- operations whose time was over and whose children go on; a cancel takes them too
    data = fields.data,
    tags = fields.tags, -- JSON
    generation = math.tointeger(tonumber(fields.generation or 1)),
    spent = math.tointeger(tonumber(fields.attempts_before or 0)),
    deps = fields.deps, -- of a graph's node: the keys it depends on
    undos = nil, -- how to take back what it did, once there is anything
  }, Run)
  self.journal = journal.new(fields, attempt)
  self.journal.progress = self.host and self.host.progress
  self.effects = self.journal.effects
  self.branches = branches.new(self.journal)
  if fields.again then self.journal:forget(fields) end
  if fields.started_at then self.journal:restore(fields) end
  if fields.retry then
    self.retry_policy = json.decode(fields.retry)
  else
    self.retry_policy = definition and definition.retry or retry.policy()
  end
  return self
end

---A context through which operations of a scope begin.
---@param scope string
---@return weir.Context
function Run:new_context(scope) return context.new(self, scope) end

---Seconds of the last outcome delivered.
function Run:now()
  self.observed = true
  return self.journal.now_ms / 1000
end

---As math.random, from the run's seed.
function Run:random(...)
  local branch = self.branches.current
  return context.random(branch and branch.ctx or self.ctx, ...)
end

---Said to people: once, not again when it is replayed.
---@param level "debug"|"info"|"warn"|"error"
---@param text string
---@param fields string? JSON
function Run:say(level, text, fields)
  self.observed = true
  if self.inlined or not self.step and self.journal:replaying() then return end
  if self.effects.speculated > 0 then -- what led to it is not recorded yet
    self.unsaid = self.unsaid or {}
    table.insert(self.unsaid, { level, text, fields })
  else
    self.host.log(level, self.id, text, fields)
  end
end

-- What had to wait for the record of what led to it.
function Run:say_rest()
  local unsaid = self.unsaid
  if not unsaid then return end
  self.unsaid = nil
  for _, line in ipairs(unsaid) do self.host.log(line[1], self.id, line[2], line[3]) end
end

local print_while_loading = sandbox.on_print
function sandbox.on_print(run, text)
  if not run then return print_while_loading(run, text) end
  return run:say("info", text)
end

-- ------------------------------------------------------------------------------------------------
-- The body

---The function that runs of a definition run.
---@param definition weir.Definition
---@return fun(ctx: weir.Context, data: any): any
function executor.body_of(definition)
  if not definition.graph then return definition.run end
  return function(ctx, data) return graph_scheduler.run(ctx, definition, data) end
end

-- Checks the data, then runs the body.
local function run_body(self, definition, text)
  local fault = verb.too_large(self, text, 'data of workflow "%s"', self.workflow)
  if fault then error(fault, 0) end
  local data, message = json.try_decode(text)
  if message then
    error(failure.new { code = "payload_invalid", message = "the data is no JSON: " .. message, retryable = false }, 0)
  end
  if definition.transform then
    data = returned.only("the schema of workflow", self.workflow, definition.transform(data))
  elseif definition.validate then
    local found = definition.validate(data)
    if found then error(violations.to_failure(self.workflow, found), 0) end
  end
  return executor.body_of(definition)(self.ctx, data) -- a tail call: errors are told at the author's lines
end

function Run:start()
  self.started = true
  local definition = self.definition
  if not definition then
    return self:kill("unknown_workflow", ('bundle %s has no workflow "%s"'):format(self.bundle_hash, self.workflow))
  end
  self.ctx = self:new_context(scopes.ROOT)
  local function body() return run_body(self, definition, self.data) end
  self.main = self.branches:spawn(scopes.ROOT, body, self.ctx, "workflow", self.workflow)
end

---No more of the author's code runs. What the last turn told may never have come to the store: it
---knows which of those children live.
---@param code string
---@param message string
function Run:doom(code, message)
  local log, effects = self.journal, self.effects
  for _, operation in ipairs(log:open_children()) do
    if not operation.recorded and operation.sent_turn >= effects.split_from
      and operation.sent_turn < effects.turns then
      log:close_child(operation)
      log:cancel_child(operation, "cancelled: the run failed")
      self:linger(operation)
    end
  end
  self:kill(code, message)
end

function Run:kill(code, message)
  self.branches:drop()
  self.step, self.another = nil, nil
  self.started, self.killed = true, true
  self:end_body(false, failure.new { code = code, message = message, retryable = false })
end

-- The body has ended: what the run will be. A failure may have another attempt, which takes up the
-- journal as it is, children and all; an end ends them.
function Run:end_body(ok, value)
  self.ended = true
  if ok then
    local text, fault = self.result, nil -- a graph's is put together of texts
    if not text then text, fault = verb.encode(self, value, "the result") end
    if text then
      self.result = text
      return
    end
    value = fault
  end
  local made = failure.new(value)
  made.run, made.workflow = made.run or self.id, made.workflow or self.workflow
  self.failure = made
  -- A cancel that is recorded but not delivered yet takes the attempt away again, live as in a replay.
  if not self.journal.cancel_delivered and not made.operation and not FINAL[made.code] then
    self.another = step.pause(self, self.retry_policy, "retry", self.attempt - self.spent, made)
    if self.another then return end
  end
  self:end_others("the run failed")
end

-- ------------------------------------------------------------------------------------------------
-- Ending others: losers of a race, the children and branches of a run that fails

local function cancelled(self, message)
  return failure.new { code = "cancelled", message = message, retryable = false, run = self.id }
end

---Cancel open children of operations in this scope.
function Run:cancel_children(scope, message)
  for _, operation in ipairs(self.journal:open_children()) do
    if scopes.is_within(operation.scope or scopes.ROOT, scope) and not operation.cancel_sent then
      operation.cancel_sent = true
      self.journal:cancel_child(operation, message)
    end
  end
end

---The child of this operation was told to end, whatever is known of the operation.
function Run:linger(operation)
  local cancel_pending = self.cancel_pending
  for _, child in ipairs { operation.child, operation.other_child } do
    if not cancel_pending[child] then
      cancel_pending[child] = true
      table.insert(cancel_pending, child)
    end
  end
end

---End one future before its time.
function Run:end_early(settles, why)
  if settles.settled then return end
  settles.dropped = true
  if not settles.kind then
    for _, operation in ipairs(self.branches:awaited_in(settles.scope)) do operation.lost = why end
    self:cancel_children(settles.scope, "cancelled: it " .. why)
    self.branches:raise(settles.scope, cancelled(self, "the branch " .. why))
  elseif settles.open and not settles.cancel_sent then
    settles.cancel_sent = true
    self.journal:cancel_child(settles, "cancelled: it " .. why)
  end
end

---End all children and all other branches: the run has failed.
function Run:end_others(why)
  self:cancel_children(scopes.ROOT, "cancelled: " .. why)
  self.branches:raise(scopes.ROOT, cancelled(self, why))
end

-- ------------------------------------------------------------------------------------------------
-- Cancel

-- Children end of what ended the run; what a cancel said is said once, however deep it goes.
local function passed_on(message)
  return message:find "^cancelled" and message or "cancelled: " .. message
end

-- A cancel is recorded: the children end first, then it is delivered. Those begun since it was told last are looked at,
-- for this is asked with each child that ends.
function Run:await_cancel()
  local log = self.journal
  if self.undoing then return end -- it ends already; what it takes back is to be taken back
  if log.opened == self.ending and not self.abandoned[1] then return end
  self.ending = log.opened
  self:cancel_children(scopes.ROOT, passed_on(log.cancel.value))
  self:cancel_abandoned()
end

-- A cancel of the tree takes along those, too, of which nothing is awaited.
function Run:cancel_abandoned()
  local log = self.journal
  for _, operation in ipairs(self.abandoned) do
    log:cancel_child(operation, passed_on(log.cancel.value))
    self:linger(operation)
  end
  self.abandoned = {}
end

-- Children that were told to end, and take their time.
function Run:terminate_pending()
  for _, child in ipairs(self.cancel_pending) do
    self.effects:add("cancel", { child = child, message = passed_on(self.journal.termination.value), terminate = "1" })
  end
end

-- The children have ended: every branch learns of it, once, where it waits. What clean-up needs after
-- that works as ever, for as long as the grace lasts.
function Run:deliver_cancel()
  if self.cut then return end
  local cancel, definition = self.journal.cancel, self.definition
  local log = self.journal
  self.grace_ms = definition and definition.cancel_grace_ms or 60000
  log.grace_ends_at = math.max(cancel.finished_at, log.children_ended_at) + self.grace_ms
  log:arm_at({}, log.grace_ends_at, function() self:end_grace() end)
  if self.undoing then return end
  self.branches:raise(scopes.ROOT,
    failure.new { code = cancel.state, message = cancel.value, retryable = false, run = self.id })
end

-- Clean-up has had its time: none of the author's code runs any more.
function Run:end_grace()
  if not self.journal.grace_ends_at then return end
  self.journal.grace_ends_at = nil
  self.killed = true
  self.branches:drop()
  if self.ended then return self:end_others("the run was cancelled") end
  self:end_body(false, cancelled(self, "the clean-up after a cancel took longer than " .. duration.text(self.grace_ms)))
end

-- Nobody wants to wait for the clean-up: none of the author's code runs any more, and the children end so too.
function Run:terminate()
  local log = self.journal
  self.cut, self.started, self.killed = true, true, true
  self.step, self.another, log.grace_ends_at = nil, nil, nil
  self.branches:drop()
  for _, operation in pairs(log.open) do operation.cancel_sent = false end
  self:cancel_children(scopes.ROOT, passed_on(log.termination.value))
  self:terminate_pending()
  if not self.ended then self:end_body(false, cancelled(self, log.termination.value)) end
end

-- ------------------------------------------------------------------------------------------------
-- Turns

---@param now integer the store's clock, ms
---@param outcomes string[] those that came since the last turn
---@param recorded_at integer? when the store recorded what the last turn told
---@return table effects flat
function Run:turn(now, outcomes, recorded_at)
  self.clock_ms = now
  self.turn_began_ms = nil
  self:say_rest()
  local log = self.journal
  log:recorded_at(recorded_at or now)
  if recorded_at then self.crashes = 0 end -- so it is in the store
  log:learn(outcomes)
  if log.crash_loop and not self.ended then self:kill("crash_loop", log.crash_loop.value) end
  if log.termination and not self.cut then self:terminate() end
  if not self.started then self:start() end
  if self.branches.live_count == 0 then -- nothing of the author's runs, which may not even be there
    self:advance()
  else
    sandbox.enter(self.bundle, self)
    self:advance()
    sandbox.leave()
  end
  if self.inlinable then self:run_inlinable() end
  return (self.effects:take())
end

-- Whether the body has ended now.
function Run:end_if_over()
  local fault = self.journal.poisoned
  if self.ended or not fault and not self.main.settled then return false end
  if fault then
    self:kill(fault.code, fault.message)
  else
    self:end_body(self.main.ok, self.main.value)
  end
  return true
end

-- Run the branches, deliver what can be delivered, one at a time, until there is something to wait for.
function Run:advance()
  local log, effects, all = self.journal, self.effects, self.branches
  while true do
    repeat all:run() until not self:end_if_over() -- an end wakes the other branches
    if effects:overflows() then return end -- told in part; the reply brings us back

    local cancelling = log:cancelling()
    if cancelling then
      self.another = nil
      self:await_cancel()
      if effects:overflows() then return end
    elseif self.another then
      if self.unsaid then return end -- the reply to what was speculated brings us back
      self:report("retrying", ("attempt %d failed, the next begins in %s: %s"):format(self.attempt,
        duration.text(self.another), tostring(self.failure.message)), self.failure.code)
      return effects:close("retry", { delay_ms = self.another, error = failure.encode(self.failure) })
    end
    local number = log.delivered
    local following = log:next()
    if self:is_misplaced(following and number) then
      self:take_back()
      self:kill(log.poisoned.code, log.poisoned.message)
    elseif following == "cancel" then
      self:deliver_cancel()
    elseif following == "too late" then
      self:end_grace()
    elseif following then
      all:settle(following)
    elseif self.ended and not cancelling and all.live_count == 0 and not self.taken_over then
      self:adopt()
    elseif self.ended and not cancelling and all.live_count == 0 and log.open_count == 0 then
      self:warn_of_unawaited()
      if self.unsaid then return end
      if not undo.begin(self) then return self:finish() end
    elseif not log:due(self.clock_ms) and (cancelling or not self:speculate()) then
      local waiting = not cancelling and all:next_step()
      if waiting and effects:is_empty() then
        all:wake(waiting) -- what led to its step is recorded
      elseif waiting then
        return table.insert(all.steps, 1, waiting)
      elseif self.unsaid then
        return
      else
        local wake, wake_in = log:wake()
        return effects:close("suspend", { wake = wake, wake_in = wake_in })
      end
    end
  end
end

-- Whether the code takes another way than its journal. A run that failed or was cancelled says why itself, and when it
-- undoes, by its outcomes alone, is not always the same.
function Run:is_misplaced(number)
  if self.killed or self.ended and (self.failure or self.journal.cancel) then return false end
  return self.journal:is_misplaced(number)
end

-- Nothing that this turn has told leaves it. Children that it began are not there.
function Run:take_back()
  local log, effects = self.journal, self.effects
  if not effects:clear() then return end -- a part has gone already: those children are cancelled
  for _, operation in ipairs(log:open_children()) do
    if operation.recorded then
      operation.cancel_sent = false
    else
      log:close_child(operation)
    end
  end
end

-- The code has ended: what attempts before began, and this one did not, is seen to as well.
function Run:adopt()
  local cancel, termination = self.journal.cancel, self.journal.termination
  self.left_over = self.journal:left_over_lines()
  self.taken_over = context.adopt(self)
  for _, operation in ipairs(self.journal:open_children()) do
    if operation.lost then self:end_early(operation, operation.lost) end -- only a branch that lost a race awaited it
  end
  local why = termination and passed_on(termination.value) or "cancelled: the run failed"
  if self.failure or cancel then self:cancel_children(scopes.ROOT, why) end
  if cancel then self:cancel_abandoned() end
  if self.cut then self:terminate_pending() end
end

local LONGEST = 1000 -- bytes of such a line

---Notes a line for the host's log.
---@param kind "failed"|"retrying"
---@param text string
---@param code string of the failure
function Run:report(kind, text, code)
  local report = self.host.report
  if not report or self.dry then return end
  if #text > LONGEST then text = text:sub(1, utf8.offset(text, 0, LONGEST) - 1) .. "…" end
  report(kind, text, json.encode { code = code, workflow = self.workflow })
end

-- A child's failure is its parent's to deal with.
local function report_failed(self, made)
  if run_id.is_root(self.id) then self:report("failed", "failed: " .. tostring(made.message), made.code) end
end

-- The failure of a child that the code did not await changes nothing, so that nothing else would tell of it.
function Run:warn_of_unawaited()
  local failures = self.journal.redo_set
  if not failures or self.journal.cancel then return end
  for _, operation in ipairs(failures:unawaited()) do
    if not operation.said then
      operation.said = true
      self:say("warn", ('child "%s" (%s) failed and was not awaited: %s'):format(operation.id, operation.subject,
        failure.decode(operation.outcome.value).message))
    end
  end
end

-- Everything below this run has ended, but for children that were told to end: the store waits for those.
function Run:finish()
  local log, effects, cancel = self.journal, self.effects, self.journal.cancel
  local redo = self.main and log:redo_text() or "" -- nobody saw what its code did
  if cancel then
    local code, message = cancel.state, cancel.value
    local made = failure.new {
      code = code, message = message, retryable = false, run = self.id, workflow = self.workflow,
    }
    if self.failure and self.failure.code ~= code then made.cause = self.failure end
    if code ~= "cancelled" then report_failed(self, made) end
    local state = code == "cancelled" and "cancelled" or "failed"
    effects:close("fail", { state = state, error = failure.encode(made), redo = redo })
  elseif self.failure then
    report_failed(self, self.failure)
    effects:close("fail", { state = "failed", error = failure.encode(self.failure), redo = redo })
  else
    self:warn_of_left_over()
    effects:close("complete", { result = self.result })
  end
end

local NAMED = 5 -- operations in a warning

-- It completed without what earlier attempts had done: code that was changed, and nothing is done again in its place.
function Run:warn_of_left_over()
  local lines = self.left_over or {}
  if not lines[1] or self.dry then return end
  local more = #lines > NAMED and (" and %d more"):format(#lines - NAMED) or ""
  self.host.log("warn", self.id, ("completed without asking again for what earlier attempts had done: %s%s"):format(
    table.concat(lines, ", ", 1, math.min(NAMED, #lines)), more))
end

-- ------------------------------------------------------------------------------------------------
-- Inlined: a child that only computes is run at once, and is born completed in the turn that invokes it.
--
-- Until that turn is acknowledged nothing of it is outside: a child that wants anything of the store,
-- the clock or the log, that fails or takes long, is forgotten and goes the long way. So does one that
-- the store will not have inlined (something older is ready, newer code is registered): it decides.

local INLINED_A_TURN = 100
local INLINED_MS = 2 -- one of them
local INLINING_MS = 2 -- about all of them
local INLINE_BACKOFF = 64 -- invocations of a workflow that went the long way before it is tried again

local inline_backoff = setmetatable({}, { __mode = "k" }) -- definition -> how many are still to be remaining

---@param invoke weir.Invoke
---@param handle integer of the invoke in the effects
function Run:may_inline(operation, definition, invoke, seed, handle)
  if self.dry or self.host.separate or self.crashes > 0 or definition.timeout_ms or definition.graph then return end
  if definition.queue ~= self.queue then return end
  local remaining = inline_backoff[definition]
  if remaining and remaining > 0 then
    inline_backoff[definition] = remaining - 1
    return
  end
  local inlinable = self.inlinable
  if not inlinable then
    inlinable = {}
    self.inlinable = inlinable
  end
  if #inlinable < INLINED_A_TURN then
    inlinable[#inlinable + 1] = {
      operation = operation, definition = definition, child = operation.child, data = invoke.data, seed = seed,
      handle = handle, deps = invoke.deps, read_dep = invoke.read_dep,
    }
  end
end

---Whether this turn should tell no more: what is begun now would wait, or go the long way, for nothing.
function Run:is_full()
  local inlinable = self.inlinable
  return self.effects:overflows() or inlinable ~= nil and #inlinable >= INLINED_A_TURN
end

-- What a inlined child sees of itself. It has no journal: every verb that would need one gives it up.
local function begin_inlined(parent, one)
  local child = setmetatable({
    id = one.child, workflow = one.definition.id, seed = one.seed, attempt = 1, inlined = true,
    bundle_hash = parent.bundle_hash, limits = parent.limits, created_at = parent.clock_ms,
    deps = one.deps, read_dep = one.read_dep,
    journal = { now_ms = parent.clock_ms }, branches = {},
  }, Run)
  child.ctx = context.new(child, scopes.ROOT)
  return child
end

-- Its result as JSON, if that is all it came to.
local function result_of(child, ok, value, ...)
  if not ok or returned.surplus("workflow", child.workflow, ...) then return nil end
  return (verb.encode(child, value, "the result"))
end

-- Run it. If it did nothing but return, its result goes with the invoke.
local function compute(self, one)
  local host, child = self.host, begin_inlined(self, one)
  sandbox.enter(self.bundle, child)
  host.limit(INLINED_MS, true)
  local result = result_of(child, pcall(run_body, child, one.definition, one.data))
  local late = host.limit(nil)
  sandbox.leave()
  if not result or late or child.observed then
    inline_backoff[one.definition] = INLINE_BACKOFF
    return nil
  end
  self.effects:patch(one.handle, "bundle", self.bundle_hash)
  self.effects:patch(one.handle, "result", result)
  return result
end

-- Whether this turn may take the time for another one.
local function has_time(self)
  local now = self.host.elapsed_ms()
  self.turn_began_ms = self.turn_began_ms or now
  return now - self.turn_began_ms < INLINING_MS
end

-- What is left to run when the turn ends.
function Run:run_inlinable()
  local inlinable = self.inlinable
  self.inlinable = nil
  for _, one in ipairs(inlinable) do
    if not has_time(self) or not compute(self, one) then return end
  end
end

---What it speculated on once was wrong.
function Run:disable_speculation() self.speculation_disabled = true end

-- When nothing else can come between, the outcome of a inlined child is known before it is recorded: it takes the next
-- number. So the parent goes on at once, and a sequence of such children is one turn. The store takes the turn as a
-- whole or not at all. If not (a cancel came, or newer code), this coroutine is dropped, and the run goes on from its
-- journal without speculating anything again.
local SPECULATED_A_TURN = 32

function Run:speculate()
  local inlinable, log = self.inlinable, self.journal
  local one = inlinable and inlinable[1]
  if not one or self.speculation_disabled then return false end
  if self.effects.uncertain or #inlinable ~= log.open_count then return false end
  if self.effects.speculated >= SPECULATED_A_TURN or not has_time(self) then return false end
  table.remove(inlinable, 1)
  local result = compute(self, one)
  sandbox.enter(self.bundle, self)
  if not result then return false end
  log:speculate(one.operation, result, self.clock_ms)
  return true
end

---One line about what the run does.
---@return string
function Run:describe()
  local waits = {}
  for _, branch in pairs(self.branches.live) do
    local wait = branch.wait
    if wait then
      for _, future in ipairs(wait) do
        if not future.settled then
          waits[#waits + 1] = ('%s "%s" at %s'):format(future.kind or "branch",
            future.id or scopes.prefix(future.scope), future.line or "?")
        end
      end
    end
  end
  table.sort(waits)
  return ("%s (%s, attempt %d) %s"):format(self.id, self.workflow, self.attempt,
    #waits > 0 and "waits for " .. table.concat(waits, ", ", 1, math.min(#waits, 5)) or "is running")
end

return executor
