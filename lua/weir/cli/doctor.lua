-- `weir doctor` and `weir stats`: whether all is well in this Redis, and how much there is of it.

local client = require "weir.native.client"
local identifier = require "weir.base.identifier"
local json = require "weir.json"
local output = require "weir.cli.output"
local store = require "weir.client.redis"
local terminal = require "weir.view.terminal"

local doctor = {}

local AUDITED = 200 -- keys looked at in one call
local LATE_MS = 5000 -- a lease that ended so long ago should have been reaped

-- ------------------------------------------------------------------------------------------------
-- Redis itself

local function setting(name)
  local reply = client.ask("CONFIG", "GET", name)
  return type(reply) == "table" and reply[2] or nil
end

-- Who may not ask for settings (a managed Redis) is not told about them.
local function check_redis(add)
  if setting "appendonly" == "no" then
    add("Redis keeps nothing over a restart: appendonly is no; redis-cli config set appendonly yes")
  elseif setting "appendfsync" == "no" then
    add("Redis may lose half a minute of changes: appendfsync is no; redis-cli config set appendfsync everysec")
  end
  local policy = setting "maxmemory-policy"
  if policy and policy ~= "noeviction" then
    add(("Redis may throw runs away: maxmemory-policy is %s; redis-cli config set maxmemory-policy noeviction")
      :format(policy))
  end
end

-- ------------------------------------------------------------------------------------------------
-- What is weir's in it

local function check_hosts(add)
  local hosts, now = store.hosts()
  for _, host in ipairs(hosts) do
    if host.expires_at + LATE_MS < now then
      add(("host %s (%s) has been gone for %s and still holds %s: no other host is alive to take them; weir serve DIR")
        :format(host.host, host.node, terminal.span(now - host.expires_at), terminal.count(host.held, "run")))
    end
  end
  for _, queue in ipairs(store.queues()) do
    local unknown = queue.queue:match("^%?(.+)$")
    local runs = terminal.count(queue.ready, "run")
    if queue.ready > 0 and unknown then
      add(('%s of workflow "%s", which no host has announced'):format(runs, unknown))
    elseif queue.ready > 0 and not store.serves(hosts, now, queue.queue) then
      add(('%s in queue "%s", which no host that is alive serves'):format(runs, queue.queue))
    end
  end
end

local function check_runs(add)
  local cursor, told = "0", {}
  repeat
    local reply = store.call({ "audit", cursor, AUDITED })[1]
    cursor = reply[2]
    for i = 4, #reply do
      -- a page may come twice, and its faults with it
      if not told[reply[i]] then add(reply[i]) end
      told[reply[i]] = true
    end
  until cursor == "0"
end

