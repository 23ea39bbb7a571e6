-- The flags of all commands. One row has everything about a flag: its default, the commands that take it, its help.
-- Its variable (WEIR_LUA_PATH), its key in the config file (lua_path) and its key among a command's options follow from
-- its name. C reads the options of hosts by those keys (host/config/config.c) and knows no other flags.

---@class weir.Flag
---@field name string
---@field kind weir.FlagKind
---@field argument string? the value as the help shows it
---@field default string? as a user would write it
---@field least integer? of a number
---@field most integer? likewise
---@field once boolean? it concerns one call only: no variable and no key of the config file sets it
---@field commands table<string, true> that take it; none: weir does not have it yet
---@field later table<string, true> that do not have it yet
---@field help string
---@field help_of table<string, string>? other help texts, by command

---@alias weir.FlagKind
---| "switch" boolean
---| "text" string
---| "choice" one of the words in `argument`
---| "list" strings, separated by commas
---| "each" strings: the flag may be given several times
---| "number" integer
---| "size" integer, bytes
---| "duration" integer, milliseconds: its key ends in _ms
---| "url" the URL of a Redis

local HOSTS = { "run", "dev", "serve" }
local REPLAYS = { HOSTS, "check", "move" } -- commands that run workflow code
local ACTS = { "cancel", "retry", "delete", "move" }
local SELECT = { "list", ACTS }
local PRINTS = { SELECT, "start", "show", "wait", "deps", "why", "doctor", "stats", "bundles" }
local CLIENTS = { PRINTS, "top" }

local OWN_REDIS = "when Redis writes to disk, as its appendfsync:\nalways, everysec or none"
local CONFIRMED = "replicated: wait until a replica has the changes, too"

local JSON_OF_RUN = "print the run as JSON"
local JSON_OF_ACTS = 'print JSON: a line {"run","answer",...} for each RUN; for a SELECTOR\n'
  .. 'or - one object with the counts and the faults; for --dry-run a line\n{"run","would"} for each id'

local URLS = "redis://[user:password@]host:port/db, unix:///path, or\n"
  .. "redis+sentinel://[user:password@]host:port,host:port/NAME?db=N\n"

