-- Cancels runs, each with its descendants. Cancelling a run again changes nothing and is no fault.

local defaults = require "weir.define.defaults"
local redis = require "weir.client.redis"

local cancel = {}


local function answer_of(id, reply)
  local word, state = reply[1], reply[2]
  if word == "missing" then
    return { answer = word, fault = "not_found", message = redis.not_found(id) }
  elseif word == "ended" then
    return { answer = word, fault = "wrong_state", state = state,
             message = ("run %s has ended: it is %s"):format(id, state) }
  end
  return { answer = "cancelled" }
end

---Cancels runs with one call.
---@param ids string[] few enough for one call
---@param options { now: boolean? } now: without time to clean up
---@return weir.Answer[] answers one for each id: cancelled, ended, missing
function cancel.runs(ids, options)
  local groups, answers = {}, {}
  for i, id in ipairs(ids) do groups[i] = { "cancel", id, defaults.cancel_message, options.now and "1" or "" } end
  for i, reply in ipairs((redis.call(table.unpack(groups)))) do answers[i] = answer_of(ids[i], reply) end
  return answers
end

return cancel
