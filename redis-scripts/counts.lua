-- counts: how many of everything.
-- args   none
-- reply  counts (name number)…

function verbs.counts()
  return { "counts", "roots", redis.call("ZCARD", lib.key("roots")), "delayed", redis.call("ZCARD", lib.key("delayed")),
           "failed", redis.call("ZCARD", lib.key("failed")),
           "commit", redis.call("HGET", lib.key("meta"), "commit") or "0" }
end
