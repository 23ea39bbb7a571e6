-- support: what the stories are told with: processes, a Redis of one's own, the binary, facts.
--
-- A process started here never outlives the tests: its shell reads a pipe that only the tests hold,
-- and kills it at the end of that pipe. Nothing waits for time: wait_until looks for a fact.

local cjson = require "cjson"
local socket = require "socket"
local system = require "system"

local support = {}

---The folder of the repository, from which the tests run.
---@type string
support.here = assert(io.popen "pwd"):read "l"

---Where the binaries under test are.
support.build = os.getenv "WEIR_BUILD" or "build"

---The same as an absolute path, for commands that run in another folder.
support.build_path = support.build:find "^/" and support.build or support.here .. "/" .. support.build

local PATIENCE_S = 20

local function quote(text) return "'" .. tostring(text):gsub("'", "'\\''") .. "'" end

local function quoted(words)
  local texts = {}
  for i, word in ipairs(words) do texts[i] = quote(word) end
  return table.concat(texts, " ")
end

local function variables(env)
  local words = {}
  for name, value in pairs(env or {}) do words[#words + 1] = name .. "=" .. quote(value) end
  return table.concat(words, " ")
end

---The text of a file, or nil when it is not there.
---@param path string
---@return string?
function support.read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a"
end

---@param path string
---@param text string
function support.write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

---A new, empty folder; the caller removes it.
---@return string
function support.folder()
  local listing <close> = assert(io.popen "mktemp -d /tmp/weir-test-XXXXXX")
  return assert(listing:read "l")
end

---@param folder string one that support.folder made
function support.remove(folder)
  assert(folder:find "^/tmp/weir%-test%-", folder)
  os.execute("rm -rf " .. quote(folder))
end

---The source of a file that defines one workflow, which has one attempt.
---@param id string
---@param body string of run(ctx, data)
---@return string
function support.workflow(id, body)
  return ('local weir = require "weir"\nreturn weir.workflow {\n  id = "%s",\n  retry = { attempts = 1 },\n'
    .. "  run = function(ctx, data)\n    %s\n  end,\n}\n"):format(id, body)
end

---Looks until `fact` returns something true, and returns that. Raises when it never does.
---@generic T
---@param what string what is waited for, in words
---@param fact fun(): T?
---@param patience_s number?
---@return T
function support.wait_until(what, fact, patience_s)
  local rest, deadline = system.sleep, system.monotime() + (patience_s or PATIENCE_S)
  repeat
    local found = fact()
    if found then return found end
    rest(0.001)
  until system.monotime() > deadline
  error("waited in vain for: " .. what, 2)
end

-- ---- processes ----------------------------------------------------------------------------------

---@class Process
---@field pid integer
---@field folder string of its output: stdout, stderr, status
local Process = {}
Process.__index = Process

-- The folder, then the command. Descriptor 3 is the pipe from the tests, closed for the command.
local KEEPER = [[
folder=$1
shift
exec 3<&0 2>/dev/null
"$@" >"$folder/stdout" 2>"$folder/stderr" </dev/null 3<&- &
pid=$!
echo $pid >"$folder/pid.new" && mv "$folder/pid.new" "$folder/pid"
{ read -r _ <&3; kill -KILL $pid; } &
guard=$!
wait $pid
echo $? >"$folder/status.new" && mv "$folder/status.new" "$folder/status"
kill $guard
]]

---Starts a program in the background.
---@param words string[] the program and its arguments
---@param env table<string, string>?
---@return Process
function support.process(words, env)
  local folder = support.folder()
  local keeper = assert(io.popen(("sh -c %s keeper %s env %s %s"):format(
    quote(KEEPER), folder, variables(env), quoted(words)), "w"))
  local self = setmetatable({ folder = folder, keeper = keeper }, Process)
  self.pid = support.wait_until("the pid of " .. words[1], function()
    return math.tointeger(tonumber(support.read(folder .. "/pid") or ""))
  end)
  return self
end

---@return string
function Process:stdout() return support.read(self.folder .. "/stdout") or "" end

---@return string
function Process:stderr() return support.read(self.folder .. "/stderr") or "" end

---Its exit status (128 + the signal that killed it), or nil while it runs.
---@return integer?
function Process:status()
  return math.tointeger(tonumber(support.read(self.folder .. "/status") or ""))
end

---@param name string "TERM", "STOP" ...
function Process:signal(name)
  if not self:status() then os.execute(("kill -%s %d 2>/dev/null"):format(name, self.pid)) end
end

---Stops it while a function runs. It then finds all that the function did at once.
---@param act fun()
function Process:paused_during(act)
  self:signal "STOP"
  support.wait_until(("process %d to be stopped"):format(self.pid), function()
    return (support.read(("/proc/%d/stat"):format(self.pid)) or ""):find ") T "
  end)
  act()
  self:signal "CONT"
end

---Waits until it has written a pattern to stderr so many times.
---@param pattern string
---@param times integer? 1, unless given
---@return string ... captures of the first match
function Process:says(pattern, times)
  local text, count
  local ok, fault = pcall(support.wait_until, "the process to say: " .. pattern, function()
    text = self:stderr()
    count = select(2, text:gsub(pattern, ""))
    return count >= (times or 1)
  end)
  if not ok then error(fault .. "; it said:\n" .. text, 2) end
  return text:match(pattern)
end

---Waits for its end.
---@return integer status
function Process:wait()
  return support.wait_until("the end of process " .. self.pid, function() return self:status() end)
end

---Ends it, waits, and removes what it wrote.
---@param signal string? KILL, unless another is named
---@return integer status
---@return string stderr
function Process:stop(signal)
  self:signal(signal or "KILL")
  local status, stderr = self:wait(), self:stderr()
  self.keeper:close()
  support.remove(self.folder)
  return status, stderr
end

-- ---- Redis --------------------------------------------------------------------------------------

---@class Redis
---@field url string
---@field durability string? that hosts have to ask for, so that they take it
---@field process Process
local Redis = {}
Redis.__index = Redis

---A redis-server on a unix socket, with its data in a folder of its own.
---@param settings string[]? more of its command line
---@param movable boolean? its clock can be set
---@return Redis
function support.redis(settings, movable)
  local folder = support.folder()
  local self = setmetatable({ folder = folder, socket = folder .. "/redis.sock" }, Redis)
  self.env = movable and { LD_PRELOAD = "./build/native/clock.so", TEST_CLOCK = folder .. "/clock" } or nil
  self.url = "unix://" .. self.socket
  self.settings = settings or {}
  for _, value in ipairs(self.settings) do
    if value == "no" then self.durability = "none" end -- of appendonly or appendfsync
  end
  self:start()
  return self
end

---One that another command line starts on the unix socket redis.sock in its folder.
---@param folder string that support.folder made; `stop` removes it
---@param words string[]
---@return Redis
function support.redis_in(folder, words)
  local self = setmetatable({ folder = folder, socket = folder .. "/redis.sock", words = words }, Redis)
  self.url = "unix://" .. self.socket
  self:start()
  return self
end

---Starts it (again, after a stop or kill of its process) on the data it has.
function Redis:start()
  local words = {
    "redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", self.folder, "--save", "",
    "--appendonly", "yes", "--daemonize", "no",
  }
  words = self.words or table.move(self.settings, 1, #self.settings, #words + 1, words)
  self.process = support.process(words, self.env)
  support.wait_until("Redis to answer", function()
    assert(not self.process:status(), self.process:stdout())
    return self:call "PING" == "PONG"
  end)
end

---Sets the clock of a Redis that is movable: from now on it is that far from the true time.
---@param offset_ms integer
function Redis:set_clock(offset_ms)
  support.write(self.folder .. "/clock.new", ("%d"):format(offset_ms))
  assert(os.rename(self.folder .. "/clock.new", self.folder .. "/clock"))
end

---A Redis whose default user has the rights that host/README.md gives a user for weir, and no more.
---The user `observer`, password `sesame`, may do all.
---@return Redis
function support.restricted_redis()
  local rights = assert(support.read "host/README.md":match "ACL SETUSER weir on >PASSWORD ([^`]+)\n```")
  local words, redis = {}, support.redis()
  for word in rights:gmatch "%S+" do words[#words + 1] = word end
  redis:call("ACL", "SETUSER", "observer", "on", ">sesame", "allkeys", "allchannels", "allcommands")
  assert(redis:call("ACL", "SETUSER", "default", "reset", "on", "nopass", table.unpack(words)) == "OK")
  return redis
end

---The output of redis-cli for a command.
---@param ... string|integer
---@return string
function Redis:call(...)
  local words = { "redis-cli", "-s", self.socket, ... }
  local output <close> = assert(io.popen(quoted(words) .. " 2>&1"))
  return (output:read "a":gsub("\n$", ""))
end

---The output of redis-cli for several commands on one connection.
---@param ... (string|integer)[]
---@return string
function Redis:call_together(...)
  local lines = {}
  for i, words in ipairs { ... } do
    local texts = {}
    for at, word in ipairs(words) do texts[at] = ("%q"):format(tostring(word)) end
    lines[i] = table.concat(texts, " ")
  end
  support.write(self.folder .. "/commands", table.concat(lines, "\n") .. "\n")
  local output <close> = assert(io.popen(quoted { "redis-cli", "-s", self.socket } .. " 2>&1 <"
    .. quote(self.folder .. "/commands")))
  return output:read "a"
end

---A port of the loopback interface that no program uses.
---@return integer
function support.free_port()
  local server = assert(socket.bind("127.0.0.1", 0))
  local _, port = server:getsockname()
  server:close()
  return math.tointeger(tonumber(port))
end

---A node of a Redis Cluster that has no slot yet.
---@return Redis node with its `port` and `bus_port`
function support.cluster_node()
  local port, bus_port = support.free_port(), support.free_port()
  local node = support.redis { "--bind", "127.0.0.1", "--port", port, "--cluster-enabled", "yes", "--cluster-port",
    bus_port }
  node.port, node.bus_port = port, bus_port
  return node
end

function Redis:stop()
  self.process:stop()
  support.remove(self.folder)
end

-- ---- the binary ---------------------------------------------------------------------------------

---@class Reply
---@field status integer
---@field stdout string
---@field stderr string

---Runs the binary to its end. A table as last argument: `stdin` (text), `env`, `program`.
---@param ... string
---@return Reply
function support.weir(...)
  local words = { ... }
  local options = type(words[#words]) == "table" and table.remove(words) or {}
  local folder = support.folder()
  support.write(folder .. "/stdin", options.stdin or "")
  table.insert(words, 1, ("%s/%s"):format(support.build, options.program or "weir"))
  local command = ("%s %s <%s/stdin >%s/stdout 2>%s/stderr"):format(
    variables(options.env), quoted(words), folder, folder, folder)
  local _, how, code = os.execute(command)
  local reply = {
    status = how == "exit" and code or 128 + code,
    stdout = support.read(folder .. "/stdout"),
    stderr = support.read(folder .. "/stderr"),
  }
  support.remove(folder)
  return reply
end

---@class Host
---@field redis Redis
---@field process Process
---@field folder string? of `support.host_of`
local Host = {}
Host.__index = Host

---@class HostOptions
---@field redis Redis? that of another host; without it one is started, and stopped with the host
---@field flags string[]? of `weir serve`
---@field env table<string, string>?
---@field program string? "faulty" instead of "weir"
---@field under string[]? words before it: a program that runs it

---A host on workflow folders, ready for runs.
---@param folders string[]
---@param options HostOptions?
---@return Host
function support.host(folders, options)
  options = options or {}
  local self = setmetatable({ folders = folders, options = options }, Host)
  self.redis = options.redis or support.redis()
  self:start()
  return self
end

---A host on a folder of its own, which has these files; `stop` removes the folder.
---@param files table<string, string> path in the folder -> text
---@param options HostOptions?
---@return Host host with its `folder`
function support.host_of(files, options)
  local folder = support.folder()
  for path, text in pairs(files) do support.write(folder .. "/" .. path, text) end
  local host = support.host({ folder }, options)
  host.folder = folder
  return host
end

---Starts it (again), and waits until it is ready.
function Host:start()
  local program = ("%s/%s"):format(support.build, self.options.program or "weir")
  local words = table.move(self.options.under or {}, 1, #(self.options.under or {}), 1, {})
  table.move({ program, "serve", "--redis", self.redis.url }, 1, 4, #words + 1, words)
  table.move(self.options.flags or {}, 1, #(self.options.flags or {}), #words + 1, words)
  table.move(self.folders, 1, #self.folders, #words + 1, words)
  local env = { WEIR_DURABILITY = self.redis.durability }
  for name, value in pairs(self.options.env or {}) do env[name] = value end
  self.process = support.process(words, env)
  support.wait_until("the host to be ready", function()
    assert(not self.process:status(), self.process:stderr())
    return self.process:stderr():find "ready"
  end)
end

---Runs a command of the binary on the host's Redis.
---@param ... string
---@return Reply
function Host:weir(...)
  local words = { ... }
  local options = type(words[#words]) == "table" and table.remove(words) or {}
  options.env = options.env or {}
  options.env.WEIR_REDIS = self.redis.url
  words[#words + 1] = options
  return support.weir(table.unpack(words))
end

---Runs a command of the binary on the host's Redis and on a terminal of its own, to its end.
---@param terminal { columns: integer?, env: table<string, string>?, typed: string? }
---@param ... string
---@return string text all that it wrote, stdout and stderr together
---@return integer status
function Host:on_terminal(terminal, ...)
  local env = { TERM = "xterm", WEIR_REDIS = self.redis.url }
  for name, value in pairs(terminal.env or {}) do env[name] = value end
  local command = ("stty cols %d; env %s %s"):format(terminal.columns or 80, variables(env),
    quoted { support.build .. "/weir", ... })
  local process = support.process(terminal.typed
    and { "sh", "-c", [[printf '%s\n' "$1" | script -qec "$2" /dev/null]], "sh", terminal.typed, command }
    or { "script", "-qec", command, "/dev/null" })
  local status = process:wait()
  local text = process:stdout():gsub("\r", "")
  process:stop()
  return text, status
end

---A run as `weir show --json` tells it, or nil when there is none.
---@param id string
---@return table?
function Host:run(id)
  local reply = self:weir("show", id, "--json")
  return reply.status == 0 and cjson.decode(reply.stdout) or nil
end

---Waits until a run is in a state, and returns it.
---@param id string
---@param state string
---@return table
function Host:wait_for(id, state)
  return support.wait_until(("%s to be %s"):format(id, state), function()
    local run = self:run(id)
    return run and run.state == state and run
  end)
end

---Ends the host as a crash would; its Redis goes on.
---@return integer status
function Host:kill() return (self.process:stop()) end

---Whether its process was started and not ended by the story.
function Host:is_there() return support.read(self.process.folder .. "/pid") ~= nil end

---Ends it as a supervisor would, and its Redis when that is its own.
---@return integer? status nil when it was killed before
---@return string? stderr
function Host:stop()
  local status, stderr
  if self:is_there() then status, stderr = self.process:stop "TERM" end
  if not self.options.redis then self.redis:stop() end
  if self.folder then support.remove(self.folder) end
  return status, stderr
end

return support
