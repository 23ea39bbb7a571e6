-- One attempt of one run, from its record to its end. It does no I/O: outcomes come in, effects go out, and its driver
-- (the host on Redis, or weir.testing in memory) carries them.
--
--   begin    a record becomes a run, page by page; none of the author's code runs yet
--   turn     takes outcomes, runs the author's code until every branch waits, and returns effects
--   kill     none of the author's code may run any more (a limit was hit); the run ends with that failure
--
-- A run ends in two steps. First its body ends, with a result or a failure. Then its other branches and its children
-- end, and after that it completes or fails.

local branches = require "weir.engine.branches"
local cancellation = require "weir.engine.cancellation"
local context = require "weir.engine.context"
local defaults = require "weir.define.defaults"
local duration = require "weir.base.duration"
local failure = require "weir.base.failure"
local inlining = require "weir.engine.inlining"
local invoke = require "weir.engine.invoke"
local journal = require "weir.replay.journal"
local graph_scheduler = require "weir.engine.graph_scheduler"
local json = require "weir.json"
local progress = require "weir.engine.progress"
local retry_policy = require "weir.define.retry_policy"
local returned = require "weir.engine.returned"
local run_id = require "weir.base.run_id"
local sandbox = require "weir.code.sandbox"
local scopes = require "weir.base.scope"
local step = require "weir.engine.step"
local undo = require "weir.engine.undo"
local call = require "weir.engine.call"
local violations = require "weir.define.violations"

local runs = {}

---The driver of the runs that `begin` makes. The C host sets it once, when a worker opens its Lua state.
---@type weir.Limits
runs.limits = { payload_bytes = defaults.payload_bytes, depth = defaults.depth }
---@type weir.native.host
runs.host = nil

-- Codes of failures that another attempt would only repeat.
local FINAL = {
  replay_mismatch = true, duplicate_id = true, payload_invalid = true, payload_too_large = true,
  invalid_data = true, unknown_workflow = true, cpu_limit = true, memory_limit = true, crash_loop = true,
}

---@class weir.Run one attempt of a run
---@field id string
---@field workflow string
---@field definition weir.Definition? nil: the bundle has no such workflow
---@field bundle weir.Bundle
---@field bundle_hash string
---@field host weir.native.host
---@field limits weir.Limits
---@field attempt integer
---@field attempts_before integer attempts before the last retry by hand
---@field generation integer
---@field seed integer
---@field crashes integer processes that died while they ran it, since its last turn was recorded
---@field created_at integer ms
---@field queue string in which it stood; this worker serves it
---@field data string JSON
---@field tags string? JSON
---@field deps string? of a graph's node: the keys it depends on, tab-separated
---@field retry_policy weir.RetryPolicy
---@field journal weir.Journal
---@field effects weir.Effects of the journal
---@field branches weir.Branches
---@field ctx weir.Context? of the body
---@field main weir.Branch? that runs the body
---@field clock_ms integer the time of Redis at the begin of this turn
---@field turn_began_ms integer? when this turn first read the clock of its worker
---@field step weir.Operation? the step whose Lua runs now
---@field inlined boolean? it is a child that runs in its parent's turn
---@field inlinable weir.Inlinable[]? children that began in this turn and may be inlined
---@field speculation_disabled boolean?
---@field observed boolean? its code has read a value that may differ between attempts
---@field started boolean?
---@field ended boolean? the body has ended, or may not run any more
---@field killed boolean? none of the author's code runs any more
---@field terminated boolean? a cancel without clean-up was recorded
---@field undoing boolean? its undos run
---@field undos weir.Undos? how to take back what it did
---@field like_undo string[]? ids of the author's that begin like those of undos
---@field result string? JSON, once the body has returned
---@field failure weir.Failure? once the body has failed
---@field retry_in integer? ms until the next attempt; nil: none follows
---@field detached_children weir.Operation[] invokes that timed out and whose children go on; a cancel ends these, too
---@field cancel_pending table<integer|string, string|true> children that were told to end and whose outcomes the run
---does not wait for: a list, and a set
---@field ending integer? the number of children when the cancel was last passed on to them
---@field grace_ms integer? how long the clean-up after a cancel may take
---@field taken_over string[]? operations of earlier attempts that its code did not begin again, and that it waits for
---@field left_over string[]? the same as lines for people
---@field unsaid { [1]: string, [2]: string, [3]: string? }[]? level, text and fields of lines that the log gets when
---their turn is recorded
---@field progress weir.Progress? how far it is, once it has said so
---@field progress_changed boolean? Redis does not know all of it
---@field progress_known string? what Redis has of it, once the effects of this turn are recorded
---@field progress_sent { turn: integer, handle: integer }? the effect that sent it last
---@field dry boolean? it only checks its code against the journal
---@field deps_begun table<string, weir.Operation>? reads of results, by id; see weir.engine.graph_results
---@field deps_view weir.Deps?
---@field read_dep? fun(key: string): boolean?, string? of an inlined node: the outcome of a dependency
---@field globals table? of its code, once it has written one
---@field numbers table<any, integer>? see weir.code.names
---@field numbered integer?
local Run = {}
Run.__index = Run

