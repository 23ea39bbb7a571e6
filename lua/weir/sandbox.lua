-- What workflow code sees as its globals. Each bundle has one _ENV, an empty table whose metatable
-- points to the globals of whoever runs: `enter` points it at a run's, loading at the bundle's.
-- So _G is per run, libraries are shared behind faces that refuse writes, and nothing that differs
-- between a live run and its replay (clock, chance, files, table order) is in reach, save in steps.
-- Loads nothing itself (bundle.lua does) and never decides when a run runs (executor.lua does).

local coroutines = require "weir.coroutines"
local frozen = require "weir.frozen"
local json = require "weir.json"
local order = require "weir.order"

local sandbox = {}

---What `enter` needs of a run.
---@class weir.sandbox.Run
---@field id string?
---@field globals table? its own globals, made when it first writes one
---@field step any non-nil while the body of a step runs
---@field now fun(self): number seconds of the last delivered outcome
---@field random fun(self, m?: integer, n?: integer): number as math.random

---@class weir.Environment
---@field proxy table the _ENV of the bundle's files
---@field face table the proxy's metatable; its __index and __newindex are who runs
---@field globals table libraries, and what files set while they load
---@field first_write function makes a run's own globals

---@type weir.sandbox.Run?
local current
---@type weir.Environment?
local entered

local environment_of = setmetatable({}, { __mode = "k" }) -- proxy -> environment

local function in_step()
  return current ~= nil and current.step ~= nil
end

order.setup(in_step)

-- Refusals. Levels count so that the author's own line is named.

local function refuse_here(name, level)
  if current then
    error(name .. " does not work in workflow code, which replays: call it in a ctx:step", level)
  end
  error(name .. " does not work while a file loads: call it in a ctx:step", level)
end

local function step_only(name, call)
  return function(...)
    if not in_step() then refuse_here(name, 3) end
    return call(...)
  end
end

local function never(name, reason)
  return function() error(("%s is not for workflow code: %s"):format(name, reason), 2) end
end

-- Libraries

local function copied(members, changes)
  local copy = {}
  for name, member in pairs(members) do copy[name] = member end
  for name, member in pairs(changes) do copy[name] = member end
  return copy
end

-- A value read while files load would be another one in each worker.
local function run_seconds(name)
  if current then return current:now() end
  error(name .. " would give each worker another value while a file loads: call it in run", 3)
end

local os_members = {
  difftime = os.difftime,
  exit = never("os.exit", "it would end the host; return from run or raise an error"),
  setlocale = never("os.setlocale", "it would change the whole host"),
}
for _, name in ipairs { "execute", "remove", "rename", "tmpname" } do
  os_members[name] = step_only("os." .. name, os[name])
end

function os_members.time(when)
  if when ~= nil then return os.time(when) end
  if in_step() then return os.time() end
  return math.floor(run_seconds("os.time"))
end

function os_members.date(format, when)
  if when == nil then
    when = in_step() and os.time() or math.floor(run_seconds("os.date"))
  end
  return os.date(format or "%c", when)
end

function os_members.clock()
  if in_step() then return os.clock() end
  return (run_seconds("os.clock"))
end

function os_members.getenv(name)
  if current and not in_step() then
    error("os.getenv does not work in run, as it may differ on replay:"
      .. " call it at the top of the file or in a ctx:step", 2)
  end
  return os.getenv(name)
end

local math_members = copied(math, {
  random = function(...)
    if in_step() then return math.random(...) end
    if not current then
      error("math.random would give each worker another value while a file loads:"
        .. " call it in run", 2)
    end
    return current:random(...)
  end,
  -- The run's seed decides; the usual randomseed at the top of a module must do no harm.
  randomseed = function(...)
    if in_step() then return math.randomseed(...) end
  end,
})

local io_members = { type = io.type }
for _, name in ipairs { "close", "input", "lines", "open", "output", "popen", "read", "tmpfile",
                        "write" } do
  io_members[name] = step_only("io." .. name, io[name])
end
local io_files = { stdin = io.stdin, stdout = io.stdout, stderr = io.stderr }

local string_face = frozen.face("string", copied(string, {
  dump = never("string.dump", "bytecode cannot be loaded"),
}))

local libraries = {
  coroutine = frozen.face("coroutine", coroutines),
  debug = frozen.face("debug", { traceback = debug.traceback }),
  io = frozen.face("io", io_members, function(_, name)
    if io_files[name] and not in_step() then refuse_here("io." .. name, 3) end
    return io_members[name] or io_files[name]
  end),
  math = frozen.face("math", math_members),
  os = frozen.face("os", os_members),
  string = string_face,
  table = frozen.face("table", table),
  utf8 = frozen.face("utf8", utf8),
}

-- Basic functions

-- Strings and open files share one metatable among all runs: shown, but not handed out.
local string_metatable = frozen.face("the metatable of strings",
  copied(debug.getmetatable(""), { __index = string_face }))

local function shown_metatable(value)
  if type(value) == "string" then return string_metatable end
  if io.type(value) then return "file" end
  return getmetatable(value)
