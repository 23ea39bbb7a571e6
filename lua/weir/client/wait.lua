-- Waits until a run has ended. Redis publishes the end of a run that is watched; the wait also reads the state from
-- time to time. It calls a function of its caller at intervals, which may read the run meanwhile.

local redis = require "weir.client.redis"
local transport = require "weir.client.transport"

local wait = {}

local CHECK_MS = 3000 -- the message that a run has ended may be lost on its way

local function has_ended(id)
  local reply = redis.call({ "watch", id })[1]
  if reply[1] == "missing" then redis.raise_not_found(id) end
  return reply[1] == "ended"
end

---@class weir.WaitOptions
---@field timeout_ms integer?
---@field look (fun(): boolean, integer)? called when no message came for an interval; returns whether the run has
---ended, and the next interval in ms
---@field look_ms integer? the first interval

local function await(id, subscription, options)
  local deadline = options.timeout_ms and transport.now_ms() + options.timeout_ms
  local interval = options.look and options.look_ms or CHECK_MS
  while not has_ended(id) do
    local ended = false
    repeat
      local left = deadline and deadline - transport.now_ms()
      if left and left <= 0 then return false end
      if not left or interval < left then left = interval end
      local notified = subscription:next(left)
      if not notified and options.look then ended, interval = options.look() end
    until notified or ended or not options.look
  end
  return true
end

---Waits until a run has ended.
---@param id string
---@param options weir.WaitOptions
---@return boolean ended false: the timeout came first
function wait.for_end(id, options)
  local subscription = transport.subscribe("ended:" .. id)
  local ok, ended = pcall(await, id, subscription, options)
  subscription:close()
  if not ok then error(ended, 0) end
  return ended
end

return wait
