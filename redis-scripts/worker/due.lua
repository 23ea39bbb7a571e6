-- due: reads the earliest wake-up of all runs.
-- args   none
-- reply  due wake|""

function verbs.due()
  local head = redis.call("ZRANGE", lib.key("delayed"), 0, 0, "WITHSCORES")
  return { "due", head[2] and head[2] ~= "inf" and head[2] or "" }
end
