-- Starts runs. A request is checked against the registry before Redis writes anything; then it starts one run or many.

local defaults = require "weir.define.defaults"
local fault = require "weir.client.fault"
local hosts = require "weir.client.hosts"
local identifier = require "weir.base.identifier"
local json = require "weir.json"
local redis = require "weir.client.redis"
local selector = require "weir.client.selector"
local suggest = require "weir.base.suggest"
local transport = require "weir.client.transport"

local start = {}

local DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"

---Makes an id of 60 random bits: short enough to be read out, and unique.
---@param workflow string
---@return string
function start.make_id(workflow)
  local bits, digits = transport.random(), {}
  for i = 1, 12 do
    local digit = bits & 31
    digits[i] = DIGITS:sub(digit + 1, digit + 1)
    bits = bits >> 5
  end
  local id = table.concat(digits)
  return #workflow <= 200 and workflow .. "-" .. id or id
end

-- ------------------------------------------------------------------------------------------------
-- Checking the request

local function check_workflow_name(workflow)
  local problem = identifier.fault(workflow)
  if problem then fault.raise("invalid", "workflow%s", problem) end
end

-- The sentences of `identifier` begin with a blank.
local function check_option(option, problem)
  if problem then fault.option(option, "%s", problem:sub(2)) end
end