for _, methods in ipairs { cancellation, inlining } do
  for name, method in pairs(methods) do Run[name] = method end
end

-- For a run whose code cannot be loaded: it can only fail.
local NO_BUNDLE = { name = "", workflows = {} }

-- A run of whose record pages are missing.
local Record = {}
Record.__index = Record

---@param bundle weir.Bundle? of the run's attempt; nil: it could not be loaded
---@param id string
---@param known integer the number of its last outcome
---@param list string[] its record, or the first page: field, value, field, value …
---@param last boolean whether that is all
---@return table run to be asked for `more` until the last page has come
function runs.begin(bundle, id, known, list, last)
  local read = setmetatable({ bundle = bundle or NO_BUNDLE, id = id, known = known, fields = {} }, Record)
  return read:more(list, last)
end

---Takes a page of the record. A page may hold an outcome that came after the first page was read. Such an outcome is
---left out, because others with lower numbers may be missing; the reply to the first turn brings them all.
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
  fields.last_number = tostring(known)
  local run = runs.from_fields(self.bundle, self.id, fields)
  if self.bundle.fault then run:kill("error", self.bundle.fault) end
  return run
end

-- The driver killed the run before its whole record was read.
function Run:more() return self end

---@param bundle weir.Bundle
---@param id string
---@param fields table<string, string> the whole record
---@param driver { host: weir.native.host, limits: weir.Limits }? the C host unless given
---@return weir.Run
function runs.from_fields(bundle, id, fields, driver)
  driver = driver or runs
  local attempt = math.tointeger(tonumber(fields.attempt or 1))
  local definition = bundle.workflows[fields.workflow]

  local self = setmetatable({
    id = id, bundle = bundle, bundle_hash = fields.bundle, workflow = fields.workflow, definition = definition,
    attempt = attempt, seed = math.tointeger(tonumber(fields.seed or 0)), crashes = tonumber(fields.crashes or 0),
    created_at = math.tointeger(tonumber(fields.created_at)), limits = driver.limits, host = driver.host,
    queue = fields.queue or defaults.queue, cancel_pending = {}, detached_children = {}, data = fields.data,
    tags = fields.tags, progress_known = fields.progress,
    generation = math.tointeger(tonumber(fields.generation or 1)), deps = fields.deps,
    attempts_before = math.tointeger(tonumber(fields.attempts_before or 0)),
  }, Run)
  self.journal = journal.new(fields, attempt, id)
  self.journal.progress = self.host and self.host.progress
  self.effects = self.journal.effects
  self.branches = branches.new(self.journal)
  if fields.reset then self.journal:begin_again(fields) end
  if fields.started_at then self.journal:restore(fields) end
  if fields.retry then
    self.retry_policy = json.decode(fields.retry)
  else
    self.retry_policy = definition and definition.retry or retry_policy.policy()
  end
  return self
end

---Makes a context through which operations of a branch begin.
---@param scope string
---@param within string? the ids of the scopes that `ctx:scope` opened in the branch, each with a ":"
---@return weir.Context
function Run:new_context(scope, within) return context.new(self, scope, within) end

---Seconds since 1970 of the last outcome delivered.
function Run:now()
  self.observed = true
  return self.journal.now_ms / 1000
end

---As math.random, from the run's seed.
function Run:random(...)
  local branch = self.branches.current
  return context.random(branch and branch.ctx or self.ctx, ...)
end

