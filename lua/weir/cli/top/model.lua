-- The state of `weir top`: what is shown, and what each key changes. It reads and draws nothing: a key may ask for an
-- act, which the loop (weir.cli.top) performs; weir.view.top_view draws.

local list = require "weir.client.list"
local selector = require "weir.client.selector"

local model = {}
model.__index = model

---@alias weir.TopTab "runs"|"workflows"|"queues"|"hosts"

---@class weir.TopAct what the loop is to do: its name, and the run that it is about
---@field [1] "quit"|"read"|"cancel"|"retry"|"suspend"|"redraw"
---@field [2] string?

---@class weir.TopModel
---@field place string where this Redis is
---@field tab weir.TopTab
---@field values table? of weir.client.stats
---@field runs weir.RunStatus[] as read, newest first
---@field note string? what the list of runs leaves out
---@field filter { text: string?, state: string?, workflow: string?, queue: string? }
---@field sort "created"|"took"|"state"|"workflow"|"run"
---@field reversed boolean
---@field at table<weir.TopTab, integer> the selected row
---@field selected string? the id of the selected run, which keeps the cursor when other runs come
---@field opened { id: string, lines: string[], scroll: integer, following: boolean }? the run that is shown
---@field prompt { kind: "filter"|"cancel"|"retry", text: string, run: string? }? asks the person
---@field helps boolean
---@field message string? about the last act
---@field fault string? why nothing could be read
---@field page integer rows of a page, told by the drawing

local TABS = { "runs", "workflows", "queues", "hosts" }
local SORTS = { "created", "took", "state", "workflow", "run" }

---@param place string
---@return weir.TopModel
function model.new(place)
  return setmetatable({
    place = place, tab = "runs", runs = {}, filter = {}, sort = "created", reversed = false,
    at = { runs = 1, workflows = 1, queues = 1, hosts = 1 }, helps = false, page = 10,
  }, model)
end

-- ------------------------------------------------------------------------------------------------
-- Rows from the last reading

local function took_of(run, now) return (run.finished_at or now) - (run.started_at or run.created_at) end

local KEYS = {
  took = function(run, now) return -took_of(run, now) end,
  state = function(run) return run.state end,
  workflow = function(run) return run.workflow end,
  run = function(run) return run.id end,
}

-- Sorts the runs. They came newest first, which stays the order of runs that are alike.
local function sort(self)
  local key, places, now = KEYS[self.sort], {}, self.values and self.values.at or 0
  if key then
    for i, run in ipairs(self.runs) do places[run] = i end
    table.sort(self.runs, function(a, b)
      local of_a, of_b = key(a, now), key(b, now)
      if of_a ~= of_b then return of_a < of_b end
      return places[a] < places[b]
    end)
  end
  if self.reversed then
    local count = #self.runs
    for i = 1, count // 2 do
      self.runs[i], self.runs[count + 1 - i] = self.runs[count + 1 - i], self.runs[i]
    end
  end
end

---How many rows the table of the tab has.
---@return integer
function model:count()
  if self.tab == "runs" then return #self.runs end
  local values = self.values
  if not values then return 0 end
  return #(self.tab == "workflows" and values.by_workflow or values[self.tab])
end

local function clamp(number, least, most) return math.max(least, math.min(number, most)) end

local function put_cursor(self, at)
  self.at[self.tab] = clamp(at, 1, math.max(1, self:count()))
  if self.tab == "runs" then
    local run = self.runs[self.at.runs]
    self.selected = run and run.id
  end
end

local function message_of(run)
  if not run.error or run.state ~= "failed" and run.state ~= "retrying" then return nil end
  return tostring(list.root_cause(run.error).message)
end

---Takes what was read.
---@param values table of weir.client.stats
---@param runs weir.RunStatus[]
---@param note string?
function model:take(values, runs, note)
  self.values, self.runs, self.note, self.fault = values, runs, note, nil
  for _, run in ipairs(runs) do run.message = message_of(run) end
  sort(self)
  for i, run in ipairs(self.runs) do
    if run.id == self.selected then self.at.runs = i end
  end
  put_cursor(self, self.at[self.tab])
end

---The run that keys act on.
---@return string?
function model:target()
  if self.opened then return self.opened.id end
  return self.tab == "runs" and self.runs[self.at.runs] and self.runs[self.at.runs].id or nil
end

-- ------------------------------------------------------------------------------------------------
-- Keys

