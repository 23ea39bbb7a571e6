-- sweep: deletes runs that the `retain` of their workflow keeps no longer, and continues deletions that are under way.
-- Each host calls it when it starts, and with each heartbeat, where it does nothing unless that heartbeat does the
-- rounds. While there is more to delete, the host that did the last step calls it again soon.
-- args   none
-- moves  nothing
-- reply  swept runs rest      runs: how many due runs were looked at
--                             rest: ms until the caller does the next step; 0: nothing is left for it to do

local runs = lib.runs
local retention = lib.retention
-- Between two steps Redis serves other calls. The pause is shorter when runs have been due for long. Otherwise runs
-- that end faster than they are deleted would pile up.
local REST_MS, REST_LATE_MS, REST_VERY_LATE_MS = 10, 5, 2
local LATE_MS, VERY_LATE_MS = 1000, 5000
local AT_ONCE = 10 -- deletions, and lists of expired runs, in a call

local KEPT_MS = 10000 -- twice as long as a client sends a start again whose reply was lost
local STARTS = 1000 -- deleted in a call

-- Stores the start of a root that is deleted, because a client may send it again for a while. It must not start a
-- second run then.
local function keep_start(run)
  local expires_at = tonumber(runs.get(run, "created_at")) + KEPT_MS
  if expires_at <= lib.now() then return end
  lib.write("ZADD", "deleted_starts", expires_at, run.id .. "\t" .. runs.get(run, "seed"))
end

-- Deletes the starts that no client sends again.
local function delete_starts()
  local starts = redis.call("ZRANGEBYSCORE", lib.key("deleted_starts"), "-inf", lib.now(), "LIMIT", 0, STARTS)
  if #starts == 0 then return end
  lib.plan.frees_memory = true
  lib.write("ZREM", "deleted_starts", unpack(starts))
end

-- Deletes a due run with its descendants. A run stays that was retried meanwhile. A run is scheduled again when its
-- workflow retains its runs for longer now, or when it is kept for a key.
local function expire(run, id)
  retention.take_steps(1)
  if not run or not runs.ended(run) or run.live_detached or run.waiters then return end
  local retain_ms = lib.expiry.retain_of(runs.get(run, "workflow"))
  local ended_at = tonumber(runs.get(run, "finished_at"))
  if ended_at + retain_ms > lib.now() then return lib.expiry.schedule_at(id, ended_at, retain_ms) end
  local kept_ms = tonumber(run.kept_until or 0) - lib.now()
  if kept_ms > 0 then return lib.expiry.schedule_at(id, lib.now(), kept_ms) end
  local is_root = not runs.parent_of(id)
  if is_root and retain_ms < KEPT_MS then keep_start(run) end
  if is_root or retention.is_taken(run) then retention.delete_tree(id) end
end

-- Handles the runs of one list, as many as there are steps left. Returns how many.
local function expire_list(instant)
  local list, count = "expiry:" .. instant, 0
  local ids = redis.call("LRANGE", lib.key(list), 0, retention.steps_left() - 1)
  while count < #ids and retention.steps_left() > 0 do
    count = count + 1
    runs.handle(ids[count], expire, "finished_at")
  end
  lib.plan.frees_memory = true -- also when each of these runs stays: the next call must reach the runs behind them
  lib.write("LTRIM", list, count, -1)
  if redis.call("LLEN", lib.key(list)) == count then lib.write("ZREM", "expiry", instant) end
  return count
end

-- The pause after a step. `instant`: the earliest that is due.
local function rest_after(instant)
  local late = lib.now() - tonumber(instant or lib.now())
  return late > VERY_LATE_MS and REST_VERY_LATE_MS or late > LATE_MS and REST_LATE_MS or REST_MS
end

function verbs.sweep()
  if lib.plan.renews_only then return { "swept", 0, "0" } end
  local unfinished = redis.call("ZRANGE", lib.key("deleting"), 0, AT_ONCE - 1)
  local instants = redis.call("ZRANGEBYSCORE", lib.key("expiry"), "-inf", lib.now(), "LIMIT", 0, AT_ONCE)
  delete_starts()
  if #unfinished + #instants == 0 then return { "swept", 0, "0" } end
  local rest = rest_after(instants[1])
  local rested = lib.now() - tonumber(redis.call("HGET", lib.key("meta"), "swept_at") or 0)
  if rested >= 0 and rested < rest then -- negative: Redis' clock was put back
    -- The timer of a host: another host does the next step. A worker learns whether the sweeps are late.
    local is_timer = not lib.plan.to_wake and string.find(lib.worker, "%.0$")
    return { "swept", 0, is_timer and "0" or tostring(rest) }
  end

  lib.write("HSET", "meta", "swept_at", lib.now())
  local looked_at = 0
  for _, id in ipairs(unfinished) do
    if retention.steps_left() > 0 then retention.continue(id) end
  end
  for _, instant in ipairs(instants) do
    if retention.steps_left() > 0 then looked_at = looked_at + expire_list(instant) end
  end
  local more = retention.steps_left() <= 0 or #unfinished == AT_ONCE or #instants == AT_ONCE
  return { "swept", looked_at, more and tostring(rest) or "0" }
end