---Writes a line to the log, once: a replay does not repeat it.
---@param level "debug"|"info"|"warn"|"error"
---@param text string
---@param fields string? JSON
function Run:say(level, text, fields)
  self.observed = true
  if self.inlined or not self.step and self.journal:replaying() then return end
  if self.effects.speculated > 0 then -- the effects before it are not recorded yet
    self.unsaid = self.unsaid or {}
    table.insert(self.unsaid, { level, text, fields })
  else
    self.host.log(level, self.id, text, fields)
  end
end

-- Logs the lines that the run held back until the effects before them were recorded.
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

---The function that the runs of a definition execute.
---@param definition weir.Definition
---@return fun(ctx: weir.Context, data: any): any
function runs.body_of(definition)
  if not definition.graph then return definition.run end
  return function(ctx, data) return graph_scheduler.run(ctx, definition, data) end
end

-- Checks the data, then runs the body.
function Run:run_body(definition, text)
  local fault = call.too_large(self, text, 'data of workflow "%s"', self.workflow)
  if fault then error(fault, 0) end
  local data, message = json.try_decode(text)
  if message then
    message = "the data is not valid JSON: " .. message
    error(failure.new { code = "payload_invalid", message = message, retryable = false }, 0)
  end
  if definition.transform then
    data = returned.only("the schema of workflow", self.workflow, definition.transform(data))
  elseif definition.validate then
    local found = definition.validate(data)
    if found then error(violations.to_failure(self.workflow, found), 0) end
  end
  return runs.body_of(definition)(self.ctx, data) -- a tail call, so that errors name the author's lines
end

function Run:start()
  self.started = true
  local definition = self.definition
  if not definition then
    return self:fail_now("unknown_workflow", ('bundle %s has no workflow "%s"'):format(self.bundle_hash, self.workflow))
  end
  self.ctx = self:new_context(scopes.ROOT)
  local function body() return self:run_body(definition, self.data) end
  self.main = self.branches:spawn(scopes.ROOT, body, self.ctx, "workflow", self.workflow)
end

---Ends the run with a failure; none of the author's code runs any more. Redis may not have received the effects of the
---last turn. So children that they start are told to end, and Redis knows which of them exist.
---@param code string
---@param message string
function Run:kill(code, message)
  local log, effects = self.journal, self.effects
  for _, operation in ipairs(log:open_children()) do
    if not operation.recorded and operation.sent_turn >= effects.split_from
      and operation.sent_turn < effects.turns then
      log:close_child(operation)
      log:cancel_child(operation, "cancelled: the run failed")
      self:note_pending(operation)
    end
  end
  self:fail_now(code, message)
end

---@param fault weir.Failure with which the run ends, whatever its code does
function Run:fail_with(fault)
  self.branches:drop()
  self.step, self.retry_in = nil, nil
  self.started, self.killed = true, true
  self:end_body(false, fault)
end

-- Ends the body with a failure; none of the author's code runs any more.
function Run:fail_now(code, message)
  self:fail_with(failure.new { code = code, message = message, retryable = false })
end

-- The body has ended: decides how the run will end. If another attempt follows a failure, that attempt continues the
-- journal with its children; otherwise the children are ended.
function Run:end_body(ok, value)
  self.ended = true
  if ok then
    local text, fault = self.result, nil -- a graph has composed its result as text
    if not text then text, fault = call.encode(self, value, "the result") end
    if text then
      self.result = text
      return
    end
    value = fault
  end
  local failed = failure.new(value)
  failed.run, failed.workflow = failed.run or self.id, failed.workflow or self.workflow
  self.failure = failed
  -- A cancel that is recorded and not delivered yet revokes the next attempt, live as in a replay.
  if not self.journal.cancel_delivered and not failed.operation and not FINAL[failed.code] then
    self.retry_in = step.pause(self, self.retry_policy, "retry", self.attempt - self.attempts_before, failed)
    if self.retry_in then return end
  end
  self:end_others("the run failed")
end

-- ------------------------------------------------------------------------------------------------
-- Turns

---@param now integer the time of Redis, ms
---@param outcomes string[] that came since the last turn
---@param recorded_at integer? when Redis recorded the effects of the last turn
---@return table effects flat
function Run:turn(now, outcomes, recorded_at)
  self.clock_ms = now
  self.turn_began_ms = nil
  self:say_rest()
  local log = self.journal
  log:recorded_at(recorded_at or now)
  if recorded_at then self.crashes = 0 end -- as Redis does
  log:learn(outcomes)
  if log.crash_loop and not self.ended then self:fail_now("crash_loop", log.crash_loop.value) end
  if log.termination and not self.terminated then self:terminate() end
  if not self.started then self:start() end
  if self.branches.live_count == 0 then -- no code of the author runs; it may not even be loaded
    self:advance()
  else
    sandbox.enter(self.bundle, self)
    self:advance()
    sandbox.leave()
  end
  if self.inlinable then self:run_inlinable() end
  return (self.effects:take())
