-- `weir cancel`: one run is told to end, and all below it. A run that is being cancelled already is no fault.

local store = require "weir.cli.store"

local cancel = {}

local MESSAGE = "cancelled by weir cancel"

-- A word for counting, a sentence for people, an exit status.
local function read(id, reply)
  if reply[1] == "missing" then
    return { "missing", store.absence(id), store.NO_INPUT }
  elseif reply[1] == "ended" then
    return { "ended", ("run %s has ended: it is %s"):format(id, reply[2]), store.FAILED }
  end
  return { "cancelled", nil, 0 }
end

---Cancels runs, with one call.
---@param ids string[] few enough for one
---@param options { now: boolean? }
---@return table[] for each id a word, a sentence or nil, an exit status
function cancel.acts(ids, options)
  local groups, results = {}, {}
  for i, id in ipairs(ids) do groups[i] = { "cancel", id, MESSAGE, options.now and "1" or "" } end
  for i, reply in ipairs((store.call(table.unpack(groups)))) do results[i] = read(ids[i], reply) end
  return results
end

---@param id string
---@param options { now: boolean? }
---@return "cancelled"|"ended"|"missing" word
---@return string? sentence
---@return integer status
function cancel.act(id, options)
  local result = cancel.acts({ id }, options)[1]
  return result[1], result[2], result[3]
end

return cancel
