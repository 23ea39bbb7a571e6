-- bundles: reads which bundles are needed, by attempts that have not ended or by entries of the registry.
-- args   none
-- reply  bundles (bundle version announced_at attempts)…     version, announced_at: empty when they are not known

local call, key = redis.call, lib.key

function verbs.bundles()
  local attempts, names = {}, call("HKEYS", key("serves"))
  for _, bundle in ipairs(names) do attempts[bundle] = "0" end
  local counts = call("HGETALL", key("attempts"))
  for i = 1, #counts, 2 do
    if not attempts[counts[i]] then lib.push(names, counts[i]) end
    attempts[counts[i]] = counts[i + 1]
  end
  local reply = { "bundles" }
  for _, bundle in ipairs(names) do
    lib.push(reply, bundle)
    lib.push(reply, call("ZSCORE", key("bundles"), bundle) or "")
    lib.push(reply, call("HGET", key("announced"), bundle) or "")
    lib.push(reply, attempts[bundle])
  end
  return reply
end
