-- The effects of a run: what it asks Redis (or the driver in memory) to do, in order, in turns of bounded size.
--
-- Invariants: effects that depend on a speculated outcome are sent in the turn that declares it; suspend, retry,
-- complete and fail are the last effect of a turn; effects added between `join` and `separate` are never split.

local effects = {}
effects.__index = effects

---The arguments of each effect, in the order in which they are sent. This is the only place that knows the order:
---`add`, `patch` and the readers below go by names. Redis reads them in the same order (redis-scripts/effects/).
---`options` come last, as their count and then name, value, name, value …; only those that are given.
---A `list` comes last, as its count and then its items.
---@type table<string, { options: string[]?, list: string?, [integer]: string }>
effects.LAYOUT = {
  detach = { "child" },
  reset_done = {},
  cancel = { "child", "message", "terminate" },
  complete = { "result" },
  deps = { "operation", "entry", list = "keys" },
  fail = { "state", "error", "redo" },
  reset = { "operation", "mark" },
  graph = { "shape" },
  invoke = {
    "operation", "entry", "child", "workflow", "data", "seed", "max_depth", "unknown", "bundle", "result",
    options = {
      "queue", "priority", "delay_ms", "retry", "detached", "deps", "next_generation", "dedupe", "within_ms",
    },
  },
  record = { "operation", "entry" },
  resolve = { "operation", "state", "attempts", "value", "entry" },
  retry = { "delay_ms", "error" },
  suspend = { "wake", "wake_in" },
  progress = { "progress" },
  tag = { "tags" },
  took = { "ms" },
}

---The header of a turn that depends on speculated outcomes; it comes before the effects.
effects.HEADER = { "speculate", "number", "at", "count" }

local LAYOUT, HEADER = effects.LAYOUT, effects.HEADER

-- Arguments that are payloads, or may be as long as one.
local PAYLOADS = {
  graph = { "shape" }, invoke = { "data", "deps", "result" }, record = { "entry" }, resolve = { "value" },
}

local OFFSETS = {} -- effect -> argument -> its distance from the name in the list
for name, layout in pairs(LAYOUT) do
  OFFSETS[name] = {}
  for i, field in ipairs(layout) do OFFSETS[name][field] = i end
end

---@class weir.Effects
---@field list (string|integer)[] the effects that were not sent, flat
---@field first integer[] the position in `list` at which each of them begins
---@field bytes_of table<integer, integer> payload bytes of each of them, if any
---@field bytes integer payload bytes of all that were not sent
---@field sent integer the number of effects in `first` that earlier turns sent
---@field min_effects integer the next turn sends at least this many: up to the last one with a speculated outcome
---@field joining boolean whether the next effect goes in the same turn as the one before it
---@field joined table<integer, true> effects that go in the same turn as the one before them
---@field speculated integer the number of outcomes on which this turn speculates
---@field speculated_after integer? the number before those of the speculated outcomes
---@field speculated_at integer? the instant at which they count as recorded, ms
---@field uncertain boolean whether effects of this turn bring outcomes whose numbers only Redis knows
---@field closed boolean whether the last effect ends the turn
---@field turns integer the number of turns that were sent
---@field split_from integer the turn that sent the first part, if the effects of one turn went in several

---@return weir.Effects
function effects.new()
  return setmetatable({
    list = {}, first = {}, bytes_of = {}, bytes = 0, sent = 0, min_effects = 0, joining = false, joined = {},
    speculated = 0, uncertain = false, closed = false, turns = 0, split_from = 0,
  }, effects)
end

local NONE = {}

-- Their count, then name, value …
local function add_options(list, at, names, fields)
  local last = at
  list[at] = 0
  for i = 1, #names do
    local value = fields[names[i]]
    if value ~= nil then
      list[last + 1], list[last + 2] = names[i], value
      last = last + 2
    end
  end
  list[at] = (last - at) // 2
end

local function weigh(self, handle, text)
  if text == nil then return end
  self.bytes_of[handle] = (self.bytes_of[handle] or 0) + #text
  self.bytes = self.bytes + #text
end

