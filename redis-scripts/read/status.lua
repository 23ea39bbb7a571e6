-- status: where runs stand, without their journals. For lists of runs, for trees that move, and for `why`.
-- args   run…
-- reply  status (field value …)…      one list a run, empty when there is none
--        beside what is stored: wake      when the delayed set wakes it, absent without a deadline
--                               ahead     how many stand before it in its queue
--                               expires   when the lease of the host that holds it ends, absent when it has ended

local FIELDS = lib.fields.STATUS

local function look(id)
  local stored = redis.call("HMGET", lib.key("r:" .. id), unpack(FIELDS))
  if not stored[1] then return {} end
  local seen, found = {}, {}
  local function add(field, value)
    if not value then return end
    found[field] = value
    seen[#seen + 1], seen[#seen + 2] = field, value
  end
  for i, field in ipairs(FIELDS) do
    local value = stored[i]
    if value == lib.ELSEWHERE then value = redis.call("HGET", lib.key("v:" .. id), field) end
    add(field, value)
  end

  local wake = redis.call("ZSCORE", lib.key("delayed"), id)
  if wake ~= "inf" then add("wake", wake) end
  local owner = found.owner ~= "" and found.owner
  if found.state == "ready" then
    local queue = owner and "@" .. owner or found.queue or "default"
    add("ahead", redis.call("ZRANK", lib.key("ready:" .. queue), id))
  end
  if owner then add("expires", redis.call("ZSCORE", lib.key("leases"), string.match(owner, "^%d+"))) end
  return seen
end

function verbs.status()
  local reply = { "status" }
  while lib.more() do reply[#reply + 1] = look(lib.take()) end
  return reply
end
