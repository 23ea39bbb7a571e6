-- inspect: read a run, a page of runs, the registry, the counts, the hosts. Nothing here writes.

-- inspect   args run           reply run (field value)… | missing
function verbs.inspect()
  local id = lib.take()
  local fields = lib.fields(id)
  if #fields == 0 then return { "missing" } end
  table.insert(fields, 1, "run")
  return fields
end

-- list      args set(roots|failed) before|"" count   newest first; before: "<at> <run>", the last of the page before
--           reply list (at run)…
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

-- registry  args none          reply registry (workflow entry)…
function verbs.registry()
  local entries = redis.call("HGETALL", lib.key("registry"))
  table.insert(entries, 1, "registry")
  return entries
end

-- queues    args none          reply queues (queue ready oldest_run|"")…
function verbs.queues()
  local reply = { "queues" }
  for _, queue in ipairs(redis.call("SMEMBERS", lib.key("queues"))) do
    local head = redis.call("ZRANGE", lib.key("ready:" .. queue), 0, 0)
    reply[#reply + 1] = queue
    reply[#reply + 1] = redis.call("ZCARD", lib.key("ready:" .. queue))
    reply[#reply + 1] = head[1] or ""
  end
  return reply
end

-- hosts     args none          reply hosts (host node expires_at threads held queues)…
function verbs.hosts()
  local reply = { "hosts" }
  local leases = redis.call("ZRANGE", lib.key("leases"), 0, -1, "WITHSCORES")
  for i = 1, #leases, 2 do
    local v = redis.call("HMGET", lib.key("host:" .. leases[i]), "node", "threads", "queues")
    local held = 0
    for thread = 1, tonumber(v[2] or 0) do
      held = held + redis.call("SCARD", lib.key("held:" .. leases[i] .. "." .. thread))
    end
    for _, value in ipairs({ leases[i], v[1] or "", leases[i + 1], v[2] or "0", held, v[3] or "*" }) do
      reply[#reply + 1] = value
    end
  end
  return reply
end

-- counts    args none          reply counts (name number)…
function verbs.counts()
  return { "counts", "roots", redis.call("ZCARD", lib.key("roots")), "delayed", redis.call("ZCARD", lib.key("delayed")),
           "failed", redis.call("ZCARD", lib.key("failed")),
           "commit", redis.call("HGET", lib.key("meta"), "commit") or "0" }
end
