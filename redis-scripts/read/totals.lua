-- totals: reads how many runs there are, by set.
-- args   none
-- reply  totals (name number)…
--        expiring: how many runs are to expire, also those that were deleted by hand since; due: those of them to be
--        deleted now

local LISTS = 1000 -- looked at

-- Runs in the lists of the first so many instants.
local function count_runs(instants)
  local runs = 0
  for _, instant in ipairs(instants) do runs = runs + redis.call("LLEN", lib.key("expiry:" .. instant)) end
  return runs
end

function verbs.totals()
  local expiry = lib.key("expiry")
  return { "totals", "roots", redis.call("ZCARD", lib.key("roots")), "delayed", redis.call("ZCARD", lib.key("delayed")),
           "failed", redis.call("ZCARD", lib.key("failed")),
           "expiring", count_runs(redis.call("ZRANGE", expiry, 0, LISTS - 1)),
           "due", count_runs(redis.call("ZRANGEBYSCORE", expiry, "-inf", lib.now(), "LIMIT", 0, LISTS)),
           "deleting", redis.call("ZCARD", lib.key("deleting")),
           "commit", redis.call("HGET", lib.key("meta"), "commit") or "0" }
end
