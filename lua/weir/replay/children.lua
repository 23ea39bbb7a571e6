-- The open children of a run: methods of weir.Journal. A run ends after its children.

local sorted_keys = require "weir.base.sorted_keys"

---@class weir.Journal
local methods = {}

---Notes a child that was started: the run does not end before it.
function methods:open_child(operation, child_id)
  operation.child = child_id
  if operation.outcome then return end
  operation.open, operation.sent_turn, operation.handle = true, self.effects.turns, #self.effects.first
  self.open[operation.id] = operation
  self.open_count, self.opened = self.open_count + 1, self.opened + 1
end

---The run no longer waits for this child.
function methods:close_child(operation)
  if not operation.open then return end
  operation.open = false
  self.open[operation.id] = nil
  self.open_count = self.open_count - 1
end

---Tells the child of an operation to end. Until its outcome comes, either generation may be the one that runs.
function methods:cancel_child(operation, message)
  local terminate = self.termination and "1" or nil
  self.effects:add("cancel", { child = operation.child, message = message, terminate = terminate })
  local other = operation.other_child
  if other then self.effects:add("cancel", { child = other, message = message, terminate = terminate }) end
end

---The invoke of this child timed out: the run no longer waits for the child, which goes on.
function methods:detach_child(operation)
  self.effects:add("detach", { child = operation.child })
  if operation.other_child then self.effects:add("detach", { child = operation.other_child }) end
end

---The operations of the open children, in the order of their ids.
function methods:open_children()
  local children = {}
  for i, id in ipairs(sorted_keys.of(self.open)) do children[i] = self.open[id] end
  return children
end

return methods
