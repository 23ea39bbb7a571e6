-- Provides the globals that workflow code sees. Each bundle has one _ENV: an empty table whose metatable points to the
-- globals of the run whose code runs (`enter`), or of the bundle while its files load. So each run has its own _G, and
-- all runs share the libraries, as read-only views. Code outside of steps cannot reach values that differ between a
-- run and its replay: the clock, random numbers, files, the order of tables.
--
-- bundle.lua loads files; engine/run.lua decides when the code of a run runs.

local call_site = require "weir.base.call_site"
local calendar = require "weir.code.calendar"
local random = require "weir.base.random"
local coroutines = require "weir.code.coroutines"
local files = require "weir.code.files"
local readonly = require "weir.base.readonly"
local json = require "weir.json"
local names = require "weir.code.names"
local ordered_pairs = require "weir.base.ordered_pairs"
local sort = require "weir.code.sort"

local sandbox = {}

---The part of a run that `enter` needs.
---@class weir.sandbox.Run
---@field id string?
---@field created_at integer? ms
---@field globals table? its own globals, made at its first write
---@field step table? non-nil while the body of a step runs
---@field now fun(self): number seconds of the last delivered outcome
---@field random fun(self, m?: integer, n?: integer): number as math.random

---@class weir.Environment
---@field proxy table the _ENV of the bundle's files
---@field metatable table of the proxy; __index and __newindex point to the globals in use
---@field globals table libraries, and globals that files set while they load
---@field libraries table<string, table> views of Lua's own
---@field first_write function it makes a run's own globals

---@type weir.sandbox.Run?
local current
---@type weir.Environment?
local entered

local environment_of = setmetatable({}, { __mode = "k" }) -- proxy -> environment

---@type string? the module from --lua-path that loads now
local outside

local function in_step()
  return current ~= nil and current.step ~= nil
end

-- Contexts and futures keep weir's own fields under keys that authors cannot name; loops of authors skip these keys.
local PRIVATE = { ["weir.Context"] = true, ["weir.Future"] = true }

ordered_pairs.setup(function(t)
  local metatable = debug.getmetatable(t)
  return in_step() and not (metatable and PRIVATE[rawget(metatable, "__name")])
end)

call_site.setup(function() return current end)

names.setup(function()
  if current then return current.step == nil and current or nil end
  return entered -- files load
end)

-- Refusals. The level makes the message name the author's own line.

local function refuse_here(name, level)
  if current then
    error(name .. " does not work in workflow code, which replays: call it in a ctx:step", level)
  end
  error(name .. " does not work while a file loads: call it in a ctx:step", level)
end

local function current_step() return current and current.step end

-- Between runs, only weir's own code and specs use files. A module on --lua-path may warn while it loads.
local function may_use_files() return entered == nil or outside ~= nil or in_step() end

files.setup(current_step, refuse_here, may_use_files)

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

-- A value that is read while files load would differ from worker to worker.
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
  os_members[name] = files.step_only("os." .. name, os[name])
end

-- Steps have the host's clock and time zone. All other code has UTC.
function os_members.time(when)
  if in_step() then return os.time(when) end
  if when ~= nil then return calendar.time(when) end
  return math.floor(run_seconds("os.time"))
end

function os_members.date(format, when)
  if in_step() then return os.date(format, when) end
  return calendar.date(format, when or math.floor(run_seconds("os.date")))
end

-- Seconds since the run began, by the replayed clock. A module on --lua-path that measures its loading gets 0.
function os_members.clock()
  if in_step() then return os.clock() end
  if outside then return 0.0 end
  return run_seconds("os.clock") - (current.created_at or 0) / 1000
end

function os_members.getenv(name)
  if current and not in_step() then
    error("os.getenv does not work in run, as it may differ on replay:"
      .. " call it at the top of the file or in a ctx:step", 2)
  end
  return os.getenv(name)
end

-- A step draws from a generator of its own, seeded by the system, so that other runs of the worker cannot seed it.

local function system_seed()
  local source <close> = assert(io.open("/dev/urandom", "rb"))
  return (string.unpack("j", files.methods.read(source, 8)))