---Prints a line for each fault.
---@param as_json boolean
---@return integer status
function doctor.check(as_json)
  local faults = json.array {}
  local function add(fault) faults[#faults + 1] = terminal.plain(fault) end
  check_redis(add)
  local full = store.full() -- no host can renew its lease then
  if full then add(full) else check_hosts(add) end
  check_runs(add)
  if as_json then output.print(json.encode { faults = faults }) end
  for _, fault in ipairs(as_json and {} or faults) do output.print(fault) end
  if not as_json and #faults == 0 then output.remark "nothing inconsistent" end
  return #faults > 0 and store.FAILED or 0
end

-- ------------------------------------------------------------------------------------------------
-- Stats

local function durability()
  if setting "appendonly" == "no" then return "none" end
  local fsync = setting "appendfsync"
  return fsync == "no" and "none" or fsync or "unknown"
end

local function read_counts()
  local reply, counts = store.call({ "totals" })[1], {}
  for i = 2, #reply, 2 do counts[reply[i]] = math.tointeger(tonumber(reply[i + 1])) end
  return counts
end

local function gather()
  local hosts, now = store.hosts()
  local server, memory = store.info "server", store.info "memory"
  local stats = {
    runs = read_counts(), queues = json.array {}, hosts = json.array {}, workflows = 0, unknown = 0,
    redis = {
      version = server.redis_version or "unknown", durability = durability(),
      memory_bytes = math.tointeger(tonumber(memory.used_memory)) or json.null,
    },
  }
  stats.commit, stats.runs.commit = stats.runs.commit, nil
  for workflow in pairs(store.registry()) do
    if not identifier.is_own(workflow) then stats.workflows = stats.workflows + 1 end
  end
  local queues, heads = store.queues(), {}
  for _, queue in ipairs(queues) do heads[#heads + 1] = queue.next end
  local created = store.glance(heads)
  for _, queue in ipairs(queues) do
    if queue.queue:find("^%?") then
      stats.unknown = stats.unknown + queue.ready
    else
      stats.queues[#stats.queues + 1] = {
        queue = queue.queue, ready = queue.ready, served = store.serves(hosts, now, queue.queue),
        next_created_at = created[queue.next] and created[queue.next].created_at or json.null,
      }
    end
  end
  for i, host in ipairs(hosts) do
    stats.hosts[i] = {
      host = math.tointeger(tonumber(host.host)), node = host.node, workers = host.workers, held = host.held,
      queues = json.array(host.queues), alive = store.is_alive(host, now), turns = json.array {},
    }
  end
  for _, turn in ipairs((store.turns())) do
    for i, host in ipairs(hosts) do
      if turn.worker:match "^%d+" == host.host then
        table.insert(stats.hosts[i].turns, { worker = turn.thread, run = turn.run, since = turn.since })
      end
    end
  end
  return stats, now
end

---@param now integer
local function lines_of(stats, now)
  local rows = {}
  local function add(label, text)
    rows[#rows + 1] = { label, text }
  end
  add("runs", ("%s started, %s failed, %s waiting or to start later"):format(
    terminal.count(stats.runs.roots, "root"), terminal.number(stats.runs.failed),
    terminal.number(stats.runs.delayed)))
  add("retained", ("at most %s to go by themselves, %s due now, %s being deleted"):format(
    terminal.count(stats.runs.going, "ended run"), terminal.number(stats.runs.due),
    terminal.count(stats.runs.deleting, "tree")))
  add("workflows", terminal.number(stats.workflows))
  if #stats.queues == 0 then add("queues", "nothing is ready") end
  for i, queue in ipairs(stats.queues) do
    local waits = queue.next_created_at ~= json.null
      and (", the next of them created %s ago"):format(terminal.span(now - queue.next_created_at)) or ""
    add(i == 1 and "queues" or "", ("%s: %s ready%s%s"):format(terminal.plain(queue.queue),
      terminal.number(queue.ready), waits, queue.served and "" or ", served by no host"))
  end
  if stats.unknown > 0 then add("unknown", terminal.count(stats.unknown, "run") .. " of workflows no host knows") end
  if #stats.hosts == 0 then add("hosts", "none") end
  for i, host in ipairs(stats.hosts) do
    add(i == 1 and "hosts" or "", ("%s: %s, holding %s%s"):format(terminal.plain(host.node),
      terminal.count(host.workers, "worker"), terminal.count(host.held, "run"), host.alive and "" or ", gone"))
    for _, turn in ipairs(host.turns) do
      add("", ("worker %d in %s for %s"):format(turn.worker, terminal.plain(turn.run), terminal.span(now - turn.since)))
    end
  end
  local memory = stats.redis.memory_bytes
  add("redis", ("%s, durability %s%s, commit %d"):format(stats.redis.version, stats.redis.durability,
    memory ~= json.null and ", " .. terminal.size(memory) or "", stats.commit))
  return rows
end

---@param as_json boolean
function doctor.stats(as_json)
  local stats, now = gather()
  if as_json then return output.print(json.encode(stats)) end
  local style = output.style()
  for _, row in ipairs(lines_of(stats, now)) do
    output.print(terminal.paint(style, "dim", terminal.pad(row[1], 11)) .. row[2])
  end
end

return doctor
