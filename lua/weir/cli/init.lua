-- The commands that talk to a Redis and run no workflows: what each does, in a few lines, and with
-- which status it ends. The result of a run goes to stdout as it is stored, byte for byte.

local bundle = require "weir.code.bundle"
local client = require "weir.native.client"
local output = require "weir.cli.output"
local record = require "weir.record.record"
local start = require "weir.cli.start"
local store = require "weir.client.redis"
local terminal = require "weir.view.terminal"
local wait = require "weir.cli.wait"

local cli = {}

local DONE = 0

---Prints how a run ended.
---@param run weir.Record
---@return integer status
local function conclude(run, as_json)
  if as_json then
    output.print(record.json(run))
  elseif run.state == "completed" then
    output.print(run.result)
  end
  if run.state == "completed" then return DONE end
  output.failed(run)
  return store.FAILED
end

local function await(id, options, tells)
  local run = wait.until_over(id, { timeout_ms = options.timeout_ms, tells = tells })
  if run then return conclude(run, options.json) end
  local state = store.glance({ id })[id].state
  return store.fault(store.TIMED_OUT, "run %s is still %s after %s; weir why %s says what it waits for", id, state,
    terminal.span(options.timeout_ms), id)
end

-- Which workflow a file is meant to run: the only one, or the one that is called as the file is.
local function workflow_of_file(path, folder)
  local name = path:match("([^/]+)$")
  local files = client.bundle(folder)
  if not files[name] then store.fault(store.NO_INPUT, "there is no file %s", path) end
  local loaded, faults = bundle.load_sound("", files)
  if not loaded then store.fault(store.FAILED, "%s", faults[1]) end
  local ids = {}
  for id, definition in pairs(loaded.workflows) do
    if definition.file == name then ids[#ids + 1] = id end
  end
  table.sort(ids)
  local own = name:gsub("%.lua$", "")
  for _, id in ipairs(ids) do
    if #ids == 1 or id == own then return id end
  end
  if #ids == 0 then store.fault(store.NO_INPUT, "%s returns no workflow; end it with return weir.workflow{…}", path) end
  return store.fault(store.USAGE, "%s defines several workflows: weir run %s --dir %s", path,
    table.concat(ids, "|"), folder)
end

local commands = {}

function commands.run(options)
  local workflow = options[1]
  if workflow:find("%.lua$") then workflow = workflow_of_file(workflow, options.folders[1]) end
  return await(start.run(workflow, options, options.folders[1]), options, true)
end

function commands.start(options)
  if not options[1] and not options.graph then
    store.fault(store.USAGE, "say what to start: weir start WORKFLOW; see weir help start")
  end
  if options.id_from and not options.each then
    store.fault(store.USAGE, "--id-from names the field of each line that is its id: it goes with --each FILE")
  end
  output.warn_of_changes()
  if options.each and not options.graph then return require("weir.cli.start_each").run(options[1], options) end
  local id = options.graph and require("weir.cli.start_graph").start(options) or start.run(options[1], options)
  if options.wait then return await(id, options, false) end
  output.print(options.json and record.json((store.run(id))) or id)
  return DONE
end

commands["wait"] = function(options)
  return await(options[1], options, false)
end

function commands.show(options)
  return require("weir.cli.show").main(options)
end

function commands.list(options)
  require("weir.cli.list").print(options)
  return DONE
end

for _, verb in ipairs { "cancel", "retry", "delete" } do
  commands[verb] = function(options) return require("weir.cli.bulk").main(verb, options) end
end

function commands.deps(options)
  return require("weir.cli.deps").main(options)
end

function commands.why(options)
  require("weir.cli.why").print(options[1], options.json)
  return DONE
end

function commands.doctor(options)
  return require("weir.cli.doctor").check(options.json)
end

function commands.stats(options)
  require("weir.cli.doctor").stats(options.json)
  return DONE
end

---@param command string
---@param options table its arguments as a list, its flags by name
---@return integer status
function cli.main(command, options)
  local ok, status = xpcall(commands[command], function(raised)
    if store.is_fault(raised) then return raised end
    return { status = store.SOFTWARE, message = debug.traceback(tostring(raised), 2) }
  end, options)
  if ok then return status end
  if status.status == store.SOFTWARE then
    for line in ("weir: " .. status.message):gmatch "[^\n]+" do output.say(terminal.plain(line)) end
  elseif status.message ~= "" then
    output.complain("%s", status.message)
  end
  return status.status
end

return cli