end

local function seed_step(seed)
  local step = current.step
  step.seed, step.draws = seed, 0
end

local function step_bits()
  local step = current.step
  if not step.seed then seed_step(system_seed()) end
  step.draws = step.draws + 1
  return random.bits(step.seed, "step", step.draws)
end

local math_members = copied(math, {
  random = function(...)
    if in_step() then return random.random(step_bits, ...) end
    if not current then
      error("math.random would give each worker another value while a file loads:"
        .. " call it in run", 2)
    end
    return current:random(...)
  end,
  -- The run's seed decides. Modules often call randomseed when they load, so a call is ignored, not refused.
  randomseed = function(seed)
    if not in_step() then return end
    if seed == nil then return seed_step(system_seed()) end
    if not tonumber(seed) then
      error("bad argument #1 to 'randomseed' (number expected, got " .. type(seed) .. ")", 2)
    end
    seed_step(math.tointeger(seed) or string.unpack("j", string.pack("n", seed)))
  end,
})

local string_members = copied(string, {
  dump = never("string.dump", "bytecode cannot be loaded"),
  format = names.format,
})

-- Methods of strings use these functions, too. Functions that a program around weir adds to its library still work.
debug.getmetatable("").__index = setmetatable(copied(string_members, {}), { __index = string })

local package_members = {
  config = package.config, path = "", cpath = "",
  searchpath = never("package.searchpath", "use require"),
  loadlib = never("package.loadlib", "use require"),
}

-- A module on --lua-path may change Lua's libraries while it loads, so each bundle has its own.
local function loads_outside() return outside ~= nil end

local function new_libraries()
  local libraries = {}
  for name, members in pairs {
    coroutine = coroutines.library, debug = { traceback = debug.traceback }, io = files.library, math = math_members,
    os = os_members, string = string_members, table = copied(table, { sort = sort }), utf8 = utf8,
  } do
    libraries[name] = readonly.view(name, copied(members, {}), loads_outside)
  end
  -- For modules that read it when they load. It cannot load anything.
  libraries.package = readonly.view("package", copied(package_members, {
    loaded = readonly.view("package.loaded", copied(libraries, {}), loads_outside),
    preload = readonly.view("package.preload", {}, loads_outside),
  }), loads_outside)
  return libraries
end

-- Basic functions

-- All runs share the metatables of strings and open files: getmetatable returns a view of them.
local string_metatable = readonly.view("the metatable of strings",
  copied(debug.getmetatable(""), { __index = readonly.view("string", string_members) }))

local function shown_metatable(value)
  if type(value) == "string" then return string_metatable end
  if io.type(value) then return "file" end
  return getmetatable(value)
end

local function checked_setmetatable(t, metatable)
  if type(metatable) == "table" then
    if rawget(metatable, "__gc") ~= nil then
      error("setmetatable: __gc is not for workflow code: when it runs differs from process to process", 2)
    elseif rawget(metatable, "__mode") ~= nil and not outside and not in_step() then
      error("setmetatable: __mode is not for workflow code: what a weak table loses differs from process to process", 2)
    end
  end
  return setmetatable(t, metatable)
end

local function checked_rawset(t, key, value)
  if environment_of[t] then
    t[key] = value -- the proxy stays empty: it sends the write to whoever runs
    return t
  end
  if readonly.members(t) or t == json.null or t == json.array_metatable then
    error(("%s cannot be written: it is shared by all runs"):format(getmetatable(t)), 2)
  end
  return rawset(t, key, value)
end

local function true_rawget(t, key)
  local environment = environment_of[t]
  return rawget(environment and environment.metatable.__index or readonly.members(t) or t, key)
end

---Receives the text of `print`. The engine replaces it.
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
  for i = 1, texts.n do texts[i] = names.tostring(texts[i]) end
  sandbox.on_print(current, table.concat(texts, "\t"))
end