local function next_of(items, item, step)
  for i, one in ipairs(items) do
    if one == item then return items[(i - 1 + step) % #items + 1] end
  end
end

-- The filters have changed: the list of runs begins again.
local function filter(self, changes)
  for name, value in pairs(changes) do self.filter[name] = value or nil end
  self.at.runs, self.selected = 1, nil
  return { "read" }
end

local function go_to(self, tab)
  self.tab, self.opened = tab, nil
  put_cursor(self, self.at[tab])
end

-- From a workflow or a queue to its runs.
local function open(self)
  local values, at = self.values, self.at[self.tab]
  if self.tab == "runs" then
    local id = self:target()
    if not id then return nil end
    self.opened = { id = id, lines = {}, scroll = 0 }
    return { "read" }
  end
  local row = values and (self.tab == "workflows" and values.by_workflow or values[self.tab])[at]
  if not row or self.tab == "hosts" then return nil end
  local changes = self.tab == "workflows" and { workflow = row.workflow, queue = false }
    or { queue = row.queue, workflow = false }
  go_to(self, "runs")
  return filter(self, changes)
end

-- Back from what is in front: a run, then the filters.
local function back(self)
  if self.opened then
    self.opened = nil
    return { "read" }
  elseif next(self.filter) then
    return filter(self, { text = false, state = false, workflow = false, queue = false })
  end
end

local function move(self, step)
  if self.opened then
    local most = math.max(0, #self.opened.lines - self.page)
    self.opened.scroll = clamp(self.opened.scroll + step, 0, most)
  else
    put_cursor(self, self.at[self.tab] + step)
  end
end

local function ask(self, verb)
  local id = self:target()
  if id then self.prompt = { kind = verb, text = "", run = id } end
end

local function sort_by(self, step)
  self.sort = next_of(SORTS, self.sort, step)
  return { "read" }
end

local STATES = table.move(selector.STATES, 1, #selector.STATES, 2, { "all" })

local function filter_state(self, step)
  local state = next_of(STATES, self.filter.state or "all", step)
  go_to(self, "runs")
  return filter(self, { state = state ~= "all" and state })
end

local ALL = math.maxinteger // 2

local ON_KEY = {
  q = function() return { "quit" } end,
  ["ctrl-c"] = function() return { "quit" } end,
  ["ctrl-z"] = function() return { "suspend" } end,
  ["ctrl-l"] = function() return { "redraw" } end,
  ["?"] = function(self) self.helps = true end,
  h = function(self) self.helps = true end,
  up = function(self) move(self, -1) end, k = function(self) move(self, -1) end,
  down = function(self) move(self, 1) end, j = function(self) move(self, 1) end,
  ["page up"] = function(self) move(self, -self.page) end,
  ["page down"] = function(self) move(self, self.page) end,
  [" "] = function(self) move(self, self.page) end,
  home = function(self) move(self, -ALL) end, g = function(self) move(self, -ALL) end,
  ["end"] = function(self) move(self, ALL) end, G = function(self) move(self, ALL) end,
  enter = open, right = open,
  escape = back, left = back, backspace = back,
  tab = function(self) go_to(self, next_of(TABS, self.tab, 1)) end,
  ["back tab"] = function(self) go_to(self, next_of(TABS, self.tab, -1)) end,
  ["/"] = function(self)
    go_to(self, "runs")
    self.prompt = { kind = "filter", text = self.filter.text or "" }
  end,
  f = function(self) return filter_state(self, 1) end,
  F = function(self) return filter_state(self, -1) end,
  s = function(self) return sort_by(self, 1) end,
  S = function(self)
    self.reversed = not self.reversed
    return { "read" }
  end,
  c = function(self) ask(self, "cancel") end,
  r = function(self) ask(self, "retry") end,
}
for i, tab in ipairs(TABS) do ON_KEY[tostring(i)] = function(self) go_to(self, tab) end end

local function type_filter(self, key)
  local prompt = self.prompt
  if key == "enter" then
    self.prompt = nil
    return filter(self, { text = prompt.text ~= "" and prompt.text })
  elseif key == "escape" then
    self.prompt = nil
  elseif key == "backspace" then
    prompt.text = prompt.text:sub(1, (utf8.offset(prompt.text, -1) or 1) - 1)
  elseif utf8.len(key) == 1 then
    prompt.text = prompt.text .. key
  end
end

local function answer(self, key)
  local prompt = self.prompt
  self.prompt = nil
  if key == "y" or key == "Y" then return { prompt.kind, prompt.run } end
  self.message = ("did not %s %s"):format(prompt.kind, prompt.run)
end

---A key was typed.
---@param key string see weir.cli.top.keys
---@return weir.TopAct? act
function model:key(key)
  self.message = nil
  if key == "ctrl-c" then return { "quit" } end
  if self.prompt then return (self.prompt.kind == "filter" and type_filter or answer)(self, key) end
  if self.helps then
    self.helps = false
    return key == "q" and { "quit" } or nil
  end
  local on_key = ON_KEY[key]
  return on_key and on_key(self) or nil
end

return model
