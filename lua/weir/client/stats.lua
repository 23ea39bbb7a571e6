-- Counts what is in the dataset: runs, queues, workflows and hosts, and how fast runs start and end.

local bundles = require "weir.client.bundles"
local census = require "weir.client.census"
local hosts_alive = require "weir.client.hosts"
local identifier = require "weir.base.identifier"
local json = require "weir.json"
local redis = require "weir.client.redis"
local selector = require "weir.client.selector"
local sorted_keys = require "weir.base.sorted_keys"

local stats = {}

local BUDGET = 10000 -- runs that are looked at, unless the caller names another number
local WINDOW_MS = 60000 -- of the rates

-- A value of JSON: nil is null.
local function nullable(value) return value == nil and json.null or value end

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
        next_created_at = nullable(runs[queue.next] and runs[queue.next].created_at),
        next_ready_at = nullable(queue.since), next_run = nullable(queue.next),
      }
    end
  end
  return queues, unknown
end

local function host_values(hosts, now, running)
  local values, by_number = json.array {}, {}
  for i, host in ipairs(hosts) do
    values[i] = {
      host = math.tointeger(tonumber(host.host)), node = host.node, workers = host.workers, held = host.owned,
      running = running[host.host] or 0, queues = json.array(host.queues),
      bundles = json.array(sorted_keys.of(host.bundles)), alive = hosts_alive.is_alive(host, now),
      state = hosts_alive.state(host, now), renewed_at = nullable(host.renewed_at), turns = json.array {},
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

local function bundle_values()
  local values = json.array {}
  for i, found in ipairs((bundles.list())) do
    values[i] = { bundle = found.bundle, announced_at = nullable(found.announced_at), attempts = found.attempts,
                  workflows = #found.workflows, hosts = json.array(found.hosts) }
  end
  return values
end

local function states_of(counts)
  local states = {}
  for _, state in ipairs(selector.STATES) do states[state] = counts[state] or 0 end
  return states
end

-- The workflows that have runs, those with the most unfinished ones first.
local function workflow_values(counted)
  local values = json.array {}
  for workflow, counts in pairs(counted.workflows) do
    local value = states_of(counts)
    value.workflow, value.unfinished = workflow, 0
    for state, count in pairs(counts) do
      if state ~= "completed" and state ~= "failed" and state ~= "cancelled" then
        value.unfinished = value.unfinished + count
      end
    end
    values[#values + 1] = value
  end
  table.sort(values, function(a, b)
    if a.unfinished ~= b.unfinished then return a.unfinished > b.unfinished end
    if a.failed ~= b.failed then return a.failed > b.failed end
    return a.workflow < b.workflow
  end)
  return values
end

-- Runs a second.
local function rate_values()
  local rates = redis.rates(WINDOW_MS)
  if not rates then return json.null end
  local values = { over_ms = rates.span_ms }
  for _, name in ipairs { "started", "completed", "failed", "cancelled" } do
    values[name] = rates[name] * 1000 / rates.span_ms
  end
  return values
end

local function redis_values()
  local server, memory = redis.info "server", redis.info "memory"
  return {
    version = server.redis_version or "unknown", durability = durability(),
    memory_bytes = nullable(math.tointeger(tonumber(memory.used_memory))),
    max_memory_bytes = nullable(math.tointeger(tonumber(memory.maxmemory))),
    max_memory_policy = nullable(memory.maxmemory_policy), uptime_s =
      nullable(math.tointeger(tonumber(server.uptime_in_seconds))),
  }
end

---@param budget integer? of runs that are looked at to count them by state
---@return table stats a value for JSON
---@return integer now_ms
function stats.read(budget)
  local hosts, now = redis.hosts()
  local runs, counted = redis.totals(), census.take(budget or BUDGET)
  local queues, unknown = read_queues(hosts, now)
  local commit = runs.commit
  runs.commit = nil
  return {
    at = now, commit = commit, runs = runs, states = states_of(counted.states), sampled = counted.sampled,
    by_workflow = workflow_values(counted), oldest = nullable(counted.oldest), rates = rate_values(), queues = queues,
    unknown = unknown, workflows = count_workflows(), bundles = bundle_values(),
    hosts = host_values(hosts, now, counted.running), redis = redis_values(),
  }, now
end

return stats