end

-- Ends the body if it has returned or raised, or if the code does not follow its journal.
---@return boolean ended now
function Run:end_if_over()
  local fault = self.journal.poisoned
  if self.ended or not fault and not self.main.settled then return false end
  if fault then
    self:fail_with(fault)
  else
    self:end_body(self.main.ok, self.main.value)
  end
  return true
end

-- Runs the branches until all wait, then does the one thing that comes next, until the turn is over. A turn ends with
-- the effect that says how the run goes on; or without one, where the reply to what it sends brings the next turn.
function Run:advance()
  local log, effects = self.journal, self.effects
  while true do
    repeat self.branches:run() until not self:end_if_over() -- an end wakes the other branches
    if effects:overflows() then return end
    local cancelling = log:cancelling()
    if cancelling then
      self.retry_in = nil
      self:await_cancel()
      if effects:overflows() then return end
    elseif self.retry_in then
      return self:close_with_retry()
    end
    if not self:deliver_next() then
      local code_has_ended = self.ended and not cancelling and self.branches.live_count == 0
      if code_has_ended and not self.taken_over then
        self:take_over_children()
      elseif code_has_ended and log.open_count == 0 then
        if self:wind_up() then return end
      elseif not log:due(self.clock_ms) and (cancelling or not self:speculate()) then
        if self:step_or_suspend(cancelling) then return end
      end
    end
  end
end

-- Adds the effect that ends the turn.
function Run:close(name, fields)
  progress.send_changed(self)
  self.effects:close(name, fields)
end

-- The attempt has failed, and another one follows.
function Run:close_with_retry()
  if self.unsaid then return end
  self:report("retrying", ("attempt %d failed, the next begins in %s: %s"):format(self.attempt,
    duration.text(self.retry_in), tostring(self.failure.message)), self.failure.code)
  self:close("retry", { delay_ms = self.retry_in, error = failure.encode(self.failure) })
end

-- Delivers the next outcome that is known. The code is ended instead where it does not follow its journal, or where its
-- clean-up has had its time.
---@return boolean done false: no outcome is there to be delivered
function Run:deliver_next()
  local log = self.journal
  local delivered = log.delivered
  local following = log:next()
  if self:is_misplaced(following and delivered) then
    self:take_back()
    self:fail_with(log.poisoned)
  elseif not following then
    return false
  elseif following == "cancel" then
    self:deliver_cancel()
  elseif following == "too late" then
    self:end_grace()
  else
    self.branches:settle(following)
  end
  return true
end

-- The code and all children have ended: undos run, then the run ends.
---@return boolean over whether the turn is
function Run:wind_up()
  self:warn_of_unawaited()
  if self.unsaid then return true end
  if undo.begin(self) then return false end
  self:finish()
  return true
end

-- No outcome can be delivered: the next step runs, or the turn is over. A step does not run before the effects that led
-- to it are recorded.
---@return boolean over whether the turn is
function Run:step_or_suspend(cancelling)
  local all, effects = self.branches, self.effects
  local waiting = not cancelling and all:next_step()
  if waiting and effects:is_empty() then
    all:wake(waiting)
    return false
  end
  if waiting then
    table.insert(all.steps, 1, waiting)
    progress.send_changed(self)
  elseif not self.unsaid then
    local wake, wake_in = self.journal:wake()
    self:close("suspend", { wake = wake, wake_in = wake_in })
  end
  return true
end

-- Whether the code does not follow its journal. Not asked of a run that failed or was cancelled: that is its failure,
-- and the outcomes alone do not always decide when its undos run.
function Run:is_misplaced(number)
  if self.killed or self.ended and (self.failure or self.journal.cancel) then return false end
  return self.journal:is_misplaced(number)
end

-- Takes back the effects of this turn. The children that they would have started do not exist.
function Run:take_back()
  local log, effects = self.journal, self.effects
  if not effects:clear() then return end -- a part was sent already: its children are cancelled
  for _, operation in ipairs(log:open_children()) do
    if operation.recorded then
      operation.cancel_sent = false
    else
      log:close_child(operation)
    end
  end
