-- sweep: delete runs that their workflow's `retain` keeps no longer, and go on with deletions that were begun. Every
-- host calls it as it begins and with each heartbeat, and soon again while there is more. The first call of an interval
-- does a step for all hosts.
-- args   none
-- moves  nothing: ended runs go
-- reply  swept runs rest      runs: how many of those that were due were looked at
--                             rest: ms until the next step may be done; 0: there is no more to do

local runs = lib.runs
local retention = lib.retention
-- Between two steps Redis has time for others; less of it the longer runs are due. Else those that end faster than
-- they go would pile up for as long as that lasts.
local REST_MS, REST_LATE_MS, REST_VERY_LATE_MS = 10, 5, 2
local LATE_MS, VERY_LATE_MS = 1000, 5000
local AT_ONCE = 10 -- deletions, and lists, looked at in one call

local REMEMBERED_MS = 10000 -- twice as long as a client goes on sending a start whose reply it lacks
local FORGOTTEN = 1000 -- of those remembered, a call

-- A root goes. Its start may be sent again for a while, and is to begin nothing then.
local function remember(run)
  local until_ms = tonumber(runs.get(run, "created_at")) + REMEMBERED_MS
  if until_ms > lib.now() then lib.write("ZADD", "gone", until_ms, run.id .. "\t" .. runs.get(run, "seed")) end
end

-- Forget the starts that no client sends again any more.
local function forget_starts()
  local starts = redis.call("ZRANGEBYSCORE", lib.key("gone"), "-inf", lib.now(), "LIMIT", 0, FORGOTTEN)
  if #starts == 0 then return end
  lib.plan.frees_memory = true
  lib.write("ZREM", "gone", unpack(starts))
end

-- A run that was retried meanwhile, whose workflow keeps its runs longer now, or that is kept for a key, goes later.
local function look(id)
  local run = runs.load(id, "finished_at")
  retention.take_steps(1)
  if not run or not runs.ended(run) or run.live_detached or run.waiters then return end
  local retain_ms = lib.expiry.retain_of(runs.get(run, "workflow"))
  local ended_at = tonumber(runs.get(run, "finished_at"))
  if ended_at + retain_ms > lib.now() then return lib.expiry.schedule_at(id, ended_at, retain_ms) end
  local kept_ms = tonumber(run.kept_until or 0) - lib.now()
  if kept_ms > 0 then return lib.expiry.schedule_at(id, lib.now(), kept_ms) end
  local is_root = not runs.parent_of(id)
  if is_root and retain_ms < REMEMBERED_MS then remember(run) end
  if is_root or retention.is_taken(run) then retention.delete_tree(id) end
end

-- The runs of one list, as many as there are steps left. Returns how many.
local function empty(instant)
  local list, count = "expiry:" .. instant, 0
  local ids = redis.call("LRANGE", lib.key(list), 0, retention.steps_left() - 1)
  while count < #ids and retention.steps_left() > 0 do
    count = count + 1
    look(ids[count])
  end
  lib.plan.frees_memory = true -- also when each of them stays: those behind them have to come up
  lib.write("LTRIM", list, count, -1)
  if redis.call("LLEN", lib.key(list)) == count then lib.write("ZREM", "expiry", instant) end
  return count
end

-- `instant` is the earliest that is due.
local function rest_after(instant)
  local late = lib.now() - tonumber(instant or lib.now())
  return late > VERY_LATE_MS and REST_VERY_LATE_MS or late > LATE_MS and REST_LATE_MS or REST_MS
end

function verbs.sweep()
  local unfinished = redis.call("ZRANGE", lib.key("deleting"), 0, AT_ONCE - 1)
  local instants = redis.call("ZRANGEBYSCORE", lib.key("expiry"), "-inf", lib.now(), "LIMIT", 0, AT_ONCE)
  forget_starts()
  if #unfinished + #instants == 0 then return { "swept", 0, "0" } end
  local rest = rest_after(instants[1])
  local rested = lib.now() - tonumber(redis.call("HGET", lib.key("meta"), "swept_at") or 0)
  if rested >= 0 and rested < rest then return { "swept", 0, tostring(rest) } end -- negative: Redis' clock was put back

  lib.write("HSET", "meta", "swept_at", lib.now())
  local looked_at = 0
  for _, id in ipairs(unfinished) do
    if retention.steps_left() > 0 then retention.go_on_deleting(id) end
  end
  for _, instant in ipairs(instants) do
    if retention.steps_left() > 0 then looked_at = looked_at + empty(instant) end
  end
  local more = retention.steps_left() <= 0 or #unfinished == AT_ONCE or #instants == AT_ONCE
  return { "swept", looked_at, more and tostring(rest) or "0" }
end
