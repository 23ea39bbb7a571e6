-- totals: how many of everything.
-- args   none
-- reply  totals (name number)…
--        going: how many runs were noted to go by themselves, also those deleted by hand since; due: of these now

local LISTS = 1000 -- looked at

-- Runs in the lists of the first so many instants.
local function count_going(instants)
  local runs = 0
  for _, instant in ipairs(instants) do runs = runs + redis.call("LLEN", lib.key("going:" .. instant)) end
  return runs
end

function verbs.totals()
  local going = lib.key("going")
  return { "totals", "roots", redis.call("ZCARD", lib.key("roots")), "delayed", redis.call("ZCARD", lib.key("delayed")),
           "failed", redis.call("ZCARD", lib.key("failed")),
           "going", count_going(redis.call("ZRANGE", going, 0, LISTS - 1)),
           "due", count_going(redis.call("ZRANGEBYSCORE", going, "-inf", lib.now(), "LIMIT", 0, LISTS)),
           "deleting", redis.call("ZCARD", lib.key("deleting")),
           "commit", redis.call("HGET", lib.key("meta"), "commit") or "0" }
end
