-- `weir start`, and the start of the one run of `weir run`: reads data from flags, files and stdin, and prints ids and
-- warnings.

local fault = require "weir.client.fault"
local json = require "weir.json"
local native = require "weir.native.client"
local output = require "weir.cli.output"
local start = require "weir.client.start"
local strings = require "weir.base.strings"
local terminal = require "weir.view.terminal"

local start_command = {}

-- Some editors write the byte order mark of UTF-8 before a text. It is no part of JSON.
local function decode(text, origin, hint)
  text = strings.trim((text:gsub("^\xEF\xBB\xBF", "")))
  if text == "" then fault.raise("invalid", "%s is empty; it must be JSON, at least {}", origin) end
  local value, message = json.try_decode(text)
  if message then fault.raise("invalid", "%s is not valid JSON: %s%s", origin, message, hint or "") end
  return text, value
end

---The JSON of a file.
---@param path string or -
---@return string text
---@return any value
function start_command.read(path) return decode(native.read(path), path == "-" and "stdin" or path) end

---@param data string? JSON, @FILE or -
---@return string text
---@return any value
local function read_data(data)
  if not data then return "{}", {} end
  local path = data == "-" and "-" or data:match("^@(.+)$")
  if path then return start_command.read(path) end
  return decode(data, "--data", data:find("^[%w_./-]+%.json$") and ("; a file is given as --data @%s"):format(data)
    or [[; quote it for the shell: --data '{"key":"value"}']])
end

local function tell(started)
  if started.outcome == "shared" then
    output.say(("weir: %s has that dedupe key already; no other run was started"):format(terminal.plain(started.id)))
  end
  for _, warning in ipairs(started.warnings) do output.warn("%s", warning) end
  return started.id
end

---Starts the run that a command names.
---@param workflow string
---@param options table of the command
---@param folder string? the only folder that is served
---@return string id
function start_command.run(workflow, options, folder)
  local text, value = read_data(options.data)
  options.folder = folder
  return tell(start.request(workflow, options):start(options.id, text, value))
end

---Starts the graph that a file holds.
---@param options table of the command
---@return string id
function start_command.graph(options)
  for _, other in ipairs { "data", "each" } do
    if options[other] then
      fault.option(other, "cannot be combined with --graph: the file has the whole graph")
    end
  end
  if options[1] then
    fault.raise("invalid", "start %s or the graph (--graph %s), not both", options[1], options.graph)
  end
  local text, data = start_command.read(options.graph)
  local origin = options.graph == "-" and "stdin" or options.graph
  return tell(require("weir.client.start_graph").start(origin, options.id, text, data, options))
end

return start_command
