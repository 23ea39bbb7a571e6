-- How a run is cancelled and how it ends others: methods of weir.Run.
--
-- Redis records a cancel first. The run's children end, then the cancel is raised once in every branch, where it waits.
-- After that every verb works for `cancel_grace`, so that the author's code can clean up. `--now` skips the clean-up.

local defaults = require "weir.define.defaults"
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

---Cancels the open children of operations in these scopes.
---@param covers fun(scope: string): boolean
---@param message string
function Run:cancel_children(covers, message)
  for _, operation in ipairs(self.journal:open_children()) do
    if covers(operation.scope or scopes.ROOT) and not operation.cancel_sent then
      operation.cancel_sent = true
      self.journal:cancel_child(operation, message)
    end
  end
end

---Notes that the child of this operation was told to end. Both generations are noted while it is not known which one
---runs.
function Run:note_pending(operation)
  local cancel_pending = self.cancel_pending
  for _, child in ipairs { operation.child, operation.other_child } do
    if not cancel_pending[child] then
      cancel_pending[child] = true
      table.insert(cancel_pending, child)
    end
  end
end

-- Ends the branches in these scopes, and the children of their operations.
local function end_scopes(self, covers, why)
  self:cancel_children(covers, "cancelled: it " .. why)
  self.branches:raise(covers, cancelled(self, "the branch " .. why))
end

---Ends branches early, except those that are being ended already. A retry of the run repeats what they did not finish.
---@param list table<weir.Branch, true>
---@param why string
function Run:end_branches(list, why)
  local outers = {}
  for branch in pairs(list) do
    if not branch.settled and not branch.interrupted then outers[branch.scope] = true end
  end
  if next(outers) then end_scopes(self, scopes.within_any(outers), why) end
end

---Ends an operation or a branch early.
---@param awaitable weir.Operation|weir.Branch
---@param why string
function Run:end_early(awaitable, why)
  if awaitable.settled then return end
  awaitable.dropped = true
  if not awaitable.kind then
    local covers = scopes.within(awaitable.scope)
    for _, operation in ipairs(self.branches:awaited_in(covers)) do operation.dropped_because = why end
    end_scopes(self, covers, why)
  elseif awaitable.open and not awaitable.cancel_sent then
    awaitable.cancel_sent = true
    self.journal:cancel_child(awaitable, "cancelled: it " .. why)
  end
end

---Ends all children and all other branches, as the run has failed.
function Run:end_others(why)
  self:cancel_children(scopes.everywhere, "cancelled: " .. why)
  self.branches:raise(scopes.everywhere, cancelled(self, why))
end

-- ------------------------------------------------------------------------------------------------
-- Cancel

-- The message with which children are cancelled when the run is. It does not grow with the depth of the tree.
---@param message string
---@return string
function Run.passed_on(message)
  return message:find "^cancelled" and message or "cancelled: " .. message
end

local passed_on = Run.passed_on

-- A cancel is recorded: cancels the children, which end before it is delivered. This is called for each child that
-- ends, and looks only at children that began since the last call.
function Run:await_cancel()
  local log = self.journal
  if self.undoing then return end -- the run ends already, and its undos are not cut short
  if log.opened == self.ending and not self.detached_children[1] then return end
  self.ending = log.opened
  self:cancel_children(scopes.everywhere, passed_on(log.cancel.value))
  self:cancel_detached()
end

-- A cancel of the tree also ends children whose invokes timed out and that went on.
function Run:cancel_detached()
  local log = self.journal
  for _, operation in ipairs(self.detached_children) do
    log:cancel_child(operation, passed_on(log.cancel.value))
    self:note_pending(operation)
  end
  self.detached_children = {}
end

-- Terminates the children that were told to end and have not ended.
function Run:terminate_pending()
  for _, child in ipairs(self.cancel_pending) do
    self.effects:add("cancel", { child = child, message = passed_on(self.journal.termination.value), terminate = "1" })
  end
end

-- The children have ended: raises the cancel in every branch, once, where it waits. During the grace after that, all
-- verbs work for the clean-up.
function Run:deliver_cancel()
  if self.terminated then return end
  local cancel, definition = self.journal.cancel, self.definition
  local log = self.journal
  self.grace_ms = definition and definition.cancel_grace_ms or defaults.cancel_grace_ms
  log.grace_ends_at = math.max(cancel.finished_at, log.children_ended_at) + self.grace_ms
  log:arm_at({}, log.grace_ends_at, function() self:end_grace() end)
  if self.undoing then return end
  self.branches:raise(scopes.everywhere,
    failure.new { code = cancel.state, message = cancel.value, retryable = false, run = self.id })
end

-- The time for clean-up is over: none of the author's code runs any more.
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
  self:cancel_children(scopes.everywhere, passed_on(log.termination.value))
  self:terminate_pending()
  if not self.ended then self:end_body(false, cancelled(self, log.termination.value)) end
end

return Run
