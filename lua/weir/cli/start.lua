-- `weir start`, and the start of the one run of `weir run`: what was asked for is checked here, before
-- anything is written, against what the hosts have announced.

local client = require "weir.native.client"
local host = require "weir.native.host"
local identifier = require "weir.base.identifier"
local json = require "weir.json"
local nearest = require "weir.base.suggest"
local output = require "weir.cli.output"
local schema = require "weir.define.schema"
local store = require "weir.client.redis"
local strings = require "weir.base.strings"
local terminal = require "weir.view.terminal"

local start = {}

start.PAYLOAD_BYTES = 16 * 1024 * 1024
local PAYLOAD_BYTES = start.PAYLOAD_BYTES

-- ------------------------------------------------------------------------------------------------
-- What was asked for

---Text without the mark of UTF-8 that some editors put before it: it is no part of JSON.
---@param text string
---@return string
function start.unmarked(text) return (text:gsub("^\xEF\xBB\xBF", "")) end

local function decode(text, origin, hint)
  text = strings.trim(start.unmarked(text))
  if #text > PAYLOAD_BYTES then
    store.fault(store.USAGE, "payload_too_large: %s has %d bytes; %d are allowed", origin, #text, PAYLOAD_BYTES)
  end
  if text == "" then store.fault(store.USAGE, "%s is empty; JSON is wanted, at least {}", origin) end
  local value, message = json.try_decode(text)
  if message then store.fault(store.USAGE, "%s is no JSON: %s%s", origin, message, hint or "") end
  return text, value
end

---What is in a file.
---@param path string or -
---@return string text
---@return any value
function start.read(path) return decode(client.read(path), path == "-" and "stdin" or path) end

---@param given string? JSON, @FILE or -
---@return string text
---@return any value
local function read_data(given)
  if not given then return "{}", {} end
  local path = given == "-" and "-" or given:match("^@(.+)$")
  if path then return start.read(path) end
  return decode(given, "--data", given:find("^[%w_./-]+%.json$") and ("; a file is given as --data @%s"):format(given)
    or [[; quote it for the shell: --data '{"key":"value"}']])
end

local DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"

---Short enough to be read out, long enough that no two runs ever get the same.
---@param workflow string
---@return string
function start.make_id(workflow)
  local bits, digits = host.seed(), {}
  for i = 1, 12 do
    local digit = bits & 31
    digits[i] = DIGITS:sub(digit + 1, digit + 1)
    bits = bits >> 5
  end
  local id = table.concat(digits)
  return #workflow <= 200 and workflow .. "-" .. id or id
end

local function check_name(flag, value)
  local fault = value and identifier.fault(value)
  if fault then store.fault(store.USAGE, "%s%s", flag, fault) end
end

local function read_tags(list)
  local tags = store.tags(list)
  return tags and json.encode(tags)
end

-- ------------------------------------------------------------------------------------------------
-- What the hosts have announced

---No host has announced this workflow: say which was meant.
---@param folder string? the only one that could have it
local function unknown_workflow(workflow, registry, folder)
  local names = identifier.not_own(registry)
  if #names == 0 and folder then
    store.fault(store.NO_INPUT, 'no workflow "%s": the files in %s return none; name another folder with --dir DIR',
      workflow, folder)
  elseif #names == 0 then
    store.fault(store.NO_INPUT, 'no workflow "%s": no host has announced any; start one with weir serve DIR', workflow)
  end
  local near = nearest.find(workflow, names)
  if near then
    store.fault(store.NO_INPUT, 'no workflow "%s"; did you mean "%s"?', workflow, near)
  end
  local more = #names > 8 and (" and %d more"):format(#names - 8) or ""
  store.fault(store.NO_INPUT, 'no workflow "%s"; there are %s%s%s', workflow,
    table.concat(names, ", ", 1, math.min(#names, 8)), more, folder and "" or " (--any starts it all the same)")
end

-- Says what is wrong with data of this workflow.
---@return fun(value: any): string?
local function checker(workflow, entry)
  local validate = entry and entry.schema and schema.compile(json.decode(entry.schema))
  return function(value)
    local violations = validate and validate(value)
    if not violations then return nil end
    local lines = {}
    for i, violation in ipairs(violations) do
      lines[i] = (violation.path ~= "" and violation.path .. ": " or "") .. violation.message
    end
    return ('invalid_data: data of workflow "%s" is not valid: %s'):format(workflow, table.concat(lines, "; "))
  end
end

-- Its file is gone from the folders: what Redis keeps of it is run all the same.
local function warn_of_bundle(workflow, entry, hosts, now)
  for _, one in ipairs(hosts) do
    if store.is_alive(one, now) and one.bundles[entry.bundle] then return end
  end
  output.warn('no host that is alive has workflow "%s" in its folder as it was announced last; the run gets that code '
    .. "(bundle %s), which Redis keeps", workflow, entry.bundle:sub(1, 16))
end

local function warn_of_queue(queue, hosts, now)
  if store.serves(hosts, now, queue) then return end
  if not store.any_alive(hosts, now) then
    output.warn("no host is alive; the run waits until one is (weir serve DIR)")
  else
    output.warn('no host serves queue "%s"; the run waits until one does (weir serve --queues %s)', queue, queue)
  end
end

-- ------------------------------------------------------------------------------------------------
-- The same again

---What sets a run that is there apart from the one that is asked for; nil when it is the same.
---@param asked weir.Asked
---@param id string
---@param value any its data
---@param reply table of `start`: exists workflow data
---@return string? fault
function start.difference(asked, id, value, reply)
  local there, data = reply[2], reply[3]
  local difference
  if there ~= asked.workflow then
    difference = ('another workflow, "%s"'):format(there)
  elseif not json.same(value, json.decode(data)) then
    difference = "other data"
  else
    return nil
  end
  return ('duplicate_id: there is a run "%s" already, of %s; see weir show %s, or take another --id'):format(id,
    difference, id)
end

-- ------------------------------------------------------------------------------------------------
-- Start

---What was asked for of one run, or of many alike.
---@class weir.Asked
---@field workflow string
---@field registry table<string, weir.RegisteredWorkflow>
---@field queue string? that was asked for
---@field any "1"|""
---@field folder string? of `weir run`: nothing else is served
---@field check fun(value: any): string? says what is wrong with data
---@field options string[] name, value, … as `start` takes them
local Asked = {}
Asked.__index = Asked

local WITHIN_MS = 60 * 60 * 1000

local function check_key(options)
  if options.within_ms and not options.dedupe then
    store.fault(store.USAGE, "--within says how long a key counts: it goes with --dedupe KEY")
  end
  local fault = options.dedupe and identifier.key_fault(options.dedupe)
  if fault then store.fault(store.USAGE, "--dedupe%s", fault) end
end

---Checks what is the same for all runs that a command starts, and warns of what will make them wait.
---@param workflow string
---@param options table of the command
---@param folder string?
---@return weir.Asked
function start.ask(workflow, options, folder)
  check_name("workflow", workflow)
  check_name("--id", options.id)
  local fault = options.queue and identifier.queue_fault(options.queue)
  if fault then store.fault(store.USAGE, "--queue%s", fault) end
  check_key(options)

  local registry = store.registry()
  local entry = registry[workflow]
  local asked = setmetatable({
    workflow = workflow, registry = registry, queue = options.queue, any = options.any and "1" or "", folder = folder,
    check = checker(workflow, entry), options = {},
  }, Asked)
  if not entry and not options.any then asked:refuse() end
  asked:set("queue", options.queue)
  asked:set("priority", options.priority)
  asked:set("delay_ms", options.delay_ms)
  asked:set("tags", read_tags(options.tag))
  if options.dedupe then
    asked:set("dedupe", options.dedupe)
    asked:set("within_ms", options.within_ms or WITHIN_MS)
  end
  return asked
end

function Asked:set(name, value)
  local list = self.options
  if value ~= nil then list[#list + 1], list[#list + 2] = name, value end
end

---Nobody knows the workflow (any more).
function Asked:refuse() unknown_workflow(self.workflow, store.registry(), self.folder) end

---Says what will make the runs wait.
function Asked:warn()
  local entry = self.registry[self.workflow]
  local hosts, now = store.hosts()
  if entry or self.queue then
    warn_of_queue(self.queue or entry.queue, hosts, now)
    if entry and store.any_alive(hosts, now) and not identifier.is_own(self.workflow) then
      warn_of_bundle(self.workflow, entry, hosts, now)
    end
  else
    output.warn('no host knows workflow "%s"; the run waits until one announces it', self.workflow)
  end
end

---The group that starts one of them.
---@return (string|integer)[]
function Asked:group(id, text)
  return { "start", id, self.workflow, text, host.seed(), self.any, #self.options // 2, table.unpack(self.options) }
end

---Starts one of them, or finds the one that was started so before, or that stands for it.
---@param id string
---@param text string
---@param value any
---@return string id
function Asked:start(id, text, value)
  local fault = self.check(value)
  if fault then store.fault(store.USAGE, "%s", fault) end
  local reply = store.start(self:group(id, text))
  if reply[1] == "unknown" then self:refuse() end
  if reply[1] == "earlier" then
    output.say(("weir: %s was started with that key before; no other was started"):format(terminal.plain(reply[2])))
    return reply[2]
  end
  fault = reply[1] == "exists" and start.difference(self, id, value, reply)
  if fault then store.fault(store.USAGE, "%s", fault) end
  if reply[1] == "started" then self:warn() end
  return id
end

---Starts the run that a command names.
---@param workflow string
---@param options table of the command
---@param folder string?
---@return string id
function start.run(workflow, options, folder)
  check_name("workflow", workflow)
  local text, value = read_data(options.data)
  return start.ask(workflow, options, folder):start(options.id or start.make_id(workflow), text, value)
end

return start
