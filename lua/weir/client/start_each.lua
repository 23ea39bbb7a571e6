-- Starts a run for each line of JSON. It reads the lines as a stream and keeps only a few calls in memory, and a number
-- for each line whose id is made from its text. It sends a call before the replies of earlier calls have come.
--
-- Each id is made from its line, so that the same lines can be sent again: no run is started twice.

local fault = require "weir.client.fault"
local identifier = require "weir.base.identifier"
local json = require "weir.json"
local random = require "weir.base.random"
local redis = require "weir.client.redis"
local strings = require "weir.base.strings"
local transport = require "weir.client.transport"

local start_each = {}

local LINES, BYTES = 250, 256 * 1024 -- in a call, so that none keeps Redis from others for long
local UNDER_WAY = 2 -- calls: Redis executes one while the next waits there
local COMPARED = 50 -- runs whose text differs that are compared in one call

---@class weir.StartEach
---@field started integer
---@field existed integer
---@field refused integer lines whose id belongs to another request
---@field request weir.StartRequest
local StartEach = {}
StartEach.__index = StartEach

-- Raises a fault that speaks of a line.
local function refuse(number, format, ...)
  fault.raise_with("invalid", { line = number }, format, ...)
end

-- Calls a function whose faults speak of a line.
local function for_line(number, check, ...)
  local ok, raised = pcall(check, ...)
  if ok then return end
  if fault.is(raised) then raised.details.line = number end
  error(raised, 0)
end

-- ------------------------------------------------------------------------------------------------
-- Lines

-- Some editors write the byte order mark of UTF-8 before a text. It is no part of JSON.
local function unmarked(text) return (text:gsub("^\xEF\xBB\xBF", "")) end

