-- Counts what is in the dataset: runs, queues, workflows and hosts.

local hosts_alive = require "weir.client.hosts"
local identifier = require "weir.base.identifier"
local json = require "weir.json"
local redis = require "weir.client.redis"

local stats = {}

local function durability()
  if redis.setting "appendonly" == "no" then return "none" end
  local fsync = redis.setting "appendfsync"
  return fsync == "no" and "none" or fsync or "unknown"
end

local function count_workflows()
  local count = 0
  for workflow in pairs(redis.registry()) do
    if not identifier.is_own(workflow) then count = count + 1 end
  end
  return count
end

-- The queues of workflows that no host knows are counted as one number.
local function read_queues(hosts, now)
  local queues, unknown, heads = json.array {}, 0, {}
  local entries = redis.queues()
  for _, queue in ipairs(entries) do heads[#heads + 1] = queue.next end
  local runs = redis.status(heads)
  for _, queue in ipairs(entries) do
    if queue.queue:find("^%?") then
      unknown = unknown + queue.ready
    else
      queues[#queues + 1] = {
        queue = queue.queue, ready = queue.ready, served = hosts_alive.serve(hosts, now, queue.queue),
        next_created_at = runs[queue.next] and runs[queue.next].created_at or json.null,
      }
    end
  end
  return queues, unknown
end

local function host_values(hosts, now)
  local values, by_number = json.array {}, {}
  for i, host in ipairs(hosts) do
    values[i] = {
      host = math.tointeger(tonumber(host.host)), node = host.node, workers = host.workers, held = host.owned,
      queues = json.array(host.queues), alive = hosts_alive.is_alive(host, now), turns = json.array {},
      refused = json.array {},
    }
    for k, refusal in ipairs(host.refused) do
      values[i].refused[k] = {
        folder = refusal.folder, bundle = refusal.bundle, faults = json.array(refusal.faults),
      }
    end
    by_number[host.host] = values[i]
  end
  for _, turn in ipairs((redis.turns())) do
    local host = by_number[turn.worker:match "^%d+"]
    if host then table.insert(host.turns, { worker = turn.thread, run = turn.run, since = turn.since }) end
  end
  return values
end

---@return table stats a value for JSON
---@return integer now_ms
function stats.read()
  local hosts, now = redis.hosts()
  local server, memory, runs = redis.info "server", redis.info "memory", redis.totals()
  local queues, unknown = read_queues(hosts, now)
  local commit = runs.commit
  runs.commit = nil
  return {
    commit = commit, runs = runs, queues = queues, unknown = unknown, workflows = count_workflows(),
    hosts = host_values(hosts, now),
    redis = {
      version = server.redis_version or "unknown", durability = durability(),
      memory_bytes = math.tointeger(tonumber(memory.used_memory)) or json.null,
    },
  }, now
end

return stats
