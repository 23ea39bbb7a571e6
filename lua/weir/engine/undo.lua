-- Undos (compensation, as in a saga): a run that fails or is cancelled takes back what it did, the newest first. Undos
-- run when all other branches and the children have ended, one after the other, in a branch of their own. The journal
-- records their operations like any others.
--
-- They do not run if the run's code may not run any more: it hit a limit, was cancelled without clean-up, or its grace
-- is over.

local failure = require "weir.base.failure"
local identifier = require "weir.base.identifier"
local scope = require "weir.base.scope"
local call = require "weir.engine.call"

local undo = {}

---@class weir.Undo
---@field id string of the operation that it undoes, with the scope in front
---@field run fun(ctx: weir.Context)

---@class weir.Undos the undos of a run, the oldest first
---@field ids table<string, true> those that ctx:undo has taken
---@field [integer] weir.Undo

---Notes how to undo an operation.
---@param run weir.Run
---@param id string
---@param body fun(ctx: weir.Context)
function undo.add(run, id, body)
  for _, like in ipairs(run.like_undo or {}) do call.check_like_undo(like, id) end
  run.undos = run.undos or { ids = {} }
  table.insert(run.undos, { id = id, run = body })
end

---If this run later fails or is cancelled, `fn` runs: workflow code, with a context of its own. A retry of the run then
---resets an operation of this id.
---@param id string
---@param fn fun(ctx: weir.Context)
function undo.verb(ctx, id, fn)
  local state, run = call.place_of(ctx, "undo")
  local fault = identifier.fault(id)
  if fault then call.usage_error("ctx:undo: id" .. fault) end
  if type(fn) ~= "function" then call.usage_error("ctx:undo takes an id and a function") end
  local full = state.prefix .. id
  if run.undos and run.undos.ids[full] then
    local message = ('there is an undo "%s" already; give each its own id'):format(full)
    call.raise("duplicate_id", message, { operation = full })
  end
  undo.add(run, full, fn)
  run.undos.ids[full] = true
end

-- An undo that fails does not stop the others.
local function undo_all(run, list)
  for i = #list, 1, -1 do
    local one = list[i]
    run.journal:failures():add_clean_up(one.id)
    local ctx = run:new_context(scope.undo(one.id))
    run.branches.current.ctx = ctx
    local ok, raised = pcall(one.run, ctx)
    if not ok then
      run:say("error", ('undo of "%s" failed: %s'):format(one.id, failure.from(raised).message))
    end
  end
end

---Begins the undos, once all branches and children have ended.
---@param run weir.Run
---@return boolean begun
function undo.begin(run)
  local list = run.undos
  if not list or not run.main or run.killed or not (run.failure or run.journal.cancel) then return false end
  run.undos, run.undoing, run.journal.undoing = nil, true, true
  run.branches:spawn(scope.undo(""), function() undo_all(run, list) end, run.ctx)
  return true
end

return undo