local rows = {
  -- one call
  { name = "data", kind = "text", argument = "JSON|@FILE|-", once = true, commands = { "run", "start" },
    help = "the run's data: JSON, a file of it, or stdin" },
  { name = "id", kind = "text", argument = "ID", once = true, commands = { "run", "start" },
    help = "the run's id; the same id again names the same run" },
  { name = "wait", kind = "switch", once = true, commands = { "start" },
    help = "wait until the run has ended and print its result" },
  { name = "delay", kind = "duration", argument = "D", once = true, commands = { "start" },
    help = "start the run that much later" },
  { name = "priority", kind = "number", argument = "N", least = -100, most = 100, once = true, commands = { "start" },
    help = "-100 to 100, higher first, instead of the workflow's" },
  { name = "queue", kind = "text", argument = "Q", once = true, commands = { "start", SELECT },
    help = "only runs of that queue",
    help_of = { start = "the queue of the run, instead of the workflow's" } },
  { name = "tag", kind = "each", argument = "K=V", once = true, commands = { "start", SELECT },
    help = "only runs with that tag; may be given several times",
    help_of = { start = "a tag of the run; may be given several times" } },
  { name = "any", kind = "switch", once = true, commands = { "start" },
    help = "start the run even if no host knows the workflow" },
  { name = "each", kind = "text", argument = "FILE|-", once = true, commands = { "start" },
    help = "start a run for each line of the file; the line is its data" },
  { name = "id-from", kind = "text", argument = "FIELD", once = true, commands = { "start" },
    help = "with --each: the field of the data that is the id" },
  { name = "graph", kind = "text", argument = "FILE|-", once = true, commands = { "start" },
    help = "start the graph that the file describes in JSON" },
  { name = "dedupe", kind = "text", argument = "KEY", once = true, commands = { "start" },
    help = "print the id of the run that was started with that key, if there is one" },
  { name = "within", kind = "duration", argument = "D", once = true, commands = { "start" },
    help = "with --dedupe: for how long the key names this run (default 1h)" },
  { name = "dot", kind = "switch", once = true, commands = { "show" },
    help = "print the graph in the language of Graphviz" },
  { name = "all", kind = "switch", once = true, commands = { "show" },
    help = "print all lines: also those that repeat others, and those of children\nbeyond 1,000" },
  { name = "watch", kind = "switch", once = true, commands = { "show", "test", "stats" },
    help = "show the run again and again until it has ended",
    help_of = { stats = "print them again and again, until Ctrl-C",
                test = "keep running: repeat the specs that a saved file concerns" } },
  { name = "every", kind = "duration", argument = "D", default = "2s", once = true,
    commands = { "stats", "top" },
    help = "the time between two readings",
    help_of = { stats = "with --watch: the time between two readings" } },
  { name = "brief", kind = "switch", once = true, commands = { "test" },
    help = "print one line, and the specs that failed" },
  { name = "test", kind = "switch", once = true, commands = { "dev" },
    help = "also run the specs that a saved file concerns, as\nweir test --watch --brief does" },
  { name = "coverage", kind = "switch", once = true, commands = { "test" },
    help = "print which lines of workflows did not run" },
  { name = "timeout", kind = "duration", argument = "D", once = true, commands = { "wait" },
    help = "wait no longer than that" },
  { name = "workflow", kind = "text", argument = "W", once = true, commands = { SELECT },
    help = "only runs of that workflow" },
  { name = "state", kind = "text", argument = "STATE", once = true, commands = { SELECT },
    help = "only runs in that state" },
  { name = "since", kind = "text", argument = "T", once = true, commands = { SELECT },
    help = 'only runs created then or later: 1h (ago), 2026-11-21, "2026-11-21 12:00"' },
  { name = "until", kind = "text", argument = "T", once = true, commands = { SELECT },
    help = "only runs created then or before" },
  { name = "after", kind = "text", argument = "RUN", once = true, commands = { "list" },
    help = "continue behind that run, the last one that list printed" },
  { name = "error", kind = "text", argument = "CODE", once = true, commands = { SELECT },
    help = "only runs with that code in their error or its causes" },
  { name = "match", kind = "text", argument = "TEXT", once = true, commands = { SELECT },
    help = "only runs with that text in id, workflow or error" },
  { name = "roots", kind = "switch", once = true, commands = { SELECT },
    help = "only runs that no other run started" },
  { name = "limit", kind = "number", argument = "N", least = 1, most = 1000000, once = true, commands = { SELECT },
    help = "at most that many runs",
    help_of = { list = "at most that many runs (default 50)" } },
  { name = "group", kind = "choice", argument = "error", once = true, commands = { "list" },
    help = "print one line for each kind of error" },
  { name = "dry-run", kind = "switch", once = true, commands = { ACTS },
    help = "print the ids of the runs that match, and do nothing" },
  { name = "rate", kind = "text", argument = "N/s", once = true, commands = { ACTS },
    help = "at most that many runs a second (50/s) or a minute (100/m)" },
  { name = "yes", kind = "switch", once = true, commands = { ACTS },
    help = "do not ask first when a SELECTOR matches runs" },
  { name = "now", kind = "switch", once = true, commands = { "cancel" },
    help = "terminate: run no clean-up of the workflow" },
  { name = "from", kind = "text", argument = "OPERATION", once = true, commands = { "retry" },
    help = "reset that operation and all that began after it" },
  { name = "to", kind = "choice", argument = "newest", default = "newest", once = true, commands = { "move" },
    help = "the code that the runs get" },
  { name = "scratch", kind = "switch", once = true, commands = { "retry" },
    help = "reset everything: the run begins anew" },

  -- hosts
  { name = "dir", kind = "text", argument = "DIR", commands = { "run" },
    help = "the folder of the workflows (default workflows, or the folder of FILE)" },
  { name = "node", kind = "text", argument = "NAME", commands = { "serve" },
    help = "the host's name; a host restarted under it resumes its runs at once\n(default HOSTNAME-PID)" },
  { name = "announce", kind = "switch", once = true, commands = { "serve" },
    help = "make these files the newest, also when newer ones were announced" },
  { name = "workers", kind = "number", argument = "N", least = 1, most = 256, commands = { HOSTS },
    help = "threads (default one a processor)" },
  { name = "concurrency", kind = "number", argument = "N", default = "1000", least = 1, most = 1000000,
    commands = { HOSTS },
    help = "at most that many runs that are not waiting" },
  { name = "warm", kind = "number", argument = "N", default = "10000", least = 0, most = 10000000,
    commands = { HOSTS },
    help = "waiting runs that a worker keeps in memory" },
  { name = "warm-memory", kind = "size", argument = "SIZE", default = "1GiB", commands = { HOSTS },
    help = "Lua memory of waiting runs, over all workers" },
  { name = "queues", kind = "list", argument = "A,B", default = "*", commands = { HOSTS },
    help = "the queues that this host serves; * is all" },
  { name = "durability", kind = "choice", argument = "always|everysec|none|replicated", default = "everysec",
    commands = { HOSTS, "start", ACTS },
    help = "how well Redis must keep what it acknowledges: its appendfsync, none\n"
      .. "without an append-only file, or replicated, with a replica",
    help_of = { run = OWN_REDIS, dev = OWN_REDIS, start = CONFIRMED, cancel = CONFIRMED, retry = CONFIRMED,
      delete = CONFIRMED, move = CONFIRMED } },
  { name = "state-dir", kind = "text", argument = "DIR", commands = { "serve" },
    help = "the folder that keeps what this host knows of the dataset, so that a\n"
      .. "Redis that lost data is noticed after a restart (default $STATE_DIRECTORY)" },
  { name = "accept-loss", kind = "text", argument = "DATASET", once = true, commands = { "serve" },
    help = "go on with a Redis that has lost changes of that dataset" },
  { name = "drain", kind = "duration", argument = "D", default = "30s", commands = { HOSTS },
    help = "time that running Lua has after SIGTERM to reach its next yield" },
  { name = "poll", kind = "duration", argument = "D", commands = { "serve", "dev" },
    help = "time between two looks at the workflow files, where Linux reports no\nchanges (NFS)" },
  { name = "reload", kind = "choice", argument = "warn|refuse|off", default = "warn",
    commands = { "serve", "dev" },
    help = "changed files that runs in flight could not go on with: log how many,\n"
      .. "keep the old bundle, or do not look" },
  { name = "lua-path", kind = "text", argument = "PATH", commands = { REPLAYS, "test" },
    help = "where workflows find Lua modules, as in package.path" },
  { name = "lua-cpath", kind = "text", argument = "PATH", commands = { REPLAYS, "test" },
    help = "where workflows find C modules, as in package.cpath" },
  { name = "max-payload", kind = "size", argument = "SIZE", default = "16MiB", commands = { REPLAYS },
    help = "limit of one payload" },
  { name = "max-memory", kind = "size", argument = "SIZE", default = "256MiB", commands = { REPLAYS },
    help = "limit of the Lua memory of one run" },
  { name = "max-cpu", kind = "duration", argument = "D", default = "5s", commands = { REPLAYS },
    help = "limit of CPU time of Lua between two operations" },
  { name = "max-stuck", kind = "duration", argument = "D", default = "1m", commands = { HOSTS },
    help = "limit of a call that Lua cannot interrupt; then the process gives up" },
  { name = "max-depth", kind = "number", argument = "N", default = "64", least = 1, most = 10000,
    commands = { REPLAYS },
    help = "limit of runs below each other" },
  { name = "max-crashes", kind = "number", argument = "N", default = "5", least = 1, most = 1000,
    commands = { HOSTS },
    help = "worker crashes after which a run fails" },

  -- settings of both
  { name = "redis", kind = "url", argument = "URL", commands = { CLIENTS, "serve" },
    help = URLS .. "(default the .weir/ here or above, else redis://127.0.0.1:6379/0)",
    help_of = { serve = URLS .. "(default redis://127.0.0.1:6379/0)" } },
  { name = "redis-password-file", kind = "text", argument = "FILE", commands = { CLIENTS, "serve", "check" },
    help = "the file that holds the password of Redis; read for each connection" },
  { name = "core-dumps", kind = "switch", commands = { "serve" },
    help = "let a crash leave a core dump, though it holds the password of Redis" },
  { name = "against", kind = "url", argument = "URL", once = true, commands = { "check" },
    help = "replay the runs in flight of that Redis on the files" },
  { name = "prefix", kind = "text", argument = "NAME", default = "weir",
    commands = { CLIENTS, HOSTS, "check" },
    help = "of all keys in Redis" },
  { name = "json", kind = "switch", commands = { PRINTS, "run", "check", "test", "version", "config" },
    help = "print JSON",
    help_of = {
      run = JSON_OF_RUN, wait = JSON_OF_RUN, start = JSON_OF_RUN .. "; with --each the counts",
      show = JSON_OF_RUN .. ", or the operation", list = "print a line of JSON for each run",
      check = "print the faults and warnings as JSON",
      cancel = JSON_OF_ACTS, retry = JSON_OF_ACTS, delete = JSON_OF_ACTS,
      move = JSON_OF_ACTS,
    } },
  { name = "log", kind = "choice", argument = "text|json", default = "text", commands = { HOSTS },
    help = "form of the log lines" },
  { name = "log-level", kind = "choice", argument = "debug|info|warn|error", commands = { HOSTS },
    help = "least level that is logged (default info; run: warn for the host, info\nfor runs)" },
  { name = "config", kind = "text", argument = "FILE", once = true, commands = { CLIENTS, HOSTS, "check", "test" },
    help = "a Lua table of these settings" },

  { name = "listen", later = { "serve" } }, { name = "token-file", later = { "serve" } },
}

-- Adds the names of a list, and of the lists in it, to a set.
local function add_names(set, list)
  for _, item in ipairs(list or {}) do
    if type(item) == "table" then add_names(set, item) else set[item] = true end
  end
  return set
end

local flags = { rows = rows }

local by_name = {}
for _, flag in ipairs(rows) do
  flag.commands, flag.later = add_names({}, flag.commands), add_names({}, flag.later)
  if flag.commands.serve then flag.commands.config = true end -- weir config shows what weir serve would have
  by_name[flag.name] = flag
end

---@param name string
---@return weir.Flag?
function flags.find(name) return by_name[name] end

---The key of a flag in the config file: lua_path of --lua-path.
---@param flag weir.Flag
---@return string
function flags.key(flag) return (flag.name:gsub("-", "_")) end

---The variable of a flag: WEIR_LUA_PATH of --lua-path.
---@param flag weir.Flag
---@return string
function flags.variable(flag) return "WEIR_" .. flags.key(flag):upper() end

---The key of a flag's value among a command's options.
---@param flag weir.Flag
---@return string
function flags.option(flag) return flags.key(flag) .. (flag.kind == "duration" and "_ms" or "") end

return flags
