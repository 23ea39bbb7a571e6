-- Looks for inconsistencies: settings of Redis that lose runs, runs that no host can take, and records that contradict
-- each other.

local hosts_alive = require "weir.client.hosts"
local outage = require "weir.client.outage"
local redis = require "weir.client.redis"
local terminal = require "weir.view.terminal"

local doctor = {}

local AUDITED = 200 -- keys that the script looks at in one call
local LATE_MS = 5000 -- after this time other hosts should have taken over the runs of a dead host

-- A replica lags, and takes no changes.
local function check_role(add)
  local replication = redis.info "replication"
  if replication.role == "slave" then
    add(("this Redis is a replica of %s:%s: what weir shows here may be old, and nothing can be changed; give --redis "
      .. "the primary"):format(replication.master_host or "?", replication.master_port or "?"))
  end
end

local ENGINES = { dragonfly_version = "Dragonfly", garnet_version = "Garnet", kvrocks_version = "Kvrocks" }

-- Hosts refuse the same Redis: see host/redis/redis_facts.c. A setting that Redis does not reveal is not judged.
local function check_settings(add)
  local info = redis.info()
  for field, engine in pairs(ENGINES) do
    if info[field] then
      add(("this is %s, which does not promise atomic scripts: hosts need a Redis 7.0 to 8 or a Valkey 8")
        :format(engine))
    end
  end
  if redis.setting "appendonly" == "no" or info.aof_enabled == "0" then
    add("Redis keeps nothing over a restart: appendonly is no; redis-cli config set appendonly yes")
  elseif redis.setting "appendfsync" == "no" then
    add("Redis may lose half a minute of changes: appendfsync is no; redis-cli config set appendfsync everysec")
  end
  local policy = redis.setting "maxmemory-policy" or info.maxmemory_policy
  if policy and policy:find "^allkeys%-" then
    add(("Redis may evict runs: maxmemory-policy is %s; redis-cli config set maxmemory-policy noeviction")
      :format(policy))
  end
end

-- weir can run without some of its rights for a while: a command that few calls need is not missed before one comes.
local function check_rights(add)
  local missing = redis.missing_rights()
  if #missing == 0 then return end
  local granted = {}
  for i, command in ipairs(missing) do
    granted[i] = "+" .. (command == "SCRIPT" and "script|load" or command:lower())
  end
  add(("the user of Redis may not run %s; ACL SETUSER %s %s"):format(table.concat(missing, ", "),
    redis.user() or "USER", table.concat(granted, " ")))
end

local function check_hosts(add)
  local hosts, now = redis.hosts()
  for _, host in ipairs(hosts) do
    if host.expires_at + LATE_MS < now then
      add(("host %s (%s) has been gone for %s and still holds %s: no other host is alive to take them; weir serve DIR")
        :format(host.host, host.node, terminal.span(now - host.expires_at), terminal.count(host.owned, "run")))
    end
  end
  for _, queue in ipairs(redis.queues()) do
    local workflow = queue.queue:match("^%?(.+)$")
    local runs = terminal.count(queue.ready, "run")
    if queue.ready > 0 and workflow then
      add(('%s of workflow "%s", which no host has announced'):format(runs, workflow))
    elseif queue.ready > 0 and not hosts_alive.serve(hosts, now, queue.queue) then
      add(('%s in queue "%s", which no host that is alive serves'):format(runs, queue.queue))
    end
  end
end

local function check_runs(add)
  local cursor, known = "0", {}
  repeat
    local reply = redis.call({ "audit", cursor, AUDITED })[1]
    cursor = reply[2]
    for i = 4, #reply do
      -- SCAN may return a key twice
      if not known[reply[i]] then add(reply[i]) end
      known[reply[i]] = true
    end
  until cursor == "0"
end

---@return string[] findings one sentence each; none: nothing is inconsistent
function doctor.check()
  local findings = {}
  local function add(finding) findings[#findings + 1] = finding end
  check_role(add)
  check_settings(add)
  check_rights(add)
  local full = outage.sentence()
  if full then
    add(full) -- no host can renew its lease, so the hosts cannot be judged
  else
    check_hosts(add)
  end
  check_runs(add)
  return findings
end

return doctor
