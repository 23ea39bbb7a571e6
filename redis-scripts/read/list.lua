-- list: reads a page of runs, newest first. Pages stay stable while newer runs are added.
-- args   set(roots|failed)  before|""  count  [since|""  (tag value)…]
--        before: "<at> <run>", the last run of the page before
--        since: of the runs of the page only those that had not ended at this instant, and those with descendants that
--        may have lived longer; and the last run in any case, because the next page begins behind it
--        tag: likewise only those that have all these tags
-- reply  list (at run)…

local runs = lib.runs

-- Whether a run, or a detached descendant of it, may have lived at this instant. A run with such a descendant has
-- `has_rare` set.
local function lived_on(id, since)
  local stored = redis.call("HMGET", lib.key("r:" .. id), "state", "finished_at", "has_rare")
  return stored[3] or not runs.is_end(stored[1]) or tonumber(stored[2]) >= since
end

local function tags_of(id)
  local text = lib.resolve_value(id, "tags", redis.call("HGET", lib.key("r:" .. id), "tags"))
  return text and cjson.decode(text)
end

-- A run whose record cannot be read has none.
local function has_tags(id, tags)
  local ok, own = pcall(tags_of, id)
  if not ok or type(own) ~= "table" then return false end
  for tag, value in pairs(tags) do
    if own[tag] ~= value then return false end
  end
  return true
end

function verbs.list()
  local set, before, count = lib.next_arg(), lib.next_arg(), tonumber(lib.next_arg())
  local since, tags = lib.more() and tonumber((lib.next_arg())), nil
  while lib.more() do
    tags = tags or {}
    local tag, value = lib.next_args(2)
    tags[tag] = value
  end
  local at, last = string.match(before, "^(%d+) (.+)$")
  local from, reply = 0, { "list" }
  if at then
    -- Begin at the rank of the last run. When it is deleted, begin at its instant.
    local rank = redis.call("ZREVRANK", lib.key(set), last)
    from = rank and rank + 1 or redis.call("ZCOUNT", lib.key(set), "(" .. at, "+inf")
  end
  local page = redis.call("ZREVRANGE", lib.key(set), from, from + count - 1, "WITHSCORES")
  for i = 1, #page, 2 do
    local fits = (not since or lived_on(page[i], since)) and (not tags or has_tags(page[i], tags))
    if fits or i == #page - 1 then
      reply[#reply + 1] = page[i + 1]
      reply[#reply + 1] = page[i]
    end
  end
  return reply
end
