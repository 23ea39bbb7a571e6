-- The scripts that the client functions call, each as a function that returns values. Nothing else builds a call or
-- reads a reply.

local defaults = require "weir.define.defaults"
local fault = require "weir.client.fault"
local json = require "weir.json"
local record = require "weir.record.record"
local run_id = require "weir.base.run_id"
local transport = require "weir.client.transport"

local redis = {}

---Decodes a field of a record that holds a table as JSON. Anything else gives an empty table.
---@param text string?
---@return table
function redis.table_of(text)
  local value = text and json.try_decode(text)
  return type(value) == "table" and value ~= json.null and value or {}
end

local PAGE = 50 -- runs in one call

---Sends groups as one batch.
---@param ... (string|integer)[] a verb and its arguments
---@return table[] replies one for each group
---@return integer now_ms Redis' clock
---@return integer commit changes with every write
function redis.call(...)
  local reply = transport.call(...)
  for i, answer in ipairs(reply[4]) do
    if answer[1] == "error" then
      fault.raise("redis_error", "Redis refused %s: %s", (select(i, ...))[1], answer[2])
    end
  end
  return reply[4], reply[2], reply[3]
end

local DELETION_MS = 5000 -- the longest wait for the deletion of a run that had the same id

---Starts a run. While an older run of this id is being deleted, each call deletes some more of it.
---@param group (string|integer)[]
---@return table reply
function redis.start(group)
  local reply = redis.call(group)[1]
  local deadline = reply[1] == "deleting" and transport.now_ms() + DELETION_MS
  while reply[1] == "deleting" do
    if transport.now_ms() > deadline then
      fault.raise_with("busy", { run = group[2] }, "the run that had the id %s is still being deleted; start it again "
        .. "in a moment", group[2])
    end
    reply = redis.call(group)[1]
  end
  return reply
end

---@param text string? milliseconds, as Redis prints a score
local function instant(text)
  local number = text and tonumber(text)
  return number and math.tointeger(math.floor(number)) or nil
end

local READINGS = 3 -- times that a run is read which changes while it is read

-- Takes one page of a run; returns true after the last one. A run that changed between two pages is read again, as its
-- first and its last page may contradict each other.
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

---Turns the list of a record or a status into a table.
---@param list string[] field, value, field, value …
---@return table<string, string>
function redis.fields_of(list)
  local fields = {}
  for i = 1, #list, 2 do fields[list[i]] = list[i + 1] end
  return fields
end

