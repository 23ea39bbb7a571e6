-- How a run is cancelled and how it ends others: methods of weir.Run.
--
-- A cancel is recorded first. The run's children end, then the cancel is delivered to every branch where it waits,
-- once. After that every verb works for `cancel_grace`, so that the author's code can clean up. `--now` skips that.

local duration = require "weir.base.duration"
local failure = require "weir.base.failure"
local scopes = require "weir.base.scope"

---@class weir.Run
local Run = {}

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
function Run:note_pending(operation)
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
---@param message string
---@return string
function Run.passed_on(message)
  return message:find "^cancelled" and message or "cancelled: " .. message
end

local passed_on = Run.passed_on

-- A cancel is recorded: the children end first, then it is delivered. Those begun since it was told last are looked at,
-- for this is asked with each child that ends.
function Run:await_cancel()
  local log = self.journal
  if self.undoing then return end -- it ends already; what it takes back is to be taken back
  if log.opened == self.ending and not self.detached_children[1] then return end
  self.ending = log.opened
  self:cancel_children(scopes.ROOT, passed_on(log.cancel.value))
  self:cancel_detached()
end

-- A cancel of the tree takes along those, too, of which nothing is awaited.
function Run:cancel_detached()
  local log = self.journal
  for _, operation in ipairs(self.detached_children) do
    log:cancel_child(operation, passed_on(log.cancel.value))
    self:note_pending(operation)
  end
  self.detached_children = {}
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
  if self.terminated then return end
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

-- A cancel without clean-up: none of the author's code runs any more, and the children end the same way.
function Run:terminate()
  local log = self.journal
  self.terminated, self.started, self.killed = true, true, true
  self.step, self.retry_in, log.grace_ends_at = nil, nil, nil
  self.branches:drop()
  for _, operation in pairs(log.open) do operation.cancel_sent = false end
  self:cancel_children(scopes.ROOT, passed_on(log.termination.value))
  self:terminate_pending()
  if not self.ended then self:end_body(false, cancelled(self, log.termination.value)) end
end

return Run
