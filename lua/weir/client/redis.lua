-- The store as the commands see it: each verb they use as a function, and the fault that ends a
-- command. Never prints.

local json = require "weir.json"
local record = require "weir.record.record"
local terminal = require "weir.view.terminal"

local store = {}

local client -- weir.native.client, once it is needed: specs come without

---Exit statuses, those of <sysexits.h> where one fits.
store.FAILED, store.USAGE, store.NO_INPUT, store.SOFTWARE, store.TIMED_OUT = 1, 64, 66, 70, 75

---Ends the command: one line for people, and the exit status.
---@param status integer
---@param format string
---@param ... any
function store.fault(status, format, ...)
  error({ status = status, message = format:format(...) }, 0)
end

---Whether this is what `fault` raises.
---@param raised any
---@return boolean
function store.is_fault(raised) return type(raised) == "table" and math.type(raised.status) == "integer" end

---The table that a field of a record holds as JSON; an empty one where it holds anything else.
---@param text string?
---@return table
function store.table_of(text)
  local value = text and json.try_decode(text)
  return type(value) == "table" and value ~= json.null and value or {}
end

---Tags as they are given to a command.
---@param list string[]? of KEY=VALUE
---@return table<string, string>?
function store.tags(list)
  if not list or #list == 0 then return nil end
  local tags = {}
  for _, text in ipairs(list) do
    local key, value = text:match("^([^=]+)=(.*)$")
    if not key then store.fault(store.USAGE, "--tag is KEY=VALUE, not %s", text) end
    if not utf8.len(text) then store.fault(store.USAGE, "--tag is not valid UTF-8") end
    tags[key] = value
  end
  return tags
end

local PAGE = 50 -- runs asked for in one call

---Sends groups as one batch.
---@param ... (string|integer)[]
---@return table[] replies one for each group
---@return integer now_ms by the store's clock
---@return integer commit changes with every write
function store.call(...)
  client = client or require "weir.native.client"
  local reply = client.call(...)
  for i, answer in ipairs(reply[4]) do
    if answer[1] == "error" then
      store.fault(store.SOFTWARE, "Redis refused %s: %s", (select(i, ...))[1], answer[2])
    end
  end
  return reply[4], reply[2], reply[3]
end

local DELETION_MS = 5000 -- how long the deletion of what had the same id may take

---Starts a run. What had its id may still be on its way out: each call does a step of that.
---@param group (string|integer)[]
---@return table reply
function store.start(group)
  local reply = store.call(group)[1]
  local deadline = reply[1] == "deleting" and client.now_ms() + DELETION_MS
  while reply[1] == "deleting" do
    if client.now_ms() > deadline then
      store.fault(store.TIMED_OUT, "the run that had the id %s is still being deleted; start it again in a moment",
        group[2])
    end
    reply = store.call(group)[1]
  end
  return reply
end

---@param text string? ms, as Redis prints a score
local function instant(text)
  local number = text and tonumber(text)
  return number and math.tointeger(math.floor(number)) or nil
end

local READINGS = 3 -- of a run that goes on while it is read