---The records of runs, as Redis has them.
---@param ids string[]
---@return table<string, string[]> lists of those that exist: field, value, field, value …
---@return integer now_ms
---@return integer commit of the last page
function redis.records(ids)
  local lists, now, commit = {}, 0, 0
  local readings = {}
  for i, id in ipairs(ids) do readings[i] = { id = id, cursor = "0", list = {}, count = 1 } end
  local from = 1
  while readings[from] do
    local groups, to = {}, math.min(from + PAGE - 1, #readings)
    for at = from, to do groups[#groups + 1] = { "inspect", readings[at].id, readings[at].cursor } end
    local replies
    replies, now, commit = redis.call(table.unpack(groups))
    for i, reply in ipairs(replies) do
      local reading = readings[from + i - 1]
      if reply[1] == "run" then
        if take_page(reading, reply) then
          lists[reading.id] = reading.list
        else
          readings[#readings + 1] = reading
        end
      end
    end
    from = to + 1
  end
  return lists, now, commit
end

---@param ids string[]
---@return table<string, weir.Record> runs those that exist
---@return integer now_ms
---@return integer commit of the last page
function redis.inspect(ids)
  local lists, now, commit = redis.records(ids)
  local runs = {}
  for id, list in pairs(lists) do runs[id] = record.read(id, list) end
  return runs, now, commit
end

---@param id string
---@return weir.Record
---@return integer now_ms
function redis.run(id)
  local runs, now = redis.inspect { id }
  if not runs[id] then redis.raise_not_found(id) end
  return runs[id], now
end

---Says that a run does not exist. The id may belong to a graph's node that has not begun.
---@param id string
---@return string sentence
function redis.not_found(id)
  local parent, key = run_id.parent(id), run_id.operation(id)
  local above = parent and redis.inspect({ parent })[parent]
  for _, operation in ipairs(above and above.operations or {}) do
    if operation.id == key and operation.state == "pending" then
      return ("%s is no run yet: the node has not begun; weir why %s"):format(id, id)
    end
  end
  return ('there is no run "%s"; weir list shows the runs'):format(id)
end

---@param id string
function redis.raise_not_found(id) fault.raise_with("not_found", { run = id }, "%s", redis.not_found(id)) end

---@class weir.RunStatus the fields of a run, without payloads and journal
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
---@field progress weir.Progress?
---@field detached boolean its parent does not wait for it
---@field has_rare boolean it may have descendants that outlived it
---@field created_at integer
---@field started_at integer?
---@field finished_at integer?
---@field wake integer?
---@field ahead integer?
---@field expires integer?

---@param id string
---@param list string[]
---@return weir.RunStatus?
local function read_status(id, list)
  if #list == 0 then return nil end
  local fields = redis.fields_of(list)
  return {
    id = id, state = fields.state or "unknown", workflow = fields.workflow or "",
    attempt = instant(fields.attempt) or 1,
    queue = fields.queue or defaults.queue, owner = fields.owner ~= "" and fields.owner or nil,
    cancel = instant(fields.cancel), deadline = instant(fields.deadline), error = fields.error,
    tags = fields.tags, progress = record.progress(fields.progress), detached = fields.detached == "1",
    has_rare = fields.has_rare ~= nil,
    created_at = instant(fields.created_at) or 0,
    started_at = instant(fields.started_at), finished_at = instant(fields.finished_at),
    wake = instant(fields.wake), ahead = instant(fields.ahead), expires = instant(fields.expires),
  }
end

---@param ids string[]
---@return table<string, weir.RunStatus> found
---@return integer now_ms
function redis.status(ids)
  local runs, now = {}, 0
  for from = 1, #ids, 2 * PAGE do
    local group = { "status", table.unpack(ids, from, math.min(from + 2 * PAGE - 1, #ids)) }
    local replies
    replies, now = redis.call(group)
    for i = 2, #group do runs[group[i]] = read_status(group[i], replies[1][i]) end
  end
  return runs, now
end

local SIFTED = 1000 -- runs that the script looks at in one call when it leaves out old ones

---The runs of a set, newest first, each once.
---@param set "roots"|"failed"
---@param before string? "<at> <run>": begin after this run, or at this instant if the run is gone
---@param since integer? ms: of older runs only those that had not ended by then, or whose descendants may not have
---@param tags table<string, string>? only runs that have them, and some others
---@return fun(): string[]?, integer? next_page the ids, and the instant of the last one
function redis.pages(set, before, since, tags)
  local over, last, sifts, wanted = false, {}, tags ~= nil, {}
  before = before or ""
  for tag, value in pairs(tags or {}) do table.move({ tag, value }, 1, 2, #wanted + 1, wanted) end
  return function()
    if over then return nil end
    local group = { "list", set, before, sifts and SIFTED or PAGE }
    if sifts then table.move({ since or "", table.unpack(wanted) }, 1, #wanted + 1, 5, group) end
    local reply = redis.call(group)[1]
    local ids, these = {}, {}
    for i = 2, #reply, 2 do
      local id = reply[i + 1]
      -- if the last run has left the set, the page begins with that run's instant and repeats some ids
      if not last[id] then ids[#ids + 1] = id end
      these[id] = true
    end
    over, last = #reply < 2 * (sifts and 1 or PAGE), these
    local at = #reply > 1 and instant(reply[#reply - 1]) or 0
    before = ("%d %s"):format(at, reply[#reply])
    sifts = tags ~= nil or since ~= nil and at < since
    return ids, at
  end
end

local BRANCHED, CHILDREN = 10, 100 -- runs in one call, and fields that the script looks at in each

---The children that runs have started, as their journals name them.
---@param ids string[]
---@return table<string, string[]> children by run, each once
function redis.children(ids)
  local children, known, asked = {}, {}, {}
  for i, id in ipairs(ids) do
    asked[i] = { "children", id, "0", CHILDREN }
    children[id], known[id] = {}, {}
  end
  while #asked > 0 do
    local groups = table.move(asked, math.max(1, #asked - BRANCHED + 1), #asked, 1, {})
    for _ = 1, #groups do asked[#asked] = nil end
    for i, reply in ipairs((redis.call(table.unpack(groups)))) do
      local id, cursor = groups[i][2], reply[2]
      for at = 3, #reply do
        local child = reply[at]
        if not known[id][child] then table.insert(children[id], child) end
        known[id][child] = true -- HSCAN may return a field twice while the hash grows
      end
      if cursor ~= "0" then asked[#asked + 1] = { "children", id, cursor, CHILDREN } end
    end
  end
  return children
end

redis.LOOKED_AT = 500 -- members of a set that one call of `in_flight` goes through

---@class weir.RunInFlight a run that waits and that an attempt has begun
---@field id string
---@field workflow string
---@field state "waiting"|"retrying"
---@field bundle string
---@field created_at integer

---The runs that wait and that an attempt has begun, a page at a time.
---@param bundle string? without those of this bundle
---@param workflows string[]? only those of these workflows
---@return fun(): weir.RunInFlight[]?, integer? next_page the runs, and the size of the set that the walk goes through
function redis.in_flight(bundle, workflows)
  local from, over = 0, workflows ~= nil and #workflows == 0
  return function()
    if over then return nil end
    local reply = redis.call({ "in_flight", from, redis.LOOKED_AT, bundle or "", table.unpack(workflows or {}) })[1]
    local page = {}
    for i = 3, #reply, 5 do
      page[#page + 1] = {
        id = reply[i], workflow = reply[i + 1], state = reply[i + 2], bundle = reply[i + 3],
        created_at = instant(reply[i + 4]) or 0,
      }
    end
    from = from + redis.LOOKED_AT
    over = from >= reply[2]
    return page, reply[2]
  end
end

---The files of a bundle.
---@param bundle string
---@return table<string, string>? texts by path; nil: it is not there any more
function redis.sources(bundle)
  local reply = redis.call({ "sources", bundle })[1]
  if reply[1] ~= "sources" then return nil end
  local files = {}
  for i = 2, #reply, 2 do files[reply[i]] = reply[i + 1] end
  return files
end

---@class weir.RegisteredWorkflow
---@field bundle string
---@field queue string
---@field schema string? JSON text

---@return table<string, weir.RegisteredWorkflow> by id
function redis.registry()
  local reply = redis.call({ "registry" })[1]
  local workflows = {}
  for i = 2, #reply, 2 do
    workflows[reply[i]] = json.decode(reply[i + 1])
  end
  return workflows
end

---The bundles that attempts or the registry need.
---@return weir.BundleInUse[] without `workflows` and `hosts`
function redis.bundles()
  local reply, list = redis.call({ "bundles" })[1], {}
  for i = 2, #reply, 4 do
    list[#list + 1] = {
      bundle = reply[i], version = math.tointeger(tonumber(reply[i + 1])), announced_at = instant(reply[i + 2]),
      attempts = instant(reply[i + 3]) or 0,
    }
  end
  return list
end

---@class weir.HostEntry
---@field host string its number
---@field node string
---@field expires_at integer
---@field workers integer
---@field owned integer runs
---@field queues string[]
---@field bundles table<string, boolean> the bundles of its folders
---@field max_payload integer? bytes
---@field refused weir.Refusal[] its folders that do not load as they are now
---@field renewed_at integer? its last heartbeat
---@field drains boolean

---@class weir.Refusal
---@field folder string
---@field bundle string the one that still serves
---@field faults string[] each "file:line: message"

local function refusals_of(text)
  local refusals = {}
  for i, each in ipairs(text ~= "" and json.decode(text) or {}) do
    refusals[i] = { folder = each[1], bundle = each[2], faults = {} }
    for line in each[3]:gmatch "[^\n]+" do table.insert(refusals[i].faults, line) end
  end
  return refusals
end

---@return weir.HostEntry[] hosts
---@return integer now_ms
function redis.hosts()
  local replies, now = redis.call({ "hosts" })
  local reply, hosts = replies[1], {}
  for i = 2, #reply, 11 do
    local queues, bundles = {}, {}
    for bundle in reply[i + 6]:gmatch("%x+") do bundles[bundle] = true end
    for queue in reply[i + 5]:gmatch("[^\t,]+") do queues[#queues + 1] = queue end
    hosts[#hosts + 1] = {
      host = reply[i], node = reply[i + 1], expires_at = instant(reply[i + 2]),
      workers = instant(reply[i + 3]), owned = instant(reply[i + 4]), queues = queues,
      bundles = bundles, max_payload = math.tointeger(tonumber(reply[i + 7])), refused = refusals_of(reply[i + 8]),
      renewed_at = instant(reply[i + 9]), drains = reply[i + 10] == "1",
    }
  end
  return hosts, now
end

---@class weir.Turn a turn of a worker that has lasted for 50 ms or more and has not ended
---@field worker string "<host>.<thread>"
---@field thread integer
---@field node string
---@field run string
---@field since integer an instant in ms

---@return weir.Turn[]
---@return integer now_ms
function redis.turns()
  local replies, now = redis.call({ "turns" })
  local reply, turns = replies[1], {}
  for i = 2, #reply, 4 do
    turns[#turns + 1] = {
      worker = reply[i], thread = math.tointeger(tonumber(reply[i]:match "%d+$")), node = reply[i + 1],
      run = reply[i + 2], since = instant(reply[i + 3]),
    }
  end
  return turns, now
end

---What INFO tells; empty where Redis does not permit the question.
---@param section string? nil: all that it tells by default
---@return table<string, string>
function redis.info(section)
  local info = {}
  local text = transport.ask("INFO", section or "default") or ""
  for name, value in text:gmatch("([%w_]+):([^\r\n]*)") do info[name] = value end
  return info
end

---The earliest wake-up of all runs.
---@return integer? at
---@return integer now_ms
function redis.due()
  local replies, now = redis.call({ "due" })
  local at = replies[1][2]
  return at ~= "" and instant(at) or nil, now
end

---@class weir.QueueEntry
---@field queue string
---@field ready integer
---@field next string? the run that a worker claims first
---@field since integer? when that run became ready, as far as its record tells

---@return weir.QueueEntry[]
function redis.queues()
  local reply, queues = redis.call({ "queues" })[1], {}
  for i = 2, #reply, 4 do
    queues[#queues + 1] = {
      queue = reply[i], ready = reply[i + 1], next = reply[i + 2] ~= "" and reply[i + 2] or nil,
      since = reply[i + 3] ~= "0" and instant(reply[i + 3]) or nil,
    }
  end
  table.sort(queues, function(a, b) return a.queue < b.queue end)
  return queues
end

---@class weir.Rates runs that started and ended in a span, also children
---@field span_ms integer
---@field started integer
---@field completed integer
---@field failed integer
---@field cancelled integer

---How many runs started and ended lately.
---@param window_ms integer
---@return weir.Rates? rates nil: no host was alive lately, so it is not known
function redis.rates(window_ms)
  local reply = redis.call({ "rates", window_ms })[1]
  if reply[2] == 0 then return nil end
  return { span_ms = reply[2], started = reply[3], completed = reply[4], failed = reply[5], cancelled = reply[6] }
end

---The sets that hold runs.
---@return { name: string, size: integer }[]
function redis.sets()
  local reply, sets = redis.call({ "sets" })[1], {}
  for i = 2, #reply, 2 do sets[#sets + 1] = { name = reply[i], size = reply[i + 1] } end
  return sets
end

---The ids of a page of such a set.
---@param set string
---@param from integer how many come before; of `owned:` sets it says nothing
---@param count integer
---@return string[]
function redis.members(set, from, count)
  local reply = redis.call({ "members", set, from, count })[1]
  return table.move(reply, 2, #reply, 1, {})
end

---@class weir.CensusPage
---@field looked_at integer runs
---@field groups { state: string, workflow: string, count: integer, run: string, created_at: integer }[] run: the oldest

---Counts pages of sets by state and workflow, all in one call.
---@param pages { set: string, from: integer, count: integer }[]
---@return weir.CensusPage[]
---@return integer now_ms
function redis.census(pages)
  local groups, counted = {}, {}
  for i, page in ipairs(pages) do groups[i] = { "census", page.set, page.from, page.count } end
  local replies, now = redis.call(table.unpack(groups))
  for i, reply in ipairs(replies) do
    counted[i] = { looked_at = reply[2], groups = {} }
    for at = 3, #reply, 5 do
      table.insert(counted[i].groups, { state = reply[at], workflow = reply[at + 1], count = reply[at + 2],
                                        run = reply[at + 3], created_at = instant(reply[at + 4]) or 0 })
    end
  end
  return counted, now
end

---The counters of the dataset.
---@return table<string, integer> by name
function redis.totals()
  local reply, totals = redis.call({ "totals" })[1], {}
  for i = 2, #reply, 2 do totals[reply[i]] = math.tointeger(tonumber(reply[i + 1])) end
  return totals
end

---The commands of Redis that weir uses and its user may not run.
---@return string[]
function redis.missing_rights()
  local reply = redis.call({ "rights" })[1]
  return table.move(reply, 2, #reply, 1, {})
end

---The user of Redis, where Redis tells it.
---@return string?
function redis.user() return transport.ask("ACL", "WHOAMI") end

---A setting of Redis; nil where Redis does not permit the question, as a managed Redis does.
---@param name string
---@return string?
function redis.setting(name)
  local reply = transport.ask("CONFIG", "GET", name)
  return type(reply) == "table" and reply[2] or nil
end

return redis
