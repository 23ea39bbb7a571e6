-- The run's unhandled failures, and its clean-up work after a cancel: a plain `weir retry` executes these again. A
-- failure is handled if an operation began after its delivery, in the branch that received it or in one that waited for
-- that branch. Only the run knows this, so it stores the list when it ends. weir.reset.select reads the list.

local select_reset = require "weir.reset.select"
local kinds = require "weir.record.kinds"
local sorted_keys = require "weir.base.sorted_keys"
local scopes = require "weir.base.scope"

---@class weir.RedoSet
---@field received table<weir.Operation, string[]> failures that were delivered -> scopes of the branches that got them
---@field unseen table<string, weir.Operation> id -> operation that failed and was not delivered; whether it failed may
---not even be known
---@field latest table<string, integer> scope -> the number after which an earlier attempt began there an operation that
---this one did not ask for
---@field clean_up string[] ids of operations that began after a cancel was delivered, and of those that were undone
local redo_set = {}
redo_set.__index = redo_set

---@return weir.RedoSet
function redo_set.new()
  return setmetatable({ received = {}, unseen = {}, latest = {}, clean_up = {} }, redo_set)
end

---An operation failed, or probably did.
---@param operation weir.Operation
function redo_set:add(operation) self.unseen[operation.id] = operation end

---The operation did not fail after all.
---@param operation weir.Operation
function redo_set:remove(operation) self.unseen[operation.id] = nil end

---@param id string of an operation
function redo_set:add_clean_up(id) table.insert(self.clean_up, id) end

---The failure of an operation is delivered. Whether the code handles it is not known yet.
---@param operation weir.Operation
function redo_set:deliver(operation)
  local receivers = {}
  for _, wait in ipairs(operation.waits) do
    if wait.branch.wait == wait then receivers[#receivers + 1] = wait.branch.scope end
  end
  self.unseen[operation.id] = nil
  self.received[operation] = receivers
end

---An operation begins: the failures that its branch received, or a branch that it waited for, are handled.
---@param scope string of the branch
function redo_set:mark_handled(scope)
  for operation, receivers in pairs(self.received) do
    for _, receiver in ipairs(receivers) do
      if scopes.is_within(receiver, scope) then self.received[operation] = nil end
    end
  end
end

---Children that failed and were not awaited, without those that lost a race.
---@return weir.Operation[] in the order of their ids
function redo_set:unawaited()
  local list = {}
  for _, id in ipairs(sorted_keys.of(self.unseen)) do
    local operation = self.unseen[id]
    local failed = kinds[operation.kind].owns_child and operation.outcome and operation.outcome.state ~= "cancelled"
    if failed and not operation.raced and not operation.dropped then list[#list + 1] = operation end
  end
  return list
end

---The list as Redis stores it at the end of the run.
---@param came table<string, { outcome: weir.Outcome, scope: string }> outcomes of operations that were not asked for
---@return string text a tab before each id, and a "~" before an id that begins a new generation
function redo_set:text(came)
  local ids, listed, latest = {}, {}, self.latest
  local function add(id)
    if not listed[id] then
      listed[id] = true
      ids[#ids + 1] = id
    end
  end
  local function add_failed(id, number, receivers)
    for _, scope in ipairs(receivers) do
      if select_reset.was_handled(latest, scope, number) then return end
    end
    add(id)
  end
  for operation, receivers in pairs(self.received) do add_failed(operation.id, operation.outcome.number, receivers) end
  for id, operation in pairs(self.unseen) do
    if not operation.raced and not operation.dropped then
      add_failed(id, operation.outcome and operation.outcome.number or math.huge, { operation.scope or scopes.ROOT })
    end
  end
  for id, one in pairs(came) do
    if one.outcome.state ~= "completed" then add_failed(id, one.outcome.number, { one.scope }) end
  end
  for _, id in ipairs(self.clean_up) do add("~" .. id) end
  table.sort(ids)
  return "\t" .. table.concat(ids, "\t")
end

return redo_set