-- Takes one page of a run. True when that was the last. A run that went on between two pages is read again: what the
-- first page shows and what the last one shows may not belong together.
local function take_page(reading, reply)
  local cursor, version = reply[2], reply[3]
  reading.version = reading.version or version
  table.move(reply, 4, #reply, #reading.list + 1, reading.list)
  reading.cursor = cursor
  if cursor ~= "" then return false end
  if version == reading.version or reading.count == READINGS then return true end
  reading.cursor, reading.version, reading.list, reading.count = "0", nil, {}, reading.count + 1
  return false
end

---@param ids string[]
---@return table<string, weir.Record> runs those that there are
---@return integer now_ms
---@return integer commit of the last page
function store.inspect(ids)
  local runs, now, commit = {}, 0, 0
  local readings = {}
  for i, id in ipairs(ids) do readings[i] = { id = id, cursor = "0", list = {}, count = 1 } end
  local from = 1
  while readings[from] do
    local groups, to = {}, math.min(from + PAGE - 1, #readings)
    for at = from, to do groups[#groups + 1] = { "inspect", readings[at].id, readings[at].cursor } end
    local replies
    replies, now, commit = store.call(table.unpack(groups))
    for i, reply in ipairs(replies) do
      local reading = readings[from + i - 1]
      if reply[1] == "run" then
        if take_page(reading, reply) then
          runs[reading.id] = record.read(reading.id, reading.list)
        else
          readings[#readings + 1] = reading
        end
      end
    end
    from = to + 1
  end
  return runs, now, commit
end

---@param id string
---@return weir.Record
---@return integer now_ms
function store.run(id)
  local runs, now = store.inspect { id }
  if not runs[id] then store.no_such_run(id) end
  return runs[id], now
end

---What is said of a run that is not there: a node of a graph may be one later.
---@param id string
---@return string sentence
function store.absence(id)
  local parent, key = id:match("^(.*)/([^/]*)$")
  local above = parent and store.inspect({ parent })[parent]
  for _, operation in ipairs(above and above.operations or {}) do
    if operation.id == key and operation.state == "pending" then
      return ("%s is no run yet: the node has not begun; weir why %s"):format(id, id)
    end
  end
  return ('there is no run "%s"; weir list shows those there are'):format(id)
end

---@param id string
function store.no_such_run(id) store.fault(store.NO_INPUT, "%s", store.absence(id)) end

---@class weir.Glance where a run stands
---@field id string
---@field state string
---@field workflow string
---@field attempt integer
---@field queue string
---@field owner string?
---@field cancel integer?
---@field deadline integer?
---@field error string? JSON
---@field tags string? JSON
---@field detached boolean its parent let it go
---@field special boolean below it there may be runs that outlived it
---@field created_at integer
---@field started_at integer?
---@field finished_at integer?
---@field wake integer?
---@field ahead integer?
---@field expires integer?

---@param id string
---@param list string[]
---@return weir.Glance?
local function read_glance(id, list)
  if #list == 0 then return nil end
  local fields = {}
  for i = 1, #list, 2 do fields[list[i]] = list[i + 1] end
  return {
    id = id, state = fields.state or "unknown", workflow = fields.workflow or "",
    attempt = instant(fields.attempt) or 1,
    queue = fields.queue or "default", owner = fields.owner ~= "" and fields.owner or nil,
    cancel = instant(fields.cancel), deadline = instant(fields.deadline), error = fields.error,
    tags = fields.tags, detached = fields.detached ~= nil, special = fields.special ~= nil,
    created_at = instant(fields.created_at) or 0,
    started_at = instant(fields.started_at), finished_at = instant(fields.finished_at),
    wake = instant(fields.wake), ahead = instant(fields.ahead), expires = instant(fields.expires),
  }
end

---@param ids string[]
---@return table<string, weir.Glance> found
---@return integer now_ms
function store.glance(ids)
  local found, now = {}, 0
  for from = 1, #ids, 2 * PAGE do
    local group = { "status", table.unpack(ids, from, math.min(from + 2 * PAGE - 1, #ids)) }
    local replies
    replies, now = store.call(group)
    for i = 2, #group do found[group[i]] = read_glance(group[i], replies[1][i]) end
  end
  return found, now
end

local SIFTED = 1000 -- runs looked at in one call that leaves some of them out

---Runs of a set, newest first, each once.
---@param set "roots"|"failed"
---@param before string? "<at> <run>": only what stands behind that run, or by that instant if it is not there
---@param since integer? ms: of what is older only what lived by then, and what may have something below it that did
---@return fun(): string[]?, integer? next_page with the instant of its last run
function store.pages(set, before, since)
  local over, last, sifts = false, {}, false
  before = before or ""
  return function()
    if over then return nil end
    local reply = store.call({ "list", set, before, sifts and SIFTED or PAGE, sifts and since or nil })[1]
    local ids, these = {}, {}
    for i = 2, #reply, 2 do
      local id = reply[i + 1]
      -- where the last run has left the set, the page begins anew with its instant
      if not last[id] then ids[#ids + 1] = id end
      these[id] = true
    end
    over, last = #reply < 2 * (sifts and 1 or PAGE), these
    local at = #reply > 1 and instant(reply[#reply - 1]) or 0
    before = ("%d %s"):format(at, reply[#reply])
    sifts = since ~= nil and at < since
    return ids, at
  end
end

local BRANCHED, CHILDREN = 10, 100 -- runs asked in one call, and fields of each looked at

---The children that runs have begun, as their journals name them.
---@param ids string[]
---@return table<string, string[]> children by run, each once
function store.children(ids)
  local children, known, asked = {}, {}, {}
  for i, id in ipairs(ids) do
    asked[i] = { "children", id, "0", CHILDREN }
    children[id], known[id] = {}, {}
  end
  while #asked > 0 do
    local groups = table.move(asked, math.max(1, #asked - BRANCHED + 1), #asked, 1, {})
    for _ = 1, #groups do asked[#asked] = nil end
    for i, reply in ipairs((store.call(table.unpack(groups)))) do
      local id, cursor = groups[i][2], reply[2]
      for at = 3, #reply do
        local child = reply[at]
        if not known[id][child] then table.insert(children[id], child) end
        known[id][child] = true -- a hash that is made larger may tell of a field twice
      end
      if cursor ~= "0" then asked[#asked + 1] = { "children", id, cursor, CHILDREN } end
    end
  end
  return children
end

---@class weir.RegisteredWorkflow
---@field bundle string
---@field queue string
---@field schema string? JSON text

---@return table<string, weir.RegisteredWorkflow> by id
function store.registry()
  local reply = store.call({ "registry" })[1]
  local workflows = {}
  for i = 2, #reply, 2 do
    workflows[reply[i]] = json.decode(reply[i + 1])
  end
  return workflows
end

---@class weir.HostEntry
---@field host string its number
---@field node string
---@field expires_at integer
---@field workers integer
---@field held integer runs
---@field queues string[]
---@field bundles table<string, boolean> those of its folders

---@return weir.HostEntry[] hosts
---@return integer now_ms
function store.hosts()
  local replies, now = store.call({ "hosts" })
  local reply, hosts = replies[1], {}
  for i = 2, #reply, 7 do
    local queues, bundles = {}, {}
    for bundle in reply[i + 6]:gmatch("%x+") do bundles[bundle] = true end
    for queue in reply[i + 5]:gmatch("[^\t,]+") do queues[#queues + 1] = queue end
    hosts[#hosts + 1] = {
      host = reply[i], node = reply[i + 1], expires_at = instant(reply[i + 2]),
      workers = instant(reply[i + 3]), held = instant(reply[i + 4]), queues = queues,
      bundles = bundles,
    }
  end
  return hosts, now
end

---@class weir.Turn a turn that has lasted for 50 ms or more, and goes on
---@field worker string "<host>.<thread>"
---@field thread integer
---@field node string
---@field run string
---@field since integer an instant in ms

---@return weir.Turn[]
---@return integer now_ms
function store.turns()
  local replies, now = store.call({ "turns" })
  local reply, turns = replies[1], {}
  for i = 2, #reply, 4 do
    turns[#turns + 1] = {
      worker = reply[i], thread = math.tointeger(tonumber(reply[i]:match "%d+$")), node = reply[i + 1],
      run = reply[i + 2], since = instant(reply[i + 3]),
    }
  end
  return turns, now
end

---What Redis tells of itself.
---@param section string of INFO
---@return table<string, string>
function store.info(section)
  client = client or require "weir.native.client"
  local info = {}
  for name, value in (client.ask("INFO", section) or ""):gmatch("([%w_]+):([^\r\n]*)") do info[name] = value end
  return info
end

-- Redis refuses writes while it cannot keep them.
local function full_disk()
  local persistence = store.info "persistence"
  if persistence.aof_enabled == "1" and persistence.aof_last_write_status == "err" then
    return "nothing moves, as Redis cannot write its append-only file: look for a full disk"
  end
end

---Says that Redis has no memory or no disk left; nil when it has. Nothing can be recorded then, leases neither.
---@return string?
function store.full()
  local memory = store.info "memory"
  local most, used = tonumber(memory.maxmemory) or 0, tonumber(memory.used_memory) or 0
  if most == 0 or used - (tonumber(memory.mem_not_counted_for_evict) or 0) <= most then return full_disk() end
  return ("nothing moves, as Redis is full: it uses %s, and its maxmemory is %s; redis-cli config set maxmemory BYTES, "
    .. "or weir delete what has ended (what its retain keeps no longer goes by itself)"):format(
    terminal.size(math.tointeger(used)), terminal.size(math.tointeger(most)))
end

local LATE_MS = 3000 -- behind its lease: on a busy machine a beat may be late, and no other host may be there to mind

---Whether a host is there, for all that can be known.
---@param host weir.HostEntry
---@param now integer
---@return boolean
function store.is_alive(host, now) return host.expires_at + LATE_MS > now end

---@param hosts weir.HostEntry[]
---@param now integer
---@return boolean
function store.any_alive(hosts, now)
  for _, host in ipairs(hosts) do
    if store.is_alive(host, now) then return true end
  end
  return false
end

---Whether a host that is alive serves a queue.
---@param hosts weir.HostEntry[]
---@param now integer
---@param queue string
---@return boolean
function store.serves(hosts, now, queue)
  for _, host in ipairs(hosts) do
    for _, served in ipairs(host.queues) do
      if store.is_alive(host, now) and (served == "*" or served == queue) then return true end
    end
  end
  return false
end

---The earliest wake-up of all runs.
---@return integer? at
---@return integer now_ms
function store.due()
  local replies, now = store.call({ "due" })
  local at = replies[1][2]
  return at ~= "" and instant(at) or nil, now
end

---@class weir.QueueEntry
---@field queue string
---@field ready integer
---@field next string? the run that is taken first

---@return weir.QueueEntry[]
function store.queues()
  local reply, queues = store.call({ "queues" })[1], {}
  for i = 2, #reply, 3 do
    queues[#queues + 1] = { queue = reply[i], ready = reply[i + 1], next = reply[i + 2] ~= "" and reply[i + 2] or nil }
  end
  table.sort(queues, function(a, b) return a.queue < b.queue end)
  return queues
end

return store