-- No host has announced the workflow.
---@param folder string? the only one that could define it
local function unknown_workflow(workflow, registry, folder)
  local names = identifier.not_own(registry)
  local details = { workflow = workflow }
  local function raise(format, ...) fault.raise_with("unknown_workflow", details, format, ...) end
  if #names == 0 and folder then
    raise('no workflow "%s": no file in %s defines a workflow; name another folder with --dir DIR', workflow, folder)
  elseif #names == 0 then
    raise('no workflow "%s": no host has announced any; start one with weir serve DIR', workflow)
  end
  details.nearest = suggest.find(workflow, names)
  if details.nearest then raise('no workflow "%s"; did you mean "%s"?', workflow, details.nearest) end
  local more = #names > 8 and (" and %d more"):format(#names - 8) or ""
  raise('no workflow "%s"; there are %s%s%s', workflow, table.concat(names, ", ", 1, math.min(#names, 8)), more,
    folder and "" or " (--any starts it anyway)")
end

-- Compiles the schema of a workflow to a function that raises `invalid_data`.
local function data_checker(workflow, entry)
  local validate = entry and entry.schema and require("weir.define.schema").compile(json.decode(entry.schema))
  return function(value)
    local faults = validate and validate(value)
    if not faults then return end
    fault.raise_with("invalid_data", { workflow = workflow, errors = faults }, "%s",
      require("weir.define.violations").sentence(workflow, faults))
  end
end

---@class weir.StartOptions
---@field queue string?
---@field priority integer?
---@field delay_ms integer?
---@field tag string[]? of KEY=VALUE
---@field dedupe string?
---@field within_ms integer? how long a dedupe key counts
---@field any boolean? start a workflow that no host has announced
---@field folder string? the only folder that is served, as by `weir run`

---A checked request to start a run, or many runs with the same options.
---@class weir.StartRequest
---@field workflow string
---@field registry table<string, weir.RegisteredWorkflow>
---@field queue string? nil: the workflow's own
---@field any "1"|""
---@field folder string?
---@field check_data fun(value: any) raises `invalid_data`
---@field strictest weir.HostEntry? the host that accepts the smallest payloads
---@field options (string|integer)[] name, value, … as the script reads them
local Request = {}
Request.__index = Request

local REDIS_BYTES = 512 * 1024 * 1024 -- of one value

local function check_dedupe(options)
  if options.within_ms and not options.dedupe then
    fault.option("within", "says how long a key counts: it needs --dedupe KEY")
  end
  if options.dedupe then check_option("dedupe", identifier.key_fault(options.dedupe)) end
end

---Checks a request, except for ids and data.
---@param workflow string
---@param options weir.StartOptions
---@return weir.StartRequest
function start.request(workflow, options)
  check_workflow_name(workflow)
  if options.queue then check_option("queue", identifier.queue_fault(options.queue)) end
  check_dedupe(options)
  local tags = selector.tags(options.tag)

  local registry = redis.registry()
  local entry = registry[workflow]
  local request = setmetatable({
    workflow = workflow, registry = registry, queue = options.queue, any = options.any and "1" or "",
    folder = options.folder, check_data = data_checker(workflow, entry), options = {},
  }, Request)
  if not entry and not options.any then request:raise_unknown() end
  local list, now = redis.hosts()
  request.strictest = hosts.strictest(list, now, options.queue or entry and entry.queue or defaults.queue)
  request:set("queue", options.queue)
  request:set("priority", options.priority)
  request:set("delay_ms", options.delay_ms)
  request:set("tags", tags and json.encode(tags))
  if options.dedupe then
    request:set("dedupe", options.dedupe)
    request:set("within_ms", options.within_ms or defaults.dedupe_within_ms)
  end
  return request
end

function Request:set(name, value)
  local list = self.options
  if value ~= nil then list[#list + 1], list[#list + 2] = name, value end
end

---Raises that no host has announced the workflow, or that no host knows it any more.
function Request:raise_unknown() unknown_workflow(self.workflow, redis.registry(), self.folder) end

-- ------------------------------------------------------------------------------------------------
-- Warnings

local function queue_warning(queue, list, now)
  if hosts.serve(list, now, queue) then return nil end
  if not hosts.any_alive(list, now) then return "no host is alive; the run waits until one is (weir serve DIR)" end
  return ('no host serves queue "%s"; the run waits until one does (weir serve --queues %s)'):format(queue, queue)
end

-- The workflow's file is no longer in the folder of any host, but Redis keeps its code.
local function bundle_warning(workflow, entry, list, now)
  if identifier.is_own(workflow) or not hosts.any_alive(list, now) then return nil end
  for _, host in ipairs(list) do
    if hosts.is_alive(host, now) and host.bundles[entry.bundle] then return nil end
  end
  return ('no host that is alive has workflow "%s" in its folder as it was announced last; the run gets that code '
    .. "(bundle %s), which Redis keeps"):format(workflow, entry.bundle:sub(1, 16))
end

---Warns of each reason for which the runs may wait, and of other facts that users do not expect.
---@return string[] sentences
function Request:warnings()
  local entry = self.registry[self.workflow]
  if not entry and not self.queue then
    return { ('no host knows workflow "%s"; the run waits until one announces it'):format(self.workflow) }
  end
  local list, now = redis.hosts()
  local warnings = {}
  warnings[1] = queue_warning(self.queue or entry.queue, list, now)
  warnings[#warnings + 1] = entry and bundle_warning(self.workflow, entry, list, now) or nil
  return warnings
end

-- ------------------------------------------------------------------------------------------------
-- Starting

---The size of the largest data that is accepted, in bytes.
---@return integer
function Request:longest() return self.strictest and self.strictest.max_payload or REDIS_BYTES end

---Refuses data that a host which may get the run does not accept.
---@param size integer bytes, or those read so far
function Request:check_size(size)
  if size <= self:longest() then return end
  local who = self.strictest and ("host %s accepts (--max-payload)"):format(self.strictest.node) or "Redis accepts"
  fault.raise_with("payload_too_large", { workflow = self.workflow, limit = self:longest() },
    "the data is larger than the %d bytes that %s", self:longest(), who)
end

---The group that starts one run.
---@param id string
---@param text string its data
---@return (string|integer)[]
function Request:group(id, text)
  return { "start", id, self.workflow, text, transport.random(), self.any, #self.options // 2,
           table.unpack(self.options) }
end

---Refuses a run whose id belongs to another request.
---@param id string
---@param value any the data asked for
---@param reply table of `start`: exists workflow data
function Request:check_same(id, value, reply)
  local workflow, data = reply[2], reply[3]
  local difference
  if workflow ~= self.workflow then
    difference = ('another workflow, "%s"'):format(workflow)
  elseif not json.same(value, json.decode(data)) then
    difference = "other data"
  else
    return
  end
  fault.raise_with("duplicate_id", { run = id },
    'there is a run "%s" already, of %s; see weir show %s, or take another --id', id, difference, id)
end

---@class weir.Started
---@field id string of the run
---@field outcome "started"|"exists"|"shared" exists: the same request started it before; shared: it has the dedupe key
---@field warnings string[]

---Starts a run, or finds the one that the same request started before or that has its dedupe key.
---@param id string?
---@param text string its data
---@param value any the same, decoded
---@return weir.Started
function Request:start(id, text, value)
  if id then check_option("id", identifier.fault(id)) end
  id = id or start.make_id(self.workflow)
  self:check_size(#text)
  self.check_data(value)
  local reply = redis.start(self:group(id, text))
  if reply[1] == "unknown" then self:raise_unknown() end
  if reply[1] == "deduplicated" then return { id = reply[2], outcome = "shared", warnings = {} } end
  if reply[1] == "started" then return { id = id, outcome = "started", warnings = self:warnings() } end
  self:check_same(id, value, reply)
  return { id = id, outcome = "exists", warnings = {} }
end

return start