local basics = {
  _VERSION = _VERSION,
  assert = assert,
  collectgarbage = never("collectgarbage", "memory is the worker's, not the run's"),
  dofile = never("dofile", "use require"),
  error = error,
  getmetatable = shown_metatable,
  ipairs = ipairs,
  loadfile = never("loadfile", "use require"),
  next = ordered_pairs.next,
  pairs = ordered_pairs.pairs,
  pcall = pcall,
  print = print_to_log,
  rawequal = rawequal,
  rawget = true_rawget,
  rawlen = rawlen,
  rawset = checked_rawset,
  select = select,
  setmetatable = checked_setmetatable,
  tonumber = tonumber,
  tostring = names.tostring,
  type = type,
  warn = print_to_log,
  xpcall = xpcall,
}

-- Environments

local function refuse_write(_, name)
  error(("global '%s' written while no run of this bundle runs"):format(tostring(name)), 2)
end

---Makes the environment for the files of a bundle.
---@param require function the bundle's own
---@return weir.Environment
function sandbox.environment(require)
  local libraries = new_libraries()
  local environment = {
    proxy = {}, libraries = libraries, globals = copied(copied(basics, libraries), { require = require }),
  }
  local proxy, globals = environment.proxy, environment.globals
  globals._G = proxy

  -- Replaces Lua's `load`, which takes bytecode and sees the globals of the host.
  function globals.load(chunk, name, _, ...)
    if type(name) == "string" and name:find("^=%[") then
      error('load: a chunk name that begins with "=[" is for Lua and weir; use "=name" or "@file"', 2)
    end
    if select("#", ...) > 0 then return load(chunk, name, "t", (...)) end
    return load(chunk, name, "t", proxy)
  end

  -- A copy, so that a run can also clear a global that a file has set. Few runs write globals.
  function environment.first_write(_, name, value)
    local run_globals = copied(globals, {})
    current.globals = run_globals
    environment.metatable.__index, environment.metatable.__newindex = run_globals, run_globals
    run_globals[name] = value
  end

  environment.metatable = {
    __index = globals,
    __newindex = refuse_write,
    __pairs = function() return readonly.iterate(environment.metatable.__index, proxy) end,
    __metatable = "_G",
  }
  setmetatable(proxy, environment.metatable)
  environment_of[proxy] = environment
  return environment
end

---The library of Lua that `require(name)` returns to workflow code; nil if it is none.
---@param name string
---@param environment weir.Environment
---@return table?
function sandbox.library(name, environment)
  return name == "_G" and environment.proxy or environment.libraries[name]
end

---Runs the code of a file that loads: no run is current, writes to globals go to the bundle, and yields are refused.
---A run may cause this (a late `require`); it then continues as before.
---@param environment weir.Environment
---@param call fun() what it raises is raised again, as it was
---@param name string? of a module that is not the bundle's
function sandbox.load(environment, call, name)
  local metatable, run, outer, outer_module = environment.metatable, current, entered, outside
  local reads, writes = metatable.__index, metatable.__newindex
  current, entered, outside = nil, environment, name
  metatable.__index, metatable.__newindex = environment.globals, environment.globals
  -- No code can yield across a callback of gsub.
  local ok, raised = pcall(string.gsub, ".", ".", function() call() end)
  current, entered, outside = run, outer, outer_module
  metatable.__index, metatable.__newindex = reads, writes
  if not ok then error(raised, 0) end
end

---Makes `run` the current run: the code of the bundle sees its globals, clock and random numbers. Each turn calls this,
---so it only writes to a few tables.
---@param bundle weir.Bundle
---@param run weir.sandbox.Run
function sandbox.enter(bundle, run)
  local environment = bundle.environment
  local metatable, globals = environment.metatable, run.globals
  current, entered = run, environment
  metatable.__index = globals or environment.globals
  metatable.__newindex = globals or environment.first_write
end

---No run is current any more.
function sandbox.leave()
  if not entered then return end
  local metatable = entered.metatable
  metatable.__index, metatable.__newindex = entered.globals, refuse_write
  current, entered = nil, nil
end

---@return weir.sandbox.Run? run the run whose code runs now
function sandbox.current()
  return current
end

return sandbox