end

local function checked_setmetatable(t, metatable)
  if type(metatable) == "table" and rawget(metatable, "__gc") ~= nil then
    error("setmetatable: __gc is not for workflow code, as nobody knows when it runs", 2)
  end
  return setmetatable(t, metatable)
end

local function checked_rawset(t, key, value)
  if environment_of[t] then
    t[key] = value -- the proxy stays empty: it sends the write to whoever runs
    return t
  end
  if frozen.members(t) or t == json.null or t == json.array_metatable then
    error(("%s cannot be written: it is shared by all runs"):format(getmetatable(t)), 2)
  end
  return rawset(t, key, value)
end

local function true_rawget(t, key)
  local environment = environment_of[t]
  return rawget(environment and environment.face.__index or frozen.members(t) or t, key)
end

---Where `print` goes. The executor may put its own here.
---@param run weir.sandbox.Run?
---@param text string
function sandbox.on_print(run, text)
  local has_host, host = pcall(require, "weir.native.host")
  if has_host then
    host.log("info", run and run.id, text)
  else
    io.stderr:write(text, "\n")
  end
end

local function print_to_log(...)
  local texts = table.pack(...)
  for i = 1, texts.n do texts[i] = tostring(texts[i]) end
  sandbox.on_print(current, table.concat(texts, "\t"))
end

local basics = copied(libraries, {
  _VERSION = _VERSION,
  assert = assert,
  collectgarbage = never("collectgarbage", "memory is the worker's, not the run's"),
  dofile = never("dofile", "use require"),
  error = error,
  getmetatable = shown_metatable,
  ipairs = ipairs,
  loadfile = never("loadfile", "use require"),
  next = order.next,
  pairs = order.pairs,
  pcall = pcall,
  print = print_to_log,
  rawequal = rawequal,
  rawget = true_rawget,
  rawlen = rawlen,
  rawset = checked_rawset,
  select = select,
  setmetatable = checked_setmetatable,
  tonumber = tonumber,
  tostring = tostring,
  type = type,
  warn = print_to_log,
  xpcall = xpcall,
})

-- Environments

local function refuse_write(_, name)
  error(("global '%s' written while no run of this bundle runs"):format(tostring(name)), 2)
end

---A fresh environment for the files of a bundle.
---@param require function the bundle's own
---@return weir.Environment
function sandbox.environment(require)
  local environment = { proxy = {}, globals = copied(basics, { require = require }) }
  local proxy, globals = environment.proxy, environment.globals
  globals._G = proxy

  -- In place of the load that takes bytecode and sees the host's own globals.
  function globals.load(chunk, name, _, ...)
    if select("#", ...) > 0 then return load(chunk, name, "t", (...)) end
    return load(chunk, name, "t", proxy)
  end

  -- A copy, so that a run can also clear what a file had set. Few runs write globals.
  function environment.first_write(_, name, value)
    local run_globals = copied(globals, {})
    current.globals = run_globals
    environment.face.__index, environment.face.__newindex = run_globals, run_globals
    run_globals[name] = value
  end

  environment.face = {
    __index = globals,
    __newindex = refuse_write,
    __pairs = function() return frozen.iterate(environment.face.__index, proxy) end,
    __metatable = "_G",
  }
  setmetatable(proxy, environment.face)
  environment_of[proxy] = environment
  return environment
end

---The library that `require(name)` gives to workflow code; nil when that is none of Lua's own.
---@param name string
---@param environment weir.Environment
---@return table?
function sandbox.library(name, environment)
  return name == "_G" and environment.proxy or libraries[name]
end

---Runs code of files that load: no run is current, globals written are the bundle's, no yields.
---May come in the midst of a run (a late `require`), which then goes on as it was.
---@param environment weir.Environment
---@param call fun() what it raises is raised again, as it was
function sandbox.load(environment, call)
  local face, run, outer = environment.face, current, entered
  local reads, writes = face.__index, face.__newindex
  current, entered = nil, environment
  face.__index, face.__newindex = environment.globals, environment.globals
  -- A callback of gsub is the call of plain Lua that nothing can yield across.
  local ok, raised = pcall(string.gsub, ".", ".", function() call() end)
  current, entered = run, outer
  face.__index, face.__newindex = reads, writes
  if not ok then error(raised, 0) end
end

---Makes `run` the current run: the bundle's files see its globals, clock and chance.
---Called for every turn, so it is a handful of table writes.
---@param bundle weir.Bundle
---@param run weir.sandbox.Run
function sandbox.enter(bundle, run)
  local environment = bundle.environment
  local face, globals = environment.face, run.globals
  current, entered = run, environment
  face.__index = globals or environment.globals
  face.__newindex = globals or environment.first_write
end

---No run is current any more.
function sandbox.leave()
  if not entered then return end
  local face = entered.face
  face.__index, face.__newindex = entered.globals, refuse_write
  current, entered = nil, nil
end

---@return weir.sandbox.Run? run the run whose code runs now
function sandbox.current()
  return current
end

return sandbox
