-- Writes results to stdout and everything else to stderr; colours and progress only on a terminal.

local json = require "weir.json"
local native = require "weir.native.client"
local terminal = require "weir.view.terminal"

local output = {}

local STDOUT, STDERR = 1, 2
local PLAIN_COLUMNS = 100 -- where there is no terminal to ask

local function variable(name)
  local value = os.getenv(name)
  return value ~= nil and value ~= ""
end

---@param descriptor 1|2
---@return weir.Style
local function style_of(descriptor)
  local is_terminal = native.is_terminal(descriptor)
  return {
    colours = is_terminal and not variable "NO_COLOR" and os.getenv "TERM" ~= "dumb",
    columns = is_terminal and native.width() or PLAIN_COLUMNS,
    rows = is_terminal and native.height() or math.maxinteger,
  }
end

---@return weir.Style
function output.style() return style_of(STDOUT) end

---The style of stderr, read again each time, as terminals change their size.
---@return weir.Style
function output.style_of_messages() return style_of(STDERR) end

---Whether lines on stderr can be replaced.
---@return boolean
function output.is_live() return native.is_terminal(STDERR) and os.getenv "TERM" ~= "dumb" end

---Writes a result byte for byte; only on a terminal are control characters escaped, as JSON escapes them.
---@param text string
function output.print(text)
  if native.is_terminal(STDOUT) then text = terminal.escaped(text) end
  native.write(STDOUT, text .. "\n")
end

---Writes a remark for people at a terminal, about a command that prints nothing. A program sees the empty output.
---@param text string
function output.remark(text)
  if native.is_terminal(STDERR) then output.say(terminal.paint(output.style_of_messages(), "dim", text)) end
end

---@param text string
function output.say(text) native.write(STDERR, text .. "\n") end

---Writes a warning, one line.
---@param format string
---@param ... any
function output.warn(format, ...) output.say("weir: warning: " .. terminal.plain(format:format(...))) end

---Warns of workflow folders whose present files `weir dev` does not run, because they do not load.
function output.warn_of_changes()
  for _, folder in ipairs(native.changed_folders()) do
    output.warn("weir dev does not run the present files in %s; weir why says why", folder)
  end
end

---Writes an error, one line.
---@param format string
---@param ... any
function output.complain(format, ...) output.say("weir: " .. terminal.plain(format:format(...))) end

-- ------------------------------------------------------------------------------------------------
-- Failures

-- A `child_failed` names the workflow of the child. Every other failure names the workflow of its run.
local function origin_of(failure)
  local named = failure.workflow and (" (%s)"):format(failure.workflow) or ""
  local of_child = failure.code == "child_failed"
  local words = {}
  if failure.operation then
    words[#words + 1] = ('operation "%s"%s'):format(failure.operation, of_child and named or "")
  end
  if failure.run then words[#words + 1] = failure.run .. (of_child and "" or named) end
  return table.concat(words, " of ")
end

---Explains a failure: its place, details and traceback, and those of its causes. The message itself is left out.
---@param failure table?
---@return string[] lines
function output.explained(failure)
  local lines, link = {}, failure
  local function add(indent, text) lines[#lines + 1] = (" "):rep(indent) .. terminal.plain(text) end
  while type(link) == "table" and link.message do
    local origin = origin_of(link)
    if link ~= failure then
      add(2, ("caused by %s: %s"):format(link.code or "error", tostring(link.message)))
      if origin ~= "" then add(4, "in " .. origin) end
    elseif origin ~= "" or link.code ~= "error" then
      add(2, (link.code or "error") .. (origin ~= "" and " in " .. origin or ""))
    end
    if link.details ~= nil then add(4, "details " .. json.encode(link.details)) end
    for line in tostring(link.traceback or ""):gmatch("[^\n]+") do add(4, (line:gsub("^%s+", ""))) end
    if math.tointeger(link.omitted) then add(2, ("… %s"):format(terminal.count(link.omitted, "more cause"))) end
    link = link.cause
  end
  return lines
end

---Writes how a run failed or was cancelled: one line, then its causes.
---@param run weir.Record
function output.failed(run)
  local failure = run.error or { message = "no error was recorded" }
  if run.state == "cancelled" then
    output.complain("run %s was cancelled: %s", run.id, (tostring(failure.message):gsub("^cancelled:? ", "")))
    failure = failure.cause
  else
    output.complain("run %s failed: %s", run.id, tostring(failure.message))
  end
  for _, line in ipairs(output.explained(failure)) do output.say(line) end
end

return output
