-- redis: the scripts on a redis-server of the spec file's own, with a clock that the spec sets.
--
-- `redis.store()` in a `describe` gives each of its tests an empty dataset (a fresh prefix), a host
-- "node" and a clock that stands at redis.BEGIN until `pass` moves it. The text that runs is the one
-- the host joins, but for the one line that asks Redis for the time.

local busted = require "busted"
local json = require "weir.json"
local sorted_keys = require "weir.base.sorted_keys"
local resp = require "resp"
local rights = require "spec.support.rights"
local scripts = require "tests.scripts"
local support = require "tests.support"

local redis = {}

redis.BEGIN = 1790000000000
redis.LEASE_MS = 1200
redis.USER = "weir" -- of Redis, as whom the scripts run

-- Commands that the scripts ask for the right to, before their first write.
local function commands_asked_for()
  local text = assert(support.read "redis-scripts/lib/rights.lua"):match "local USED = (%b{})"
  local asked = { PUBLISH = true }
  for command in text:gmatch '"(%u+)"' do asked[command] = true end
  return asked
end

-- Stands before the scripts: raises when a command follows the first write that they did not ask for the right to.
local function with_guard(text)
  local names = {}
  for name in pairs(commands_asked_for()) do names[#names + 1] = ("%s = true"):format(name) end
  return ([[
local redis = (function()
  local real, asked, wrote, checking = redis, { %s }, false, false
  local WRITES = { HINCRBY = true }
  return setmetatable({
    call = function(command, ...)
      if wrote and not asked[command] then
        error("spec: " .. command .. " follows the first write and is not in lib/rights.lua", 0)
      end
      wrote = wrote or WRITES[command] or false
      return real.call(command, ...)
    end,
  }, { __index = real })
end)()
]]):format(table.concat(names, ", ")) .. text
end

-- Asks the spec for the time.
local function with_clock(lib)
  local clock = [[
local time = { call("GET", PREFIX .. "clock"):match("^(%%d+)(%%d%%d%%d)$") }
time[2] = time[2] .. "000"]]
  local text, found = lib:gsub('local time = call%("TIME"%)', clock)
  assert(found == 1, "lib.lua asks for the time in another way now")
  return text
end

-- ------------------------------------------------------------------------------------------------
-- Effects

---The effect of a started child. Fields not given are as the journal writes them for a plain invoke.
---@param fields { operation: string, child: string, workflow: string?, data: string?, entry: string?,
---  depth: integer?, unknown: string?, bundle: string?, result: string?, options: table? }
---@return table effect flat
function redis.invoke(fields)
  local options = {}
  for name, value in pairs(fields.options or {}) do
    options[#options + 1] = name
    options[#options + 1] = value
  end
  return {
    "invoke", fields.operation, fields.entry or "invoke", fields.child, fields.workflow or "w",
    fields.data or "{}", "7", fields.depth or 64, fields.unknown or "", fields.bundle or "",
    fields.result or "", #options // 2, table.unpack(options),
  }
end

redis.suspend = { "suspend", "", "" }

---@param result string?
function redis.complete(result) return { "complete", result or "{}" } end

---@param failure string?
function redis.fail(failure) return { "fail", "failed", failure or '{"code":"error"}', "" } end

-- ------------------------------------------------------------------------------------------------
-- Workers

---@class Worker
---@field name string "<host>.<thread>", "" for a client
---@field turns table<string, integer> of the runs it was given
---@field known table<string, integer> highest outcome number it was told
local Worker = {}
Worker.__index = Worker

local function know(worker, id, outcomes, from)
  for i = from, #outcomes do
    local number = math.tointeger(tonumber(outcomes[i]:match "^%d+"))
    worker.known[id] = math.max(worker.known[id], number)
  end
end

-- Notes the turn and the known outcomes of a run that a worker was given.
local function take_claim(worker, claim)
  local id = claim[2]
  worker.turns[id] = claim[3]
  if claim[1] == "cold" then
    worker.known[id] = claim[6]
  else
    know(worker, id, claim, 4)
  end
end

---Sends one batch, and keeps the claims and outcomes of its reply.
---@param capacity integer
---@param ... table groups: a verb and its arguments
---@return table reply { word, now, commit, groups, claims, due }
function Worker:ask(capacity, ...)
  local groups = { ... }
  local reply = self.store:batch(self.name, capacity, groups, self.queues)
  for i, group in ipairs(groups) do
    local answer = reply.groups[i] or {}
    if group[1] == "turn" and (answer[1] == "running" or answer[1] == "suspended") then
      self.turns[group[2]] = group[3] + 1
      if answer[1] == "running" then know(self, group[2], answer, 2) end
    elseif group[1] == "load" and answer[1] == "cold" then
      take_claim(self, answer)
    end
  end
  for _, claim in ipairs(reply.claims) do take_claim(self, claim) end
  return reply
end

---A batch of one group that asks for no runs.
---@return table answer of the group
function Worker:say(...) return self:ask(0, { ... }).groups[1] end

---The runs it is given, as "cold <run>" and "warm <run> <number>:<state> ...".
---@param capacity integer?
---@return string[]
function Worker:claim(capacity, ...)
  local claims = {}
  for i, claim in ipairs(self:ask(capacity or 1, ...).claims) do
    local words = { claim[1], claim[2] }
    for j = 4, claim[1] == "warm" and #claim or 0 do words[#words + 1] = redis.outcome(claim[j]) end
    claims[i] = table.concat(words, " ")
  end
  return claims
end

---An outcome as workers are told it, in short.
function redis.outcome(text)
  local number, operation, state = text:match "^(%d+)\t([^\t]*)\t([^\t]*)"
  return ("%s:%s%s"):format(number, operation ~= "" and operation .. "=" or "", state)
end

---The group of a run's next turn.
---@param id string
---@param ... table effects
function Worker:turn_of(id, ...)
  local group = { "turn", id, self.turns[id], self.known[id] }
  for _, effect in ipairs { ... } do table.move(effect, 1, #effect, #group + 1, group) end
  return group
end

---A run's next turn, alone in a batch.
---@return string answer "running <outcome>...", "suspended <wake>", "done", "not_owner", "error <message>"
function Worker:turn(id, ...)
  return redis.words(self:ask(0, self:turn_of(id, ...)).groups[1])
end

---An answer in one line.
function redis.words(answer)
  local words = {}
  for i, value in ipairs(answer) do
    words[i] = answer[1] == "running" and i > 1 and redis.outcome(value) or value
  end
  return (table.concat(words, " "):gsub(" $", ""))
end

-- ------------------------------------------------------------------------------------------------
-- Where it is said: the store

---@class Store
---@field now integer the clock, ms
---@field prefix string of its keys
---@field redis table a connection that may do all
---@field caller table the connection of the scripts: its user has the rights of the manual, and no more
local Store = {}
Store.__index = Store

---@param worker string
---@param capacity integer
---@param groups table[]
---@param queues string[]?
function Store:batch(worker, capacity, groups, queues)
  queues = queues or { "*" }
  local words = { "EVALSHA", self.script, 2, self.prefix, self.prefix .. "none", worker, capacity, #queues }
  table.move(queues, 1, #queues, #words + 1, words)
  for _, group in ipairs(groups) do
    words[#words + 1] = group[1]
    words[#words + 1] = #group - 1
    table.move(group, 2, #group, #words + 1, words)
  end
  local reply, message = self.caller:call(table.unpack(words))
  if not reply then error(message, 0) end
  return {
    word = reply[1], now = reply[2], commit = reply[3], groups = reply[4], claims = reply[5],
    due = reply[6],
  }
end

---A command of Redis on this store's keys, given without prefix.
function Store:call(command, key, ...)
  local reply, message = self.redis:call(command, self.prefix .. key, ...)
  if reply == nil then error(message, 2) end
  return reply
end

---Begins an empty dataset.
---@param prefix string of its keys
---@param bare boolean? without a host, and without a workflow
function Store:begin(prefix, bare)
  self.prefix, self.now = prefix, redis.BEGIN
  self:pass(0)
  self:call("HSET", "meta", "hosts", 0) -- else the first number comes from the clock
  self.client = self:worker ""
  if bare then return end
  self.bundle = self:announce { w = {} }
  self.host = self:register "node"
  self.a, self.b = self:worker(self.host .. ".1"), self:worker(self.host .. ".2")
end

---The answer to one group of a client.
function Store:say(...) return self.client:say(...) end

---Let time go by.
---@param ms integer
function Store:pass(ms)
  self.now = self.now + ms
  self:call("SET", "clock", self.now)
end

---A host joins.
---@param node string
---@param threads integer?
---@param queues string? that its workers serve, separated by commas
---@return string host its number
function Store:register(node, threads, queues)
  local answer = self:say("register", node, "boot", "ns", 100, 5, threads or 2, redis.LEASE_MS, "", 16777216,
    queues or "*")
  assert(answer[1] == "registered", answer[1])
  return answer[2]
end

---@param name string "<host>.<thread>", or "" for a client
---@param queues string[]? those it serves
---@return Worker
function Store:worker(name, queues)
  return setmetatable({ store = self, name = name, queues = queues, turns = {}, known = {} }, Worker)
end

---A host says that it is alive, as the first one of an interval.
---@param host string
---@param crashes integer? how many make a run lost
function Store:heartbeat(host, crashes)
  self:call("HDEL", "meta", "rounds_at")
  return self:beat(host, crashes)
end

---A host says that it is alive.
---@param host string
---@param crashes integer? how many make a run lost
function Store:beat(host, crashes)
  return self:worker(host .. ".0"):say("heartbeat", host, redis.LEASE_MS, crashes or 5)
end

---An entry of the registry.
---@param bundle string
---@param fields { queue: string?, priority: integer?, timeout_ms: integer?, retain_ms: integer? }
---@return string JSON
function redis.entry(bundle, fields)
  return json.encode {
    bundle = bundle, queue = fields.queue or "default", priority = fields.priority or 0, timeout_ms = fields.timeout_ms,
    retain_ms = fields.retain_ms or 604800000,
  }
end

---The group that announces a bundle.
---@param workflows table<string, table> name -> { queue, priority, timeout_ms, retain_ms }
---@param sources table<string, string>? by default some that depend on the workflows
---@param how { folder: integer?, announce: boolean?, bundle: string? }?
---@return table group
function Store:announcement(workflows, sources, how)
  how = how or {}
  local ids = sorted_keys.of(workflows)
  sources = sources or { ["all.lua"] = "return '" .. table.concat(ids, " ") .. "'" }
  local paths, texts = sorted_keys.of(sources), {}
  for i, path in ipairs(paths) do texts[i] = ("%q=%q"):format(path, sources[path]) end
  -- as hosts do: the same name for the same sources
  local bundle = how.bundle
    or self.redis:call("EVAL", "return redis.sha1hex(ARGV[1])", 0, table.concat(texts, "\n"))
  local group = { "announce", how.folder or 0, how.announce and "announce" or "", bundle, #paths }
  local function add(value) group[#group + 1] = value end
  for _, path in ipairs(paths) do
    add(path)
    add(sources[path])
  end
  add(#ids)
  for _, id in ipairs(ids) do
    add(id)
    add(redis.entry(bundle, workflows[id]))
  end
  return group
end

---@param workflows table<string, table>
---@param sources table<string, string>?
---@param how { folder: integer?, announce: boolean?, bundle: string? }?
---@return string bundle
function Store:announce(workflows, sources, how)
  local group = self:announcement(workflows, sources, how)
  local answer = self:say(table.unpack(group))
  assert(answer[1] == "announced", answer[2])
  return group[4]
end

---Start a run.
---@param workflow string?
---@param options table?
function Store:start(id, workflow, options)
  local list = {}
  for name, value in pairs(options or {}) do
    list[#list + 1] = name
    list[#list + 1] = value
  end
  return self:say("start", id, workflow or "w", "{}", "7", "1", #list // 2, table.unpack(list))[1]
end

---Sweeps until nothing more is due.
---@return integer looked_at how many runs
function Store:sweep()
  local looked_at = 0
  repeat
    self:pass(20)
    local answer = self:worker(self.host .. ".0"):say "sweep"
    looked_at = looked_at + answer[2]
  until answer[3] == "0"
  return looked_at
end

---All fields of a run, or nil.
---@return table<string, string>?
function Store:run(id)
  local fields, cursor = {}, "0"
  repeat
    local answer = self:say("inspect", id, cursor)
    if answer[1] == "missing" then return nil end
    cursor = answer[2]
    for i = 4, #answer, 2 do fields[answer[i]] = answer[i + 1] end
  until cursor == ""
  return fields
end

---@return string?
function Store:state(id) return (self:run(id) or {}).state end

---When the delayed set wakes a run: ms after redis.BEGIN, "inf", or nil.
function Store:wake(id)
  local score = self:call("ZSCORE", "delayed", id)
  if not score then return nil end
  return score == "inf" and score or math.tointeger(tonumber(score)) - redis.BEGIN
end

---The findings of `weir doctor`, and counts that are wrong.
---@return string[]
function Store:faults()
  local faults = scripts.faults(function(...) return self:say(...) end)
  local miscounts = scripts.miscounts(function(...)
    local reply, message = self.redis:call(...)
    return reply or error(message, 0)
  end, self.prefix)
  return table.move(miscounts, 1, #miscounts, #faults + 1, faults)
end

local READERS = {
  hash = function(self, key) return self.redis:call("HGETALL", key), 2 end,
  zset = function(self, key) return self.redis:call("ZRANGE", key, 0, -1, "WITHSCORES"), 2 end,
  set = function(self, key) return self.redis:call("SMEMBERS", key), 1 end,
  list = function(self, key) return self.redis:call("LRANGE", key, 0, -1), 1 end,
  string = function(self, key) return { self.redis:call("GET", key) }, 1 end,
}

---Everything that is stored, to be compared.
---@return table<string, string>
function Store:dump()
  local all = {}
  for _, key in ipairs(self.redis:call("KEYS", self.prefix:gsub("[%[%]]", "\\%0") .. "*")) do
    local name = key:sub(#self.prefix + 1)
    if name ~= "clock" then
      local list, step = READERS[self.redis:call("TYPE", key)](self, key)
      local members = {}
      for i = 1, #list, step do
        members[#members + 1] = table.concat(list, " = ", i, i + step - 1)
      end
      table.sort(members)
      all[name] = table.concat(members, "\n")
    end
  end
  return all
end

---Asserts that `act` writes nothing, and returns what it returns.
function Store:unchanged(act)
  local before = self:dump()
  local value = act()
  assert(require("luassert").same(before, self:dump()))
  return value
end

---Listens to a channel; the function returned gives the messages that came since.
---@param channel string without prefix
---@return fun(): string[]
function Store:listen(channel)
  local connection = resp.connect(self.server.socket)
  connection:call("SUBSCRIBE", self.prefix .. channel)
  return function()
    local messages, reply = {}, connection:call "PING"
    while reply[1] == "message" do
      messages[#messages + 1] = reply[3]
      reply = connection:read()
    end
    return messages
  end
end

-- ------------------------------------------------------------------------------------------------

---For a `describe`: an empty store for each of its tests, with a host "node" of two workers (`host`,
---`a`, `b`) and, unless told otherwise, a workflow "w" announced.
---@param options { bare: boolean? }?
---@return Store
function redis.store(options)
  local store = setmetatable({}, Store)
  local server, connection, caller, script, count = nil, nil, nil, nil, 0

  busted.setup(function()
    server = support.redis { "--appendonly", "no" }
    connection = resp.connect(server.socket)
    caller = resp.connect(server.socket)
    assert(connection:call("ACL", "SETUSER", redis.USER, "on", ">secret", "allkeys", "allchannels", "+get", -- the clock
      table.unpack(rights.documented())))
    assert(caller:call("AUTH", redis.USER, "secret"))
    script = assert(connection:call("SCRIPT", "LOAD", with_guard(scripts.joined(with_clock))))
  end)

  busted.teardown(function()
    caller:close()
    connection:close()
    server:stop()
  end)

  busted.before_each(function()
    for name in pairs(store) do store[name] = nil end
    count = count + 1
    store.server, store.redis, store.caller, store.script = server, connection, caller, script
    store:begin(("t%d:{0}:"):format(count), options and options.bare)
  end)

  return store
end

return redis
