-- `weir delete`: an ended run and all below it. Large trees take many calls, each of which is short; when this is
-- interrupted the hosts finish what was begun.

local client = require "weir.native.client"
local store = require "weir.client.redis"

local delete = {}

local PAUSE_MS, PATIENCE_MS = 50, 5000 -- while nothing at all is written

local function refuse(format, ...)
  return { answer = "refused", message = format:format(...), status = store.FAILED }
end

-- What is to be said for each word of the script.
local readers = {}

function readers.deleted() return { answer = "deleted", status = 0 } end

function readers.missing(id)
  return { answer = "missing", message = store.absence(id), status = store.NO_INPUT }
end

function readers.live(id, state)
  local sentence = "run %s is %s; it can be deleted when it has ended: weir cancel %s, weir wait %s"
  return { answer = "live", state = state, message = sentence:format(id, state, id, id), status = store.FAILED }
end

function readers.below(id)
  return refuse("a run below %s still goes on, detached or abandoned; wait for it or cancel it: weir show %s", id, id)
end

function readers.needed(id, state)
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
      return { answer = "refused", message = sentence:format(id), status = store.TIMED_OUT }
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
  return readers[reply[1]](id, reply[2])
end

---Deletes runs, each with all below it.
---@param ids string[] few enough for one call, as long as they are small
---@return weir.Answer[] answers one for each id: deleted, live, missing, refused
function delete.acts(ids)
  local groups, answers = {}, {}
  for i, id in ipairs(ids) do groups[i] = { "delete", id } end
  local replies, _, commit = store.call(table.unpack(groups))
  for i, reply in ipairs(replies) do answers[i] = conclude(ids[i], reply, commit) end
  return answers
end

return delete