---Splits text that comes in pieces into lines.
---@param read fun(): string? the next piece, nil at the end
---@param take fun(text: string, number: integer) called with each line that is not blank
---@param rest fun() called when each piece is used up
---@param request weir.StartRequest refuses long lines before they are read to their end
function start_each.lines(read, take, rest, request)
  local parts, size, number = {}, 0, 0
  local function add(part)
    size = size + #part
    parts[#parts + 1] = part
    if size > request:longest() then for_line(number + 1, request.check_size, request, size) end
  end
  local function finish(part)
    local text = part
    if size > 0 then
      add(part)
      text = table.concat(parts)
      parts, size = {}, 0
    end
    number = number + 1
    text = strings.trim(number == 1 and unmarked(text) or text)
    if text ~= "" then take(text, number) end
  end

  for bytes in read do
    local from, to = 1, bytes:find("\n", 1, true)
    while to do
      finish(bytes:sub(from, to - 1))
      from = to + 1
      to = bytes:find("\n", from, true)
    end
    if from <= #bytes then add(bytes:sub(from)) end
    rest()
  end
  if size > 0 then finish("") end
  rest()
end

-- The data of a line, as the workflow accepts it.
function StartEach:decode(text, number)
  local value, message = json.try_decode(text)
  if message then refuse(number, "it is not valid JSON: %s", message) end
  local request = self.request
  if #text > request:longest() then for_line(number, request.check_size, request, #text) end
  for_line(number, request.check_data, value)
  return value
end

-- ------------------------------------------------------------------------------------------------
-- Ids: each maker takes the text of a line, its number and its data

local function id_from_field(field, prefix)
  return function(_, number, value)
    local name = type(value) == "table" and value ~= json.null and not json.is_array(value) and value[field]
    if not name or name == json.null then
      refuse(number, 'it has no field "%s", which --id-from names', field)
    end
    if math.type(name) == "integer" then name = tostring(name) end
    if type(name) ~= "string" then
      refuse(number, 'field "%s", which --id-from names, must be text or an integer', field)
    end
    local id = prefix .. name
    local problem = identifier.fault(id)
    if problem then refuse(number, 'field "%s": id%s', field, problem) end
    return id
  end
end

-- Equal lines are numbered.
local function id_from_text(prefix)
  local seen = {}
  return function(text)
    local digest = random.bits(0, text, 0)
    local times = (seen[digest] or 0) + 1
    seen[digest] = times
    local id = ("%s%016x"):format(prefix, digest)
    return times == 1 and id or id .. "-" .. times
  end
end

local function id_maker(workflow, options)
  local prefix = options.id and options.id .. "-"
  if options.id_from then return id_from_field(options.id_from, prefix or "") end
  if prefix then
    return function(_, number) return prefix .. number end
  end
  return id_from_text(#workflow <= 200 and workflow .. "-" or "")
end

-- ------------------------------------------------------------------------------------------------
-- Calls

local function begin_call(self)
  local request = self.request
  self.group = { "start_each", request.workflow, request.any, #request.options // 2, table.unpack(request.options) }
  self.first = #self.group
  self.lines, self.bytes = {}, 0
end

-- Takes the reply of the oldest call. It lists the lines whose id exists with another workflow or another text.
local function receive(self)
  local call = table.remove(self.under_way, 1)
  local reply = self.pipeline:receive()[4][1]
  if reply[1] == "error" then fault.raise("redis_error", "Redis refused start_each: %s", reply[2]) end
  if reply[1] == "unknown" then
    self:drain()
    self.request:raise_unknown()
  end
  self.started, self.existed = self.started + reply[2], self.existed + reply[3]
  for i = 4, #reply do
    local at = call.first + 3 * reply[i]
    table.insert(self.differing, {
      id = call.group[at + 1], text = call.group[at + 2], number = call.lines[reply[i] + 1],
    })
  end
end

-- Counts the answer for a line whose text differs from the data of the run; both may be the same JSON.
local function count_answer(self, line, reply)
  if reply[1] == "deleting" then reply = redis.start(self.request:group(line.id, line.text)) end
  if reply[1] == "started" then -- the run was deleted in between
    self.started = self.started + 1
    return
  end
  local ok, raised = pcall(self.request.check_same, self.request, line.id, json.decode(line.text), reply)
  if ok then
    self.existed = self.existed + 1
    return
  end
  if not fault.is(raised) then error(raised, 0) end
  raised.details.line = line.number
  self.refused = self.refused + 1
  self.on_refused(raised)
end

local function compare(self)
  self:drain()
  local differing, groups = self.differing, {}
  self.differing = {}
  for i, line in ipairs(differing) do
    groups[#groups + 1] = self.request:group(line.id, line.text)
    if #groups == COMPARED or i == #differing then
      for j, reply in ipairs(redis.call(table.unpack(groups))) do
        count_answer(self, differing[i - #groups + j], reply)
      end
      groups = {}
    end
  end
end

---Sends the lines that were added and not sent yet.
function StartEach:flush()
  if #self.lines == 0 then return end
  if #self.under_way == UNDER_WAY then receive(self) end
  self.pipeline:send(self.group)
  table.insert(self.under_way, { group = self.group, first = self.first, lines = self.lines })
  begin_call(self)
  if #self.differing >= COMPARED then compare(self) end
end

---Waits for the replies that are under way.
function StartEach:drain()
  while self.under_way[1] do receive(self) end
end

---Waits for all replies; then the counts are those of all lines.
function StartEach:finish()
  self:flush()
  compare(self)
end

---Checks a line without starting a run.
---@param text string
---@param number integer
function StartEach:check(text, number)
  local value = self:decode(text, number)
  if self.checks_ids then self.make_id(text, number, value) end
end

---Starts the run of a line, once its call is full or at the next `flush`.
---@param text string
---@param number integer
function StartEach:add(text, number)
  local id = self.make_id(text, number, self:decode(text, number))
  local group, at = self.group, #self.group
  group[at + 1], group[at + 2], group[at + 3] = id, text, transport.random()
  self.lines[#self.lines + 1] = number
  self.bytes = self.bytes + #text
  if #self.lines >= LINES or self.bytes >= BYTES then self:flush() end
end

---@param request weir.StartRequest
---@param options { id: string?, id_from: string? } id: a prefix of all ids; id_from: the field that holds the id
---@param on_refused fun(raised: weir.ClientFault) told of each line whose id belongs to another request
---@return weir.StartEach
function start_each.new(request, options, on_refused)
  local problem = options.id and identifier.fault(options.id)
  if problem then fault.option("id", "%s", problem:sub(2)) end
  local self = setmetatable({
    request = request, make_id = id_maker(request.workflow, options), checks_ids = options.id_from ~= nil,
    on_refused = on_refused, pipeline = transport.pipeline(), under_way = {}, differing = {},
    started = 0, existed = 0, refused = 0,
  }, StartEach)
  begin_call(self)
  return self
end

return start_each
