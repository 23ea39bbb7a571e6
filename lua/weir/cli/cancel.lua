-- `weir cancel`: one run is told to end, and all below it. A run that is being cancelled already is no fault.

local store = require "weir.client.redis"

local cancel = {}

local MESSAGE = "cancelled by weir cancel"

local function read(id, reply)
  local word, state = reply[1], reply[2]
  if word == "missing" then
    return { answer = word, message = store.absence(id), status = store.NO_INPUT }
  elseif word == "ended" then
    return { answer = word, state = state, message = ("run %s has ended: it is %s"):format(id, state),
             status = store.FAILED }
  end
  return { answer = "cancelled", status = 0 }
end

---Cancels runs, with one call.
---@param ids string[] few enough for one
---@param options { now: boolean? }
---@return weir.Answer[] answers one for each id: cancelled, ended, missing
function cancel.acts(ids, options)
  local groups, answers = {}, {}
  for i, id in ipairs(ids) do groups[i] = { "cancel", id, MESSAGE, options.now and "1" or "" } end
  for i, reply in ipairs((store.call(table.unpack(groups)))) do answers[i] = read(ids[i], reply) end
  return answers
end

return cancel
