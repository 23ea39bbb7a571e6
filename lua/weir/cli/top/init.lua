-- `weir top`: reads, draws, waits for keys, and does what a key asks for. Each frame is one write, and only a frame
-- that differs from the one before is written.

local cancel = require "weir.client.cancel"
local exit_status = require "weir.cli.exit_status"
local fault = require "weir.client.fault"
local keys = require "weir.cli.top.keys"
local list = require "weir.client.list"
local model = require "weir.cli.top.model"
local native = require "weir.native.client"
local output = require "weir.cli.output"
local retry = require "weir.client.retry"
local selector = require "weir.client.selector"
local show = require "weir.cli.show"
local stats = require "weir.client.stats"
local subtree = require "weir.client.subtree"
local terminal = require "weir.view.terminal"
local top_view = require "weir.view.top_view"
local transport = require "weir.client.transport"

local top = {}

local LISTED, LOOKED_AT = 500, 2000 -- runs in the list, and looked at to find them
local COUNTED = 2000 -- runs looked at for the counts
local REMEMBERED = 1000 -- runs of a tree that are read
local SHORTEST_MS = 100 -- between two readings

local function check_terminal()
  local instead = "weir stats --watch prints the numbers without one"
  if not native.is_terminal(0) or not native.is_terminal(1) then
    fault.raise("invalid", "top needs a terminal; %s", instead)
  end
  local name = os.getenv "TERM" or ""
  if name == "" or name == "dumb" then
    fault.raise("invalid", 'top needs a terminal that can place its text, and TERM is "%s"; %s', name, instead)
  end
end

-- ------------------------------------------------------------------------------------------------
-- Reading

local function read_runs(state)
  local filter = state.filter
  local selected = selector.read {
    state = filter.state, workflow = filter.workflow, queue = filter.queue, match = filter.text,
  }
  local runs, seen, left
  if list.is_unfinished(filter.state) then
    runs, left = list.unfinished(selected, LISTED, LOOKED_AT)
  else
    runs, seen = list.newest(selected, LISTED, LOOKED_AT)
  end
  if #runs == LISTED then return runs, ("the newest %d"):format(LISTED) end
  return runs, seen and ("among %s"):format(terminal.count(seen, "newest run"))
    or left and ("%s not looked at"):format(terminal.count(left, "run")) or nil
end

local function read_opened(self, style)
  local opened = self.model.opened
  if not opened then
    self.subtree = nil
    return
  end
  if not self.subtree or self.subtree.root ~= opened.id then self.subtree = subtree.new(opened.id, REMEMBERED) end
  self.subtree:refresh()
  if self.subtree.runs[opened.id] then
    opened.lines = show.lines(self.subtree, style)
  else
    opened.lines = { terminal.plain("there is no run " .. opened.id .. " any more") }
  end
end

local function sentence_of(raised)
  if not exit_status.is_fault(raised) then error(raised, 0) end
  return exit_status.sentence(raised)
end

local function read(self)
  local ok, raised = pcall(function()
    local values = stats.read(COUNTED)
    self.model:take(values, read_runs(self.model))
    read_opened(self, output.style())
  end)
  if not ok then self.model.fault = sentence_of(raised) end
  self.read_again_at = transport.now_ms() + self.every_ms
end

-- ------------------------------------------------------------------------------------------------
-- Acts

local ACTS = {
  cancel = function(id) return cancel.runs({ id }, {})[1], "cancelled " .. id end,
  retry = function(id) return retry.runs({ id }, {})[1], "retried " .. id end,
}

local function perform(self, verb, id)
  local ok, answer, done = pcall(ACTS[verb], id)
  if not ok then
    self.model.message = sentence_of(answer)
  else
    self.model.message = answer.fault and answer.message or answer.message and done .. ": " .. answer.message or done
  end
end

-- Returns true to end.
local function on_act(self, act)
  local name = act[1]
  if name == "quit" then return true end
  if name == "suspend" then native.suspend() end
  if name == "suspend" or name == "redraw" then self.frame = nil end
  if ACTS[name] then perform(self, name, act[2]) end
  read(self)
end

-- ------------------------------------------------------------------------------------------------
-- The loop

local function draw(self)
  local style = output.style()
  self.model.page = top_view.height(self.model, style)
  local lines = top_view.draw(self.model, style)
  local frame = "\27[H" .. table.concat(lines, "\27[K\r\n") .. "\27[K\27[J"
  if frame == self.frame then return end
  self.frame = frame
  native.write(1, frame)
end

-- Waits for keys until it is time to read again. Returns true to end.
local function heed_keys(self)
  local bytes = native.keys(math.max(0, self.read_again_at - transport.now_ms()))
  if bytes == false then return true end
  for _, key in ipairs(keys.of(bytes or "")) do
    local act = self.model:key(key)
    if act and on_act(self, act) then return true end
  end
  return false
end

---@param options { redis: string, prefix: string, every_ms: integer }
function top.main(options)
  check_terminal()
  local place = options.prefix == "weir" and options.redis or ("%s %s"):format(options.redis, options.prefix)
  local self = { model = model.new(place), every_ms = math.max(SHORTEST_MS, options.every_ms), read_again_at = 0 }
  local values = stats.read(COUNTED) -- a Redis that cannot be reached is told without a screen
  self.model:take(values, read_runs(self.model))
  native.open_screen()
  local _ <close> = setmetatable({}, { __close = native.close_screen })
  repeat
    if transport.now_ms() >= self.read_again_at then read(self) end
    draw(self)
  until heed_keys(self)
end

return top
