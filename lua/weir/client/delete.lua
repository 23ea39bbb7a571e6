-- Deletes ended runs, each with its descendants. A large tree takes many short calls; if the caller is interrupted,
-- the hosts finish the deletion.

local redis = require "weir.client.redis"
local run_id = require "weir.base.run_id"
local transport = require "weir.client.transport"

local delete = {}

local PAUSE_MS, PATIENCE_MS = 50, 5000 -- while no call writes anything

local function refusal(format, ...)
  return { answer = "refused", fault = "wrong_state", message = format:format(...) }
end

-- The answer for each word of the script.
local answers_by_word = {}

function answers_by_word.deleted() return { answer = "deleted" } end

function answers_by_word.missing(id)
  return { answer = "missing", fault = "not_found", message = redis.not_found(id) }
end

function answers_by_word.live(id, state)
  local sentence = "run %s is %s; it can be deleted when it has ended: weir cancel %s, weir wait %s"
  return { answer = "live", fault = "wrong_state", state = state, message = sentence:format(id, state, id, id) }
end

function answers_by_word.live_below(id)
  return refusal("a detached run below %s still goes on; wait for it or cancel it: weir show %s", id, id)
end

function answers_by_word.in_use(id, state)
  if state == "waiters" then
    return refusal("Redis is still telling other runs how %s ended; delete it again in a moment", id)
  end
  local parent, root = run_id.parent(id), run_id.root(id)
  if state ~= "completed" then
    return refusal("run %s is %s, and a retry of %s would go on with it; delete the whole tree: weir delete %s", id,
      state, parent, root)
  end
  return refusal("run %s has not taken the result of %s; delete the whole tree: weir delete %s", parent, id, root)
end

-- Goes on with a deletion that is under way; with "resume" the script leaves a newer run of the same id alone. When no
-- call writes anything, the deletion waits for runs that only a host can wake, and the hosts finish it.
local function finish(id, reply, commit)
  local waited = 0
  while reply[1] == "deleting" do
    if waited >= PATIENCE_MS then
      local sentence = "run %s is no longer visible, and hosts delete the rest of it: start one with weir serve"
      return { answer = "refused", fault = "busy", message = sentence:format(id) }
    end
    local replies, _, new_commit = redis.call({ "delete", id, "resume" })
    if new_commit == commit then
      if transport.pause(PAUSE_MS) then waited = PATIENCE_MS end
      waited = waited + PAUSE_MS
    else
      waited = 0
    end
    reply, commit = replies[1], new_commit
  end
  return answers_by_word[reply[1]](id, reply[2])
end

---Deletes runs, each with its descendants.
---@param ids string[] few enough for one call while their trees are small
---@return weir.Answer[] answers one for each id: deleted, live, missing, refused
function delete.runs(ids)
  local groups, answers = {}, {}
  for i, id in ipairs(ids) do groups[i] = { "delete", id } end
  local replies, _, commit = redis.call(table.unpack(groups))
  for i, reply in ipairs(replies) do answers[i] = finish(ids[i], reply, commit) end
  return answers
end

return delete
