-- The code that is in use: bundles that attempts or the registry need, and the hosts whose folders hold them.

local redis = require "weir.client.redis"

local bundles = {}

---@class weir.BundleInUse
---@field bundle string
---@field version integer? the higher, the later it became the newest
---@field announced_at integer? ms: when it became the newest last
---@field attempts integer that began on it and have not ended
---@field workflows string[] whose new attempts run it, in order
---@field hosts string[] nodes whose folders hold it, in order

---@return weir.BundleInUse[] newest first
---@return integer now_ms
function bundles.list()
  local list, by_name = redis.bundles(), {}
  for _, found in ipairs(list) do
    found.workflows, found.hosts = {}, {}
    by_name[found.bundle] = found
  end
  for workflow, entry in pairs(redis.registry()) do
    local found = by_name[entry.bundle]
    if found and not workflow:find "^weir%." then table.insert(found.workflows, workflow) end
  end
  local hosts, now = redis.hosts()
  for _, host in ipairs(hosts) do
    for name in pairs(host.expires_at > now and host.bundles or {}) do
      if by_name[name] then table.insert(by_name[name].hosts, host.node) end
    end
  end
  for _, found in ipairs(list) do
    table.sort(found.workflows)
    table.sort(found.hosts)
  end
  table.sort(list, function(a, b)
    if a.version ~= b.version then return (a.version or 0) > (b.version or 0) end
    return a.bundle < b.bundle
  end)
  return list, now
end

return bundles