---Adds an effect to this turn.
---@param name string
---@param fields table<string, any>? its arguments by name; one that is missing is sent as ""
---@return integer handle for `patch` and `speculate`, until the turn is taken
function effects:add(name, fields)
  fields = fields or NONE
  local list, layout, handle = self.list, LAYOUT[name], #self.first + 1
  local first = #list + 1
  self.first[handle] = first
  if self.joining then self.joined[handle] = true end
  list[first] = name
  for i = 1, #layout do
    local value = fields[layout[i]]
    if value == nil then value = "" end
    list[first + i] = value
  end
  if layout.options then
    add_options(list, first + #layout + 1, layout.options, fields)
  elseif layout.list then
    local items = fields[layout.list]
    list[first + #layout + 1] = #items
    table.move(items, 1, #items, first + #layout + 2, list)
  end
  local payloads = PAYLOADS[name]
  if payloads then
    for i = 1, #payloads do weigh(self, handle, fields[payloads[i]]) end
  end
  return handle
end

---Sets an argument of an effect that was added in this turn.
---@param handle integer
---@param field string
---@param value string|integer
function effects:patch(handle, field, value)
  local at = self.first[handle]
  local name = self.list[at]
  self.list[at + OFFSETS[name][field]] = value
  for _, payload in ipairs(PAYLOADS[name] or NONE) do
    if payload == field then weigh(self, handle, value) end
  end
end

---Effects that are added from now on go in the same turn as the last one, until `separate`.
function effects:join() self.joining = true end

function effects:separate() self.joining = false end

---Takes back the last effect.
---@param name string of that effect; it has no payload
function effects:take_back(name)
  local first = table.remove(self.first)
  assert(self.list[first] == name, name)
  for at = #self.list, first, -1 do self.list[at] = nil end
end

---Takes back all effects.
---@return boolean done false: an earlier turn has sent a part of them
function effects:clear()
  if self.sent > 0 then return false end
  self.list, self.first, self.bytes_of, self.joined, self.bytes = {}, {}, {}, {}, 0
  self.speculated, self.uncertain, self.min_effects, self.joining = 0, false, 0, false
  return true
end

---@return boolean
function effects:is_empty() return #self.first == self.sent end

---Adds the effect that ends the turn: nothing may follow it.
---@param name "suspend"|"retry"|"complete"|"fail"
---@param fields table<string, any>
function effects:close(name, fields)
  self:add(name, fields)
  self.closed = true
end

-- Redis applies a turn in one go while other callers wait, so a turn is bounded. For Redis an effect costs as much as
-- EACH arguments, besides its own arguments.
local LARGEST, EACH, LARGEST_BYTES = 1250, 8, 2 * 1024 * 1024

---Whether there are more effects than one turn should send. Such a turn is not closed: the reply to its first part
---brings the next turn.
function effects:overflows()
  local waiting = #self.first - self.sent
  if waiting < 2 then return false end
  local arguments = #self.list - self.first[self.sent + 1] + 1
  return arguments + EACH * waiting > LARGEST or self.bytes > LARGEST_BYTES
end

-- The last effect of the part that is sent now: at least the first one, however large, and at least `min_effects`.
local function last_of_part(self, min_effects)
  local firsts, bytes_of, sent = self.first, self.bytes_of, self.sent
  local first, last, bytes = firsts[sent + 1], sent, 0
  repeat
    last = last + 1
    bytes = bytes + (bytes_of[last] or 0)
    local arguments = (firsts[last + 2] or #self.list + 1) - first
    local next_bytes = bytes + (bytes_of[last + 1] or 0)
    local full = arguments + EACH * (last + 1 - sent) > LARGEST or next_bytes > LARGEST_BYTES
  until last == #firsts or full and last >= min_effects and not self.joined[last + 1]
  self.bytes = self.bytes - bytes
  return last
end

-- Puts the header in front. Until then positions in `list` do not count it.
local function with_header(self, list)
  table.move(list, 1, #list, #HEADER + 1)
  list[1], list[2], list[3], list[4] = HEADER[1], self.speculated_after, self.speculated_at, self.speculated
  return list
end

---Takes the effects that this turn sends: all of them, or as many as one turn should send.
---@return (string|integer)[] list
---@return boolean all
function effects:take()
  local list, firsts, sent = self.list, self.first, self.sent
  local overflows = not self.closed and self:overflows()
  if sent == 0 then self.split_from = self.turns end
  self.turns, self.closed = self.turns + 1, false
  local last = overflows and last_of_part(self, self.min_effects) or #firsts
  local from, to = firsts[sent + 1] or 1, (firsts[last + 1] or #list + 1) - 1
  if last < #firsts then
    self.sent = last
  else
    self.list, self.first, self.bytes_of, self.joined, self.bytes, self.sent = {}, {}, {}, {}, 0, 0
  end
  if from > 1 or last < #firsts then list = table.move(list, from, to, 1, {}) end
  if self.speculated > 0 then list = with_header(self, list) end
  self.speculated, self.uncertain, self.min_effects = 0, overflows, 0 -- the rest may bring outcomes as well
  return list, last == #firsts
end

---The effects of this turn depend on one more outcome that is not recorded yet.
---@param known integer the number before those of all speculated outcomes
---@param at integer the instant at which they count as recorded, ms
---@param handle integer of the effect that brings the outcome
function effects:speculate(known, at, handle)
  if self.speculated == 0 then self.speculated_after, self.speculated_at = known, at end
  self.speculated = self.speculated + 1
  self.min_effects = handle
end

-- ------------------------------------------------------------------------------------------------
-- Reading the effects of a turn: for the driver in memory, and for specs

---@class weir.Effect
---@field name string
---@field fields table<string, any> its arguments by name
---@field first integer its position in the list

-- Returns the effect that begins at `at`, and the position of its last argument.
local function read(list, at)
  local name = list[at]
  local layout = assert(LAYOUT[name], name)
  local fields, last = {}, at + #layout
  for i = 1, #layout do fields[layout[i]] = list[at + i] end
  if layout.options then
    for option = last + 2, last + 2 * list[last + 1], 2 do fields[list[option]] = list[option + 1] end
    last = last + 1 + 2 * list[last + 1]
  elseif layout.list then
    fields[layout.list] = table.move(list, last + 2, last + 1 + list[last + 1], 1, {})
    last = last + 1 + list[last + 1]
  end
  return { name = name, fields = fields, first = at }, last
end

---@param list (string|integer)[] from `take`
---@return { number: integer, at: integer, count: integer }? header nil: the turn depends on no speculated outcome
---@return weir.Effect[]
function effects.read(list)
  local header, read_so_far, last = nil, {}, 0
  if list[1] == HEADER[1] then
    header, last = { [HEADER[2]] = list[2], [HEADER[3]] = list[3], [HEADER[4]] = list[4] }, #HEADER
  end
  while last < #list do
    read_so_far[#read_so_far + 1], last = read(list, last + 1)
  end
  return header, read_so_far
end

return effects
