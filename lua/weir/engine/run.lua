-- One attempt of one run, from its record to its end. Sans-IO: outcomes come in, effects go out; who
-- drives it (the host on Redis, weir.testing in memory) only carries them.
--
--   begin    a record becomes a run, page by page; nothing of the author's runs yet
--   turn     outcomes in; the author's code runs until every branch waits; effects out
--   kill     the author's code is not to run any more (a limit was hit); the run ends with that failure
--
-- A run ends in two steps. Its body has ended: what it returned or raised is known. Then its other
-- branches and its children end, and only then does it complete or fail.

local branches = require "weir.engine.branches"
local cancellation = require "weir.engine.cancellation"
local context = require "weir.engine.context"
local duration = require "weir.base.duration"
local failure = require "weir.base.failure"
local inlining = require "weir.engine.inlining"
local invoke = require "weir.engine.invoke"
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
local call = require "weir.engine.call"
local violations = require "weir.define.violations"

local runs = {}

---The driver of runs that `begin` makes: the C host sets it once, when a worker opens its Lua state.
---@type weir.Limits
runs.limits = { payload_bytes = 16 * 1024 * 1024, depth = 64 }
---@type weir.native.host
runs.host = nil

-- Failures of the run's own code that no attempt would cure.
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
---@field queue string that this worker serves
---@field data string JSON
---@field tags string? JSON
---@field deps string? of a graph's node: the keys it depends on, tab-separated
---@field retry_policy weir.RetryPolicy
---@field journal weir.Journal
---@field effects weir.Effects those of the journal
---@field branches weir.Branches
---@field ctx weir.Context? of the body
---@field main weir.Branch? that runs the body
---@field clock_ms integer Redis' clock as this turn began
---@field turn_began_ms integer? when this turn looked at the clock of its worker first
---@field step weir.Operation? the step whose Lua runs now
---@field inlined boolean? it is a child that runs in its parent's turn
---@field inlinable table[]? children begun in this turn that may be inlined
---@field speculation_disabled boolean?
---@field observed boolean? its code has seen something that differs from one attempt to the next
---@field started boolean?
---@field ended boolean? the body has ended, or is not to run any more
---@field killed boolean? none of the author's code runs any more
---@field terminated boolean? a cancel without clean-up was recorded
---@field undoing boolean? its undos run
---@field undos table? how to take back what it did
---@field like_undo string[]? ids of the author's that begin as those of undos do
---@field result string? JSON, once the body has returned
---@field failure weir.Failure? once the body has failed
---@field retry_in integer? ms until the next attempt; nil: none follows
---@field detached_children weir.Operation[] invokes that timed out and whose children go on; a cancel takes them too
---@field cancel_pending (string|table)[] children that were told to end and whose outcomes are not awaited
---@field ending integer? how many children there were when a cancel was passed on last
---@field grace_ms integer? how long the clean-up after a cancel may take
---@field taken_over string[]? operations of earlier attempts that this one did not ask for and waits for
---@field left_over string[]? the same as lines for people
---@field unsaid table[]? lines for the log that wait until their turn is recorded
---@field dry boolean? it is only looked at whether its code could go on
---@field deps_begun table? see weir.engine.graph_results
---@field deps_view table?
---@field read_dep fun(key: string): boolean?, string?
local Run = {}
Run.__index = Run

for _, methods in ipairs { cancellation, inlining } do
  for name, method in pairs(methods) do Run[name] = method end
end


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
function runs.begin(bundle, id, known, list, last)
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
    queue = fields.queue or "default", -- which this worker serves
    cancel_pending = {}, -- children that were told to end and of which nothing is awaited any more
    detached_children = {}, -- invokes that timed out and whose children go on; a cancel takes them too
    data = fields.data,
    tags = fields.tags, -- JSON
    generation = math.tointeger(tonumber(fields.generation or 1)),
    attempts_before = math.tointeger(tonumber(fields.attempts_before or 0)),
    deps = fields.deps, -- of a graph's node: the keys it depends on
    undos = nil, -- how to take back what it did, once there is anything
  }, Run)
  self.journal = journal.new(fields, attempt)
  self.journal.progress = self.host and self.host.progress
  self.effects = self.journal.effects
  self.branches = branches.new(self.journal)
  if fields.reset then self.journal:reset(fields) end
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

---The function that runs of a definition run.
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
  return runs.body_of(definition)(self.ctx, data) -- a tail call: errors are told at the author's lines
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

---No more of the author's code runs. What the last turn told may never have come to the store: it
---knows which of those children live.
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

function Run:fail_now(code, message)
  self.branches:drop()
  self.step, self.retry_in = nil, nil
  self.started, self.killed = true, true
  self:end_body(false, failure.new { code = code, message = message, retryable = false })
end

-- The body has ended: what the run will be. A failure may have another attempt, which takes up the
-- journal as it is, children and all; an end ends them.
function Run:end_body(ok, value)
  self.ended = true
  if ok then
    local text, fault = self.result, nil -- a graph's is put together of texts
    if not text then text, fault = call.encode(self, value, "the result") end
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
    self.retry_in = step.pause(self, self.retry_policy, "retry", self.attempt - self.attempts_before, made)
    if self.retry_in then return end
  end
  self:end_others("the run failed")
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
  if log.crash_loop and not self.ended then self:fail_now("crash_loop", log.crash_loop.value) end
  if log.termination and not self.terminated then self:terminate() end
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
    self:fail_now(fault.code, fault.message)
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
      self.retry_in = nil
      self:await_cancel()
      if effects:overflows() then return end
    elseif self.retry_in then
      if self.unsaid then return end -- the reply to what was speculated brings us back
      self:report("retrying", ("attempt %d failed, the next begins in %s: %s"):format(self.attempt,
        duration.text(self.retry_in), tostring(self.failure.message)), self.failure.code)
      return effects:close("retry", { delay_ms = self.retry_in, error = failure.encode(self.failure) })
    end
    local number = log.delivered
    local following = log:next()
    if self:is_misplaced(following and number) then
      self:take_back()
      self:fail_now(log.poisoned.code, log.poisoned.message)
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
  self.taken_over = invoke.take_over_children(self)
  for _, operation in ipairs(self.journal:open_children()) do
    if operation.lost then self:end_early(operation, operation.lost) end -- only a branch that lost a race awaited it
  end
  local why = termination and Run.passed_on(termination.value) or "cancelled: the run failed"
  if self.failure or cancel then self:cancel_children(scopes.ROOT, why) end
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
  local redo = self.main and log:redo_text() or "" -- no code ran that could tell
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

return runs
