-- list: a page of runs, newest first, stable while newer ones arrive.
-- args   set(roots|failed)  before|""  count      before: "<at> <run>", the last of the page before
-- reply  list (at run)…

function verbs.list()
  local set, before, count = lib.take(), lib.take(), tonumber(lib.take())
  local at, last = string.match(before, "^(%d+) (.+)$")
  local from, reply = 0, { "list" }
  if at then
    -- Skip by rank when it still stands there, else by its instant: stable while newer runs arrive.
    local rank = redis.call("ZREVRANK", lib.key(set), last)
    from = rank and rank + 1 or redis.call("ZCOUNT", lib.key(set), "(" .. at, "+inf")
  end
  local page = redis.call("ZREVRANGE", lib.key(set), from, from + count - 1, "WITHSCORES")
  for i = 1, #page, 2 do
    reply[#reply + 1] = page[i + 1]
    reply[#reply + 1] = page[i]
  end
  return reply
end
