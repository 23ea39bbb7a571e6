-- The commands that run no workflows. Most talk to Redis. Each reads its options, calls weir.client and prints; it
-- returns the exit status. The result of a run goes to stdout byte for byte as it is recorded.
--
-- A command loads only the modules that it needs: all of them take longer than most commands.

local exit_status = require "weir.cli.exit_status"
local fault = require "weir.client.fault"
local json = require "weir.json"
local native = require "weir.native.client"
local output = require "weir.cli.output"
local terminal = require "weir.view.terminal"
local transport = require "weir.client.transport"

transport.use(require "weir.transport.blocking")

local cli = {}

local DONE, FAILED = exit_status.DONE, exit_status.FAILED

-- Prints how a run ended.
---@param run weir.Record
---@return integer status
local function conclude(run, as_json)
  if as_json then
    output.print(require("weir.record.record").json(run))
  elseif run.state == "completed" then
    output.print(run.result)
  end
  if run.state == "completed" then return DONE end
  output.failed(run)
  return FAILED
end

local function await(id, options, tells)
  local run = require("weir.cli.wait").until_ended(id, { timeout_ms = options.timeout_ms, tells = tells })
  if run then return conclude(run, options.json) end
  local state = require("weir.client.redis").status({ id })[id].state
  return fault.raise("timed_out", "run %s is still %s after %s; weir why %s says what it waits for", id, state,
    terminal.span(options.timeout_ms), id)
end

-- The workflow of `weir run FILE`: the only one of the file, or the one with the name of the file.
local function workflow_of_file(path, folder)
  local name = path:match("([^/]+)$")
  local files = native.bundle(folder)
  if not files[name] then fault.raise("not_found", "there is no file %s", path) end
  local loaded, problems = require("weir.code.bundle").load_sound("", files)
  if not loaded then error({ status = FAILED, message = problems[1] }, 0) end
  local ids = {}
  for id, definition in pairs(loaded.workflows) do
    if definition.file == name then ids[#ids + 1] = id end
  end
  table.sort(ids)
  local stem = name:gsub("%.lua$", "")
  for _, id in ipairs(ids) do
    if #ids == 1 or id == stem then return id end
  end
  if #ids == 0 then
    fault.raise("not_found", "%s returns no workflow; end it with return weir.workflow{…}", path)
  end
  return fault.raise("invalid", "%s defines several workflows: weir run %s --dir %s", path, table.concat(ids, "|"),
    folder)
end

local commands = {}

function commands.run(options)
  local workflow = options[1]
  if workflow:find("%.lua$") then workflow = workflow_of_file(workflow, options.folders[1]) end
  return await(require("weir.cli.start").run(workflow, options, options.folders[1]), options, true)
end

function commands.init(options)
  require("weir.cli.starter").run(options.folders[1])
  return DONE
end

function commands.start(options)
  if not options[1] and not options.graph then
    fault.raise("invalid", "name a workflow: weir start WORKFLOW; see weir help start")
  end
  if options.id_from and not options.each then
    fault.option("id-from", "names the field of each line that is its id: it needs --each FILE")
  end
  output.warn_of_changes()
  if options.each and not options.graph then return require("weir.cli.start_each").run(options[1], options) end
  local start = require "weir.cli.start"
  local id = options.graph and start.graph(options) or start.run(options[1], options)
  if options.wait then return await(id, options, false) end
  output.print(options.json and require("weir.record.record").json((require("weir.client.redis").run(id))) or id)
  return DONE
end

commands["wait"] = function(options)
  return await(options[1], options, false)
end

-- Commands with a module of their own: its `main` returns the exit status, or nothing when all is done.
for _, name in ipairs { "bundles", "check", "config", "deps", "list", "show", "stats", "top" } do
  commands[name] = function(options) return require("weir.cli." .. name).main(options) or DONE end
end

for _, verb in ipairs { "cancel", "retry", "delete" } do
  commands[verb] = function(options) return require("weir.cli.bulk").main(verb, options) end
end

function commands.move(options)
  require "weir.preflight.move"
  local clear
  options.replay, clear = require("weir.cli.preflight_options").of(options)
  local status = require("weir.cli.bulk").main("move", options)
  clear()
  return status
end

function commands.why(options)
  local why, id = require "weir.client.why", options[1]
  local sentence = id and why.of_run(id) or why.of_everything()
  if options.json then
    output.print(json.encode { run = id or json.null, why = sentence })
  else
    output.print(terminal.plain(id and id .. ": " .. sentence or sentence))
  end
  return DONE
end

function commands.doctor(options)
  local findings = json.array {}
  for i, finding in ipairs(require("weir.client.doctor").check()) do findings[i] = terminal.plain(finding) end
  if options.json then
    output.print(json.encode { faults = findings })
  elseif #findings == 0 then
    output.remark "nothing inconsistent"
  else
    output.print(table.concat(findings, "\n"))
  end
  return #findings > 0 and FAILED or DONE
end

function commands.version(options)
  output.print(options.json and json.encode { version = native.version } or "weir " .. native.version)
  return DONE
end

function commands.help(options)
  local help, name = require "weir.cli.help", options[1]
  local text = not name and help.of_weir() or name and help.of_topic(name)
  if not text then
    local command, _, message = require("weir.cli.command_line").command(name)
    if not command then fault.raise("invalid", "%s", message) end
    text = help.of_command(command)
  end
  native.write(1, text)
  return DONE
end

-- Only an error in weir itself is printed with a traceback.
local function explain(raised)
  if exit_status.is_fault(raised) then return raised end
  return { status = exit_status.of(raised), message = debug.traceback(tostring(raised), 2) }
end

---@param command string
---@param options table its arguments as a list, its flags by name
---@return integer status
function cli.main(command, options)
  local ok, result = xpcall(commands[command], explain, options)
  if ok then return result end
  local status, sentence = exit_status.of(result), exit_status.sentence(result)
  if status == exit_status.INTERNAL then
    for line in ("weir: " .. sentence):gmatch "[^\n]+" do output.say(terminal.plain(line)) end
  elseif sentence ~= "" then
    output.complain("%s", sentence)
  end
  return status
end

return cli
