-- `weir start WORKFLOW --each FILE|-`: reads the lines, shows how far the command is, and prints counts. A file is read
-- twice: all lines are checked before the first run is started.

local exit_status = require "weir.cli.exit_status"
local fault = require "weir.client.fault"
local json = require "weir.json"
local native = require "weir.native.client"
local output = require "weir.cli.output"
local start = require "weir.client.start"
local start_each = require "weir.client.start_each"
local terminal = require "weir.view.terminal"

local start_each_command = {}

local TOLD = 10 -- refused lines that are reported one by one
local FRAME_MS = 100
local BAR = 24

---@class weir.StartEachCommand
---@field origin string the name of the file
---@field live boolean progress is shown
---@field size integer? bytes, of a file that can be read twice
---@field bytes_read integer
---@field starter weir.StartEach

-- ------------------------------------------------------------------------------------------------
-- Output

local function show(self, doing, lines)
  local now = native.now_ms()
  if not self.live or now - self.shown_at < FRAME_MS then return end
  self.shown_at = now
  local seconds = math.max(now - self.began_at, 1) / 1000
  local text = ("%s %s  %s/s"):format(doing, terminal.count(lines, "line"),
    terminal.number(math.floor(lines / seconds)))
  if self.size and self.size > 0 then text = terminal.bar(self.bytes_read / self.size, BAR) .. "  " .. text end
  native.show(terminal.clip(text, output.style_of_messages().columns - 1) .. "\27[K\n")
end

local function summary(starter)
  local words = { "started " .. terminal.number(starter.started) }
  if starter.existed > 0 then
    words[2] = ("%s %s there already"):format(terminal.number(starter.existed),
      starter.existed == 1 and "was" or "were")
  end
  if starter.refused > 0 then words[#words + 1] = terminal.number(starter.refused) .. " refused" end
  return table.concat(words, ", ")
end

local function print_counts(starter)
  output.print(json.encode { started = starter.started, existed = starter.existed, refused = starter.refused })
end

local function sentence_of_line(self, raised)
  return ("line %d of %s: %s"):format(raised.details.line, self.origin, exit_status.sentence(raised))
end

-- ------------------------------------------------------------------------------------------------
-- The two passes

local function open(self, path)
  self.size = native.open(path)
  self.bytes_read, self.began_at, self.shown_at = 0, native.now_ms(), 0
end

local function each_line(self, take, rest)
  local function read()
    local bytes = native.more()
    self.bytes_read = self.bytes_read + #(bytes or "")
    return bytes
  end
  start_each.lines(read, take, rest, self.starter.request)
end

local function check_all(self)
  local lines = 0
  each_line(self, function(text, number)
    self.starter:check(text, number)
    lines = lines + 1
  end, function() show(self, "checked", lines) end)
end

local function start_all(self)
  local lines = 0
  each_line(self, function(text, number)
    self.starter:add(text, number)
    lines = lines + 1
  end, function()
    self.starter:flush()
    if not self.size then self.starter:drain() end -- the next line may take long to come
    show(self, "sent", lines)
  end)
  self.starter:finish()
end

-- A fault of a line, as people read it.
local function of_line(self, raised)
  if not fault.is(raised) or not (raised.details and raised.details.line) then return raised end
  return { fault = "invalid", message = sentence_of_line(self, raised), line = raised.details.line }
end

-- The lines before a bad one are started and counted. The same command goes on after the line was mended.
local function stop(self, raised, as_json)
  if type(raised) ~= "table" then error(raised, 0) end
  raised = of_line(self, raised)
  if raised.line then self.starter:finish() end
  if as_json then print_counts(self.starter) end
  raised.message = ("%s; %s by then, sent again they are not started twice"):format(raised.message,
    summary(self.starter))
  error(raised, 0)
end

-- ------------------------------------------------------------------------------------------------

local EXCLUDED = { "wait", "data", "dedupe" }

local function new(workflow, options)
  local self = { origin = options.each == "-" and "stdin" or options.each, live = output.is_live() }
  open(self, options.each)
  local told = 0
  self.starter = start_each.new(start.request(workflow, options), options, function(raised)
    told = told + 1
    if told <= TOLD then output.complain("%s", sentence_of_line(self, raised)) end
  end)
  return self
end

---Starts a run for each line, and prints how many.
---@param workflow string
---@param options table of the command
---@return integer status
function start_each_command.run(workflow, options)
  for _, name in ipairs(EXCLUDED) do
    if options[name] then fault.option(name, "is for one run; with --each every line starts one") end
  end
  native.heed_interrupts()
  local self = new(workflow, options)
  local starter = self.starter
  if self.size then
    local ok, raised = pcall(check_all, self)
    if not ok then error(of_line(self, raised), 0) end
    open(self, options.each)
  end

  local ok, raised = pcall(start_all, self)
  if self.live then native.show() end
  if not ok then stop(self, raised, options.json) end
  for _, warning in ipairs(starter.started > 0 and starter.request:warnings() or {}) do output.warn("%s", warning) end
  if starter.refused > TOLD then output.complain("and %s more", terminal.number(starter.refused - TOLD)) end
  output.say(summary(starter))
  if options.json then print_counts(starter) end
  return starter.refused > 0 and exit_status.BY_FAULT.duplicate_id or exit_status.DONE
end

return start_each_command
