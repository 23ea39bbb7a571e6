-- status: reads the states of runs without their journals, for lists of runs, for live trees, and for `weir why`.
-- args   run…
-- reply  status (field value …)…      a list for each run, empty when it does not exist
--        beside stored fields: wake      when the delayed set wakes the run; absent when it does not
--                              ahead     how many runs stand before it in its queue
--                              expires   when the lease of its host ends; absent when the host is removed

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
    add(field, lib.resolve_value(id, field, stored[i]))
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
  while lib.more() do reply[#reply + 1] = look(lib.next_arg()) end
  return reply
end
