-- `weir start WORKFLOW --each FILE|-`: one run for each line of JSON. The lines stream by: what is in memory is a few
-- calls, and a number for each line whose id is made of its text. Calls are made while replies are under way.
--
-- Ids follow from the lines, so that the same file sent again starts nothing twice: a command that was
-- interrupted, or that stopped at a bad line, is given once more.

local chance = require "weir.base.random"
local client = require "weir.native.client"
local host = require "weir.native.host"
local identifier = require "weir.base.identifier"
local json = require "weir.json"
local output = require "weir.cli.output"
local start = require "weir.cli.start"
local store = require "weir.client.redis"
local strings = require "weir.base.strings"
local terminal = require "weir.view.terminal"

local each = {}

local LINES, BYTES = 250, 256 * 1024 -- of a call, so that none keeps Redis from others for long
local UNDER_WAY = 2 -- Redis works at one and has the next
local COMPARED = 50 -- runs that are there otherwise, before they are looked at
local TOLD = 10 -- lines refused that are told one by one
local FRAME_MS = 100
local BAR = 24

local Each = {}
Each.__index = Each

-- ------------------------------------------------------------------------------------------------
-- Lines

-- Gives `take` every line that is not blank, with its number, and calls `rest` when what there was to read is used up.
local function each_line(self, take, rest)
  local parts, size, number = {}, 0, 0
  local function add(part)
    size = size + #part
    parts[#parts + 1] = part
    if size > start.PAYLOAD_BYTES then
      self:refuse(number + 1, ("payload_too_large: it has more than the %d bytes that are allowed"):format(
        start.PAYLOAD_BYTES))
    end
  end
  local function finish(part)
    local text = part
    if size > 0 then
      add(part)
      text = table.concat(parts)
      parts, size = {}, 0
    end
    number = number + 1
    text = strings.trim(number == 1 and start.unmarked(text) or text)
    if text ~= "" then take(text, number) end
  end

  for bytes in client.more do
    self.read = self.read + #bytes
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

function Each:refuse(number, fault)
  store.fault(store.USAGE, "line %d of %s: %s", number, self.origin, fault)
end

-- The data of a line, which has to be such as the workflow takes.
function Each:decode(text, number)
  if #text > start.PAYLOAD_BYTES then
    self:refuse(number, ("payload_too_large: it has %d bytes; %d are allowed"):format(#text, start.PAYLOAD_BYTES))
  end
  local value, message = json.try_decode(text)
  if message then self:refuse(number, "it is no JSON: " .. message) end
  local fault = self.asked.check(value)
  if fault then self:refuse(number, fault) end
  return value
end

-- ------------------------------------------------------------------------------------------------
-- Ids

-- Each maker takes the text of a line, its number and its data.
local function id_from_field(self, field, prefix)
  return function(_, number, value)
    local found = type(value) == "table" and value ~= json.null and not json.is_array(value) and value[field]
    if not found or found == json.null then
      self:refuse(number, ('it has no field "%s" to make an id of (--id-from)'):format(field))
    end
    if math.type(found) == "integer" then found = tostring(found) end
    if type(found) ~= "string" then
      self:refuse(number, ('field "%s" must be text or an integer to make an id of (--id-from)'):format(field))
    end
    local id = prefix .. found
    local fault = identifier.fault(id)
    if fault then self:refuse(number, ('field "%s": id%s'):format(field, fault)) end
    return id
  end
end

-- Equal lines are numbered.
local function id_from_text(prefix)
  local seen = {}
  return function(text)
    local digest = chance.bits(0, text, 0)
    local times = (seen[digest] or 0) + 1
    seen[digest] = times
    local id = ("%s%016x"):format(prefix, digest)
    return times == 1 and id or id .. "-" .. times
  end
end

local function id_maker(self, workflow, options)
  local prefix = options.id and options.id .. "-"
  if options.id_from then return id_from_field(self, options.id_from, prefix or "") end
  if prefix then
    return function(_, number) return prefix .. number end
  end
  return id_from_text(#workflow <= 200 and workflow .. "-" or "")
end

-- ------------------------------------------------------------------------------------------------
-- Calls

function Each:begin_call()
  local asked = self.asked
  self.group = { "start_each", asked.workflow, asked.any, #asked.options // 2, table.unpack(asked.options) }
  self.first = #self.group
  self.lines, self.bytes = {}, 0
end

function Each:add(id, text, number)
  local group, at = self.group, #self.group
  group[at + 1], group[at + 2], group[at + 3] = id, text, host.seed()
  self.lines[#self.lines + 1] = number
  self.bytes = self.bytes + #text
  if #self.lines >= LINES or self.bytes >= BYTES then self:send() end
end

function Each:send()
  if #self.lines == 0 then return end
  if #self.under_way == UNDER_WAY then self:receive() end
  client.send(self.group)
  table.insert(self.under_way, { group = self.group, first = self.first, lines = self.lines })
  self:begin_call()
  if #self.otherwise >= COMPARED then self:compare() end
end

function Each:receive()
  local call = table.remove(self.under_way, 1)
  local reply = client.receive()[4][1]
  if reply[1] == "error" then store.fault(store.SOFTWARE, "Redis refused start_each: %s", reply[2]) end
  if reply[1] == "unknown" then
    self:drain()
    self.asked:refuse()
  end
  self.started, self.existed = self.started + reply[2], self.existed + reply[3]
  for i = 4, #reply do
    local at = call.first + 3 * reply[i]
    table.insert(self.otherwise, {
      id = call.group[at + 1], text = call.group[at + 2], number = call.lines[reply[i] + 1],
    })
  end
end

function Each:drain()
  while self.under_way[1] do self:receive() end
end

-- Lines whose id is there with another workflow or text: as JSON they may still be the same.
function Each:compare()
  self:drain()
  local otherwise, groups = self.otherwise, {}
  self.otherwise = {}
  for i, line in ipairs(otherwise) do
    groups[#groups + 1] = self.asked:group(line.id, line.text)
    if #groups == COMPARED or i == #otherwise then
      for j, reply in ipairs(store.call(table.unpack(groups))) do self:note(otherwise[i - #groups + j], reply) end
      groups = {}
    end
  end
end

function Each:note(line, reply)
  if reply[1] == "deleting" then reply = store.start(self.asked:group(line.id, line.text)) end
  if reply[1] == "started" then -- it was deleted in between
    self.started = self.started + 1
    return
  end
  local fault = start.difference(self.asked, line.id, json.decode(line.text), reply)
  if not fault then
    self.existed = self.existed + 1
    return
  end
  self.refused = self.refused + 1
  if self.refused <= TOLD then output.complain("line %d of %s: %s", line.number, self.origin, fault) end
end

-- ------------------------------------------------------------------------------------------------
-- What is said

function Each:show(what, lines)
  local now = client.now_ms()
  if not self.live or now - self.shown_at < FRAME_MS then return end
  self.shown_at = now
  local seconds = math.max(now - self.began_at, 1) / 1000
  local text = ("%s %s  %s/s"):format(what, terminal.count(lines, "line"),
    terminal.number(math.floor(lines / seconds)))
  if self.size and self.size > 0 then text = terminal.bar(self.read / self.size, BAR) .. "  " .. text end
  client.show(terminal.clip(text, output.style_of_messages().columns - 1) .. "\27[K\n")
end

function Each:summary()
  local words = { "started " .. terminal.number(self.started) }
  if self.existed > 0 then
    words[2] = ("%s %s there already"):format(terminal.number(self.existed), self.existed == 1 and "was" or "were")
  end
  if self.refused > 0 then words[#words + 1] = terminal.number(self.refused) .. " refused" end
  return table.concat(words, ", ")
end

function Each:print_counts()
  output.print(json.encode { started = self.started, existed = self.existed, refused = self.refused })
end

-- ------------------------------------------------------------------------------------------------
-- All of it

-- Reads all of it, so that a bad line is found before anything is started.
local function check_all(self, options)
  local make_id, lines = options.id_from and id_maker(self, self.asked.workflow, options), 0
  each_line(self, function(text, number)
    local value = self:decode(text, number)
    if make_id then make_id(text, number, value) end
    lines = lines + 1
  end, function() self:show("checked", lines) end)
end

local function start_all(self, options)
  local make_id, lines = id_maker(self, self.asked.workflow, options), 0
  self:begin_call()
  each_line(self, function(text, number)
    self:add(make_id(text, number, self:decode(text, number)), text, number)
    lines = lines + 1
  end, function()
    self:send()
    if not self.size then self:drain() end -- the next line may be long in coming
    self:show("sent", lines)
  end)
  self:compare()
end

local function open(self, path)
  self.size = client.open(path)
  self.read, self.began_at, self.shown_at = 0, client.now_ms(), 0
end

-- What was good before it stopped is started, and told; to go on is to give the command again.
local function stop(self, fault, as_json)
  if type(fault) ~= "table" then error(fault, 0) end
  if fault.status == store.USAGE then
    self:send()
    self:compare()
  end
  if as_json then self:print_counts() end
  store.fault(fault.status, "%s; %s by then, sent again they are not started twice", fault.message, self:summary())
end

local REFUSED = {
  wait = "--wait is for one run", data = "--data is for one run", dedupe = "--dedupe is for one run",
}

---Starts a run for each line, and says how many there were.
---@param workflow string
---@param options table of the command
---@return integer status
function each.run(workflow, options)
  for name, fault in pairs(REFUSED) do
    if options[name] then store.fault(store.USAGE, "%s; with --each every line starts one", fault) end
  end
  client.heed_interrupts()
  local self = setmetatable({
    origin = options.each == "-" and "stdin" or options.each, live = output.is_live(), under_way = {}, otherwise = {},
    started = 0, existed = 0, refused = 0,
  }, Each)
  open(self, options.each)
  self.asked = start.ask(workflow, options)
  if self.size then
    check_all(self, options)
    open(self, options.each)
  end

  local ok, fault = pcall(start_all, self, options)
  if self.live then client.show() end
  if not ok then stop(self, fault, options.json) end
  if self.started > 0 then self.asked:warn() end
  if self.refused > TOLD then output.complain("and %s more", terminal.number(self.refused - TOLD)) end
  output.say(self:summary())
  if options.json then self:print_counts() end
  return self.refused > 0 and store.USAGE or 0
end

return each