end

-- The code has ended. Children that earlier attempts began and this one did not ask for end before the run, too.
function Run:take_over_children()
  local cancel, termination = self.journal.cancel, self.journal.termination
  self.left_over = self.journal:left_over_lines()
  self.taken_over = invoke.take_over_children(self)
  for _, operation in ipairs(self.journal:open_children()) do
    if operation.dropped_because then self:end_early(operation, operation.dropped_because) end
  end
  local why = termination and Run.passed_on(termination.value) or "cancelled: the run failed"
  if self.failure or cancel then self:cancel_children(scopes.everywhere, why) end
  if cancel then self:cancel_detached() end
  if self.terminated then self:terminate_pending() end
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

-- Failures of roots go to the log; that of a child goes to its parent.
local function report_failed(self, failed)
  if run_id.is_root(self.id) then self:report("failed", "failed: " .. tostring(failed.message), failed.code) end
end

-- Warns of failed children that the code did not await: nothing else would report their failures.
function Run:warn_of_unawaited()
  local failures = self.journal.redo_set
  if not failures or self.journal.cancel then return end
  for _, operation in ipairs(failures:unawaited()) do
    if not operation.warned then
      operation.warned = true
      self:say("warn", ('child "%s" (%s) failed and was not awaited: %s'):format(operation.id, operation.subject,
        failure.decode(operation.outcome.value).message))
    end
  end
end

-- Completes or fails the run. Everything below it has ended, except children that were told to end, for which Redis
-- waits.
function Run:finish()
  local log, cancel = self.journal, self.journal.cancel
  local redo = self.main and log:redo_text() or "" -- no code ran that knows
  if cancel then
    local code, message = cancel.state, cancel.value
    local failed = failure.new {
      code = code, message = message, retryable = false, run = self.id, workflow = self.workflow,
    }
    if self.failure and self.failure.code ~= code then failed.cause = self.failure end
    if code ~= "cancelled" then report_failed(self, failed) end
    local state = code == "cancelled" and "cancelled" or "failed"
    self:close("fail", { state = state, error = failure.encode(failed), redo = redo })
  elseif self.failure then
    report_failed(self, self.failure)
    self:close("fail", { state = "failed", error = failure.encode(self.failure), redo = redo })
  else
    self:warn_of_left_over()
    self:close("complete", { result = self.result })
  end
end

local NAMED = 5 -- operations in a warning

-- Warns if the run completes without operations that earlier attempts had begun: its code was changed.
function Run:warn_of_left_over()
  local lines = self.left_over or {}
  if not lines[1] or self.dry then return end
  local more = #lines > NAMED and (" and %d more"):format(#lines - NAMED) or ""
  self.host.log("warn", self.id, ("completed without asking again for what earlier attempts had done: %s%s"):format(
    table.concat(lines, ", ", 1, math.min(NAMED, #lines)), more))
end

local DESCRIBED = 5 -- operations in one line

-- A branch that waits for others says nothing new: they say what they wait for.
local function describe_wait(wait, lines)
  local function add(form, operation)
    lines[#lines + 1] = form:format(operation.kind, operation.id, operation.line or "?")
  end
  if wait.step then add('its turn for %s "%s" at %s', wait.step) end
  if wait.paused then add('the next try of %s "%s" at %s', wait.paused) end
  for _, future in ipairs(wait) do
    if future.kind and not future.settled then add('%s "%s" at %s', future) end
  end
  local names_none = wait.step or wait.paused or wait.members or wait[1]
  if not names_none then lines[#lines + 1] = "the nodes of its graph" end
end

---Says in one line what the run does: 'workflow "order", attempt 1, waits for invoke "pay" at order.lua:12'.
---@return string
function Run:describe()
  local lines = {}
  for _, branch in pairs(self.branches.live) do
    if branch.wait then describe_wait(branch.wait, lines) end
  end
  table.sort(lines)
  local more = #lines > DESCRIBED and (" and %d more"):format(#lines - DESCRIBED) or ""
  return ('workflow "%s", attempt %d, %s'):format(self.workflow, self.attempt, lines[1]
    and "waits for " .. table.concat(lines, ", ", 1, math.min(#lines, DESCRIBED)) .. more or "is running")
end

return runs
