-- hosts: reads the hosts, their leases and how many runs they own.
-- args   none
-- reply  hosts (host node expires_at threads owned queues bundles max_payload refused renewed_at leaving)…
--        refused: as `refuse` keeps it; renewed_at: its last heartbeat, "" where an older host did not say for how long
--        its lease is; leaving: "1" while it drains

local function bundles_of(host)
  local bundles = {}
  repeat
    local bundle = redis.call("HGET", lib.key("host:" .. host), "folder:" .. #bundles)
    bundles[#bundles + 1] = bundle or nil
  until not bundle
  return table.concat(bundles, " ")
end

function verbs.hosts()
  local reply = { "hosts" }
  local leases = redis.call("ZRANGE", lib.key("leases"), 0, -1, "WITHSCORES")
  for i = 1, #leases, 2 do
    local v = redis.call("HMGET", lib.key("host:" .. leases[i]), "node", "threads", "queues", "max_payload", "refused",
      "lease_ms", "leaving")
    local owned = 0
    for thread = 1, tonumber(v[2] or 0) do
      owned = owned + redis.call("SCARD", lib.key("owned:" .. leases[i] .. "." .. thread))
    end
    local renewed_at = v[6] and string.format("%d", tonumber(leases[i + 1]) - tonumber(v[6])) or ""
    for _, value in ipairs({ leases[i], v[1] or "", leases[i + 1], v[2] or "0", owned, v[3] or "*",
      bundles_of(leases[i]), v[4] or "", v[5] or "", renewed_at, v[7] or "" }) do
      reply[#reply + 1] = value
    end
  end
  return reply
end
