-- list: a page of runs, newest first, stable while newer ones arrive.
-- args   set(roots|failed)  before|""  count  [since]
--        before: "<at> <run>", the last of the page before
--        since: of so many runs only those that had not ended by then, and those below which something may have lived
--        on; but always the last one, as the next page begins behind it
-- reply  list (at run)…

local runs = lib.runs

-- A run may end before the work that it does not wait for. Such a run has `has_rare` set.
local function lived_on(id, since)
  local stored = redis.call("HMGET", lib.key("r:" .. id), "state", "finished_at", "has_rare")
  return stored[3] or not runs.is_end(stored[1]) or tonumber(stored[2]) >= since
end

function verbs.list()
  local set, before, count = lib.take(), lib.take(), tonumber(lib.take())
  local since = lib.more() and tonumber(lib.take())
  local at, last = string.match(before, "^(%d+) (.+)$")
  local from, reply = 0, { "list" }
  if at then
    -- Skip by rank when it still stands there, else by its instant: stable while newer runs arrive.
    local rank = redis.call("ZREVRANK", lib.key(set), last)
    from = rank and rank + 1 or redis.call("ZCOUNT", lib.key(set), "(" .. at, "+inf")
  end
  local page = redis.call("ZREVRANGE", lib.key(set), from, from + count - 1, "WITHSCORES")
  for i = 1, #page, 2 do
    if not since or i == #page - 1 or lived_on(page[i], since) then
      reply[#reply + 1] = page[i + 1]
      reply[#reply + 1] = page[i]
    end
  end
  return reply
end
