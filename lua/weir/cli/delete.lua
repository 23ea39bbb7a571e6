-- `weir delete`: an ended run and all below it. Large trees take many calls, each of which is short; when this is
-- interrupted the hosts finish what was begun.

local client = require "weir.native.client"
local store = require "weir.cli.store"

local delete = {}

local PAUSE_MS, PATIENCE_MS = 50, 5000 -- while nothing at all is written

local function refuse(format, ...) return "refused", format:format(...), store.FAILED end

local answers = {}

function answers.deleted() return "deleted", nil, 0 end

function answers.missing(id)
  return "missing", store.absence(id), store.NO_INPUT
end

function answers.live(id, state)
  return "live", ("run %s is %s; it can be deleted when it has ended: weir cancel %s, weir wait %s"):format(id, state,
    id, id), store.FAILED
end

function answers.below(id)
  return refuse("a run below %s still goes on, detached or abandoned; wait for it or cancel it: weir show %s", id, id)
end

function answers.needed(id, state)
  if state == "waiters" then
    return refuse("other runs are only just being told how %s ended; delete it again in a moment", id)
  end
  local parent, root = id:match("^(.*)/"), id:match("^[^/]*")
  if state ~= "completed" then
    return refuse("run %s is %s, and a retry of %s would go on with it; delete the whole tree: weir delete %s", id,
      state, parent, root)
  end
  return refuse("run %s has not taken the result of %s; delete the whole tree: weir delete %s", parent, id, root)
end

-- One that is deleted in part is gone on with, and nothing that was begun under its id meanwhile. What only a host can
-- bring on (some run is still being told of an end) is left to them.
local function conclude(id, reply, commit)
  local waited = 0
  while reply[1] == "deleting" do
    if waited >= PATIENCE_MS then
      local sentence = "run %s is not to be seen any more, and hosts delete the rest of it: start one with weir serve"
      return { "refused", sentence:format(id), store.TIMED_OUT }
    end
    local replies, _, now_commit = store.call({ "delete", id, "on" })
    if now_commit == commit then
      if client.pause(PAUSE_MS) then waited = PATIENCE_MS end
      waited = waited + PAUSE_MS
    else
      waited = 0
    end
    reply, commit = replies[1], now_commit
  end
  return { answers[reply[1]](id, reply[2]) }
end

---Deletes runs, each with all below it.
---@param ids string[] few enough for one call, as long as they are small
---@return table[] for each id a word, a sentence or nil, an exit status
function delete.acts(ids)
  local groups, results = {}, {}
  for i, id in ipairs(ids) do groups[i] = { "delete", id } end
  local replies, _, commit = store.call(table.unpack(groups))
  for i, reply in ipairs(replies) do results[i] = conclude(ids[i], reply, commit) end
  return results
end

---@param id string
---@return "deleted"|"live"|"missing"|"refused" word
---@return string? sentence
---@return integer status
function delete.act(id)
  local result = delete.acts({ id })[1]
  return result[1], result[2], result[3]
end

return delete
