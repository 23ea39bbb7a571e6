-- The commands of weir: how each is called. Their flags are in weir.cli.flags. C runs `run`, `dev`, `serve` and
-- `test` (host/main.c), weir.cli all others.

---@class weir.Command
---@field name string
---@field arguments string as the help shows them
---@field least integer? how many arguments it needs
---@field most integer? how many it takes; nil: none
---@field summary string? nil: weir does not have it yet
---@field example string?
---@field advice string? of a call with too many arguments
---@field about string? behaviour that the help of its flags does not tell

local MANY <const> = math.maxinteger

-- People write the data behind the workflow.
local DATA <const> = "data goes with --data JSON, --data @FILE or --data - (stdin)"

local RETRY <const> = [[
A retry begins another attempt on the newest code. What has completed is kept. Failures that the
workflow did not handle, and work that it left unfinished, are done again. --from OPERATION
resets that operation and all that began after it, --scratch resets everything. For automatic
retries give the workflow retry = { attempts = 3, delay = "1s", backoff = "exponential" }.
]]

local rows = {
  { name = "init", arguments = "[DIR]", most = 1, summary = "write a first workflow, its spec and settings of editors",
    example = "weir init flows" },
  { name = "run", arguments = "WORKFLOW|FILE", least = 1, most = 1, advice = DATA,
    summary = "one run, with a Redis and a host of its own",
    example = [[weir run greet --dir flows --data '{"name":"Ada"}']] },
  { name = "dev", arguments = "[DIR]", most = 1, summary = "a host with a Redis that keeps its data in .weir/",
    example = "weir dev flows --test" },
  { name = "serve", arguments = "[DIR...]", most = MANY, summary = "the host for production",
    example = "weir serve flows --redis redis://127.0.0.1:6379/0 --node host-1" },
  { name = "start", arguments = "[WORKFLOW]", most = 1, advice = DATA,
    summary = "start a run, or many, and print their ids",
    example = [[weir start greet --id first --data '{"name":"Ada"}' --wait]] },
  { name = "show", arguments = "RUN [OPERATION]", least = 1, most = 2,
    summary = "a run with its operations and children; or all of one operation", example = "weir show first" },
  { name = "wait", arguments = "RUN", least = 1, most = 1, summary = "wait until a run has ended and print its result",
    example = "weir wait first --timeout 30s" },
  { name = "list", arguments = "", summary = "runs, newest first", example = "weir list --state failed --since 1h" },
  { name = "deps", arguments = "RUN", least = 1, most = 1, summary = "what the nodes of a graph run depend on",
    example = "weir deps etl1/transform" },
  { name = "why", arguments = "[RUN]", most = 1, summary = "what a run, or everything, is waiting for",
    example = "weir why first" },
  { name = "cancel", arguments = "[RUN...]", most = MANY, summary = "end runs, and all runs below each",
    example = "weir cancel --workflow greet --state waiting --dry-run" },
  { name = "retry", arguments = "[RUN...]", most = MANY, summary = "continue runs where they failed or were cancelled",
    example = "weir retry first", about = RETRY },
  { name = "delete", arguments = "[RUN...]", most = MANY, summary = "remove ended runs, and all runs below each",
    example = "weir delete --state completed --until 7d --yes" },
  { name = "move", arguments = "[RUN...]", most = MANY, summary = "give waiting runs the newest code of their workflow",
    example = "weir move --workflow greet --to newest" },
  { name = "check", arguments = "[DIR...]", most = MANY, summary = "load every workflow file and print its faults",
    example = "weir check flows --against redis://127.0.0.1:6379/0" },
  { name = "test", arguments = "[ARG...]", most = MANY,
    summary = "run specs; arguments and other flags are those of busted", example = "weir test --watch" },
  { name = "doctor", arguments = "", summary = "look for what is inconsistent in this Redis", example = "weir doctor" },
  { name = "stats", arguments = "", summary = "runs by state, rates, queues, hosts and Redis",
    example = "weir stats --watch" },
  { name = "top", arguments = "", summary = "live screen of runs, queues and hosts; ? shows its keys",
    example = "weir top --every 1s" },
  { name = "config", arguments = "", summary = "the settings of weir serve here, and where each comes from",
    example = "weir config --config weir.lua" },
  { name = "bundles", arguments = "", summary = "the code that is in use, and by what", example = "weir bundles" },
  { name = "version", arguments = "", summary = "print the version" },
  { name = "help", arguments = "[COMMAND]", most = 1, summary = "how a command is used" },

  { name = "signal" }, { name = "resolve" }, { name = "reject" }, { name = "logs" },
  { name = "bench" },
}

local commands = { rows = rows }

local by_name = {}
for _, command in ipairs(rows) do by_name[command.name] = command end

---@param name string
---@return weir.Command?
function commands.find(name) return by_name[name] end

---@return string[]
function commands.names()
  local names = {}
  for i, command in ipairs(rows) do names[i] = command.name end
  return names
end

return commands
