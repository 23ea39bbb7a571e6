-- Undos: what a run that fails or is cancelled takes back of what it did, newest first. They run when all else of the
-- run has ended, one after the other, in a branch of their own; what they do is in the journal like anything else.
--
-- Never run: when the run's code may not run any more (a limit was hit, a cancel at once, the grace is over).

local failure = require "weir.base.failure"
local identifier = require "weir.base.identifier"
local scope = require "weir.base.scope"
local call = require "weir.engine.call"

local undo = {}

---@class weir.Undo
---@field id string of what it undoes, scopes included
---@field run fun(ctx: weir.Context)

---Remember how to undo something.
---@param run table
---@param id string
---@param body fun(ctx: weir.Context)
function undo.add(run, id, body)
  for _, like in ipairs(run.like_undo or {}) do call.check_like_undo(like, id) end
  run.undos = run.undos or { ids = {} }
  table.insert(run.undos, { id = id, run = body })
end

---If this run later fails or is cancelled, `fn` runs: workflow code, with a context of its own. An operation of this id
---then counts as never done, should the run be retried.
---@param id string
---@param fn fun(ctx: weir.Context)
function undo.verb(ctx, id, fn)
  local state, run = call.state_of(ctx, "undo")
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
    local ok, raised = pcall(one.run, run:new_context(scope.undo(one.id)))
    if not ok then
      run:say("error", ('undo of "%s" failed: %s'):format(one.id, failure.from(raised).message))
    end
  end
end

---Begin to undo what is to be undone, once all else has ended.
---@return boolean begun
function undo.begin(run)
  local list = run.undos
  if not list or not run.main or run.killed or not (run.failure or run.journal.cancel) then return false end
  run.undos, run.undoing, run.journal.undoing = nil, true, true
  run.branches:spawn(scope.undo(""), function() undo_all(run, list) end, run.ctx)
  return true
end

return undo
