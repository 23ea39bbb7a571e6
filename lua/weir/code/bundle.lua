-- Loads bundles. A bundle is all sources of one folder at one moment. Each file is evaluated once, in the bundle's own
-- environment. A file that returns definitions gives the bundle its workflows; any other file is a module. A bundle is
-- loaded whole or not at all, and the faults of all files are reported. This module reads no folder (the sources come
-- from Redis) and runs no workflow.

local definition = require "weir.define.definition"
local file_methods = require("weir.code.files").methods
local readonly = require "weir.base.readonly"
local graph_plan = require "weir.define.graph_plan"
local json = require "weir.json"
local sorted_keys = require "weir.base.sorted_keys"
local suggest = require "weir.base.suggest"
local sandbox = require "weir.code.sandbox"
local source_files = require "weir.base.source_files"
local strings = require "weir.base.strings"
local weir = require "weir"

local bundle = {}

---@class weir.Bundle
---@field name string the hash of its sources
---@field workflows table<string, weir.Definition>
---@field environment weir.Environment
---@field notes string[] each "file: message": on files that load, but probably not as their author meant
---@field silent table<string, boolean> paths of the files that return nothing

---@class weir.Loader
---@field files table<string, string>
---@field environment weir.Environment
---@field values table<string, any> path -> what the file returned
---@field failures table<string, string> path -> its fault
---@field underway string[] paths of files being evaluated, outermost first
---@field foreign table<string, any> modules of C, by name
---@field required table<string, boolean> paths that another file required
---@field silent table<string, boolean> paths that returned nothing

-- `require` returns these views of weir's modules to authors. All runs share them.
local json_view = readonly.view("weir.json", {
  encode = json.encode,
  decode = json.decode,
  try_encode = json.try_encode,
  try_decode = json.try_decode,
  null = json.null,
  array = json.array,
  is_array = json.is_array,
})
local weir_members = { json = json_view }
for name, member in pairs(weir) do weir_members[name] = weir_members[name] or member end

-- `__index` raises an error that names the missing field. A call of a nil field would give a less useful error.
local LATER = { exec = true, http = true, pause = true }
setmetatable(weir_members, {
  __index = function(_, key)
    if LATER[key] then error(("weir.%s is not there yet"):format(key), 2) end
    local meant = type(key) == "string" and suggest.find(key, sorted_keys.of(weir_members))
    error(("weir has no %s%s"):format(tostring(key), meant and ("; did you mean %s?"):format(meant) or ""), 2)
  end,
})
local own_modules = { weir = readonly.view("weir", weir_members), ["weir.json"] = json_view }

-- ------------------------------------------------------------------------------------------------
-- Faults: each is "file:line: message"

local function escaped(text)
  return (text:gsub("%p", "%%%0"))
end

-- Lua shortens a long file name in its messages; faults have the whole name.
local function with_whole_path(text, path, short)
  return (text:gsub("^" .. escaped(short), function() return path end))
end

local function text_of(raised)
  local ok, text = pcall(tostring, raised)
  return ok and text or "error of type " .. type(raised)
end

local FAULT_BYTES = 4096

-- A fault as one line, whatever the author's code raised.
local function one_line(fault) return strings.plain(strings.cut(fault, FAULT_BYTES)) end

-- The message handler of an evaluation. It puts the author's innermost line in front of a message that has no position
-- yet.
local function located(files, path)
  return function(raised)
    local text = text_of(raised)
    local level, info = 2, debug.getinfo(2, "Sl")
    while info do
      local file = info.source:match("^@(.*)$")
      if file and (files[file] or file == path) and info.currentline > 0 then
        local whole = with_whole_path(text, file, info.short_src)
        if type(raised) == "string" and text:find("^[^\n]-:%d+: ") then return whole end
        return ("%s:%d: %s"):format(file, info.currentline, text)
      end
      level = level + 1
      info = debug.getinfo(level, "Sl")
    end
    if type(raised) == "string" and text:find("^[^\n]-:%d+: ") then return text end
    return ("%s:1: %s"):format(path, text)
  end
end

-- ------------------------------------------------------------------------------------------------
-- Evaluation

-- Stands in the first line of each file. A block with a variable to close makes no tail calls, so errors and
-- definitions have the line of `return weir.workflow {...}`.
local NO_TAIL_CALL = "local _file <close> = nil; "

local function compile(source, path, environment)
  source = source:gsub("^\xEF\xBB\xBF", ""):gsub("^#", "--#")
  local chunk, fault = load(NO_TAIL_CALL .. source, "@" .. path, "t", environment.proxy)
  if chunk then return chunk end
  local short = debug.getinfo(load("", "@" .. path), "S").short_src
  return nil, with_whole_path(fault, path, short)
end

local function module_name(path)
  return (path:gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", "."))
end

-- Evaluates the file at `path` once and returns its value. Raises the fault of the file, as text.
---@param self weir.Loader
---@param name? string of a module on --lua-path
local function evaluate(self, path, source, name)
  local value = self.values[path]
  if value ~= nil then return value end
  if self.failures[path] then error(self.failures[path], 0) end
  -- A run that was killed during a late require has left its files there.
  if sandbox.current() then self.underway = {} end
  for i, outer in ipairs(self.underway) do
    if outer == path then
      error(("files require each other in a circle: %s, %s")
        :format(table.concat(self.underway, ", ", i), path), 0)
    end
  end
  local chunk, fault = compile(source, path, self.environment)
  if chunk then
    table.insert(self.underway, path)
    sandbox.load(self.environment, function()
      local ok, returned = xpcall(chunk, located(self.files, path),
        name or module_name(path), path)
      if ok then value = returned else fault = returned end
    end, name)
    table.remove(self.underway)
  end
  if fault then
    self.failures[path] = fault
    error(fault, 0)
  end
  if value == nil then
    value = true
    self.silent[path] = true
  end
  self.values[path] = value
  return value
end

-- ------------------------------------------------------------------------------------------------
-- require

local function read_file(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local source = file_methods.read(file, "a") -- io.read is refused while the code of a run is current
  file_methods.close(file)
  return source
end

-- Copies the tables of a module, so that a bundle has its own.
local function copied(value, seen)
  if type(value) ~= "table" or getmetatable(value) ~= nil then return value end
  if not seen[value] then
    seen[value] = {}
    for key, member in pairs(value) do seen[value][key] = copied(member, seen) end
  end
  return seen[value]
end

-- All bundles of a worker share a module of C. Modules of Lua may write into its table, so each bundle gets a copy. The
-- settings of cjson stand in upvalues of its functions; cjson.new makes new ones.
local function own_copy(name, module)
  if name:find("^cjson") and type(module) == "table" and type(module.new) == "function" then return module.new() end
  return copied(module, {})
end

-- A module of Lua on --lua-path runs in the bundle's environment, because a replay must repeat its work, too.
local function require_outside(self, name)
  if self.foreign[name] ~= nil then return self.foreign[name] end
  local path = not package.preload[name] and package.searchpath(name, package.path)
  local source = path and read_file(path)
  if source then return (evaluate(self, path, source, name)) end

  local is_there = package.preload[name] or package.searchpath(name, package.cpath)
  local root = name:match("^[^.]+") -- the all-in-one library: luaopen_a_b in a.so
  if not is_there and not package.searchpath(root, package.cpath) then
    error(('module "%s" not found: no %s.lua among the workflows, nothing on --lua-path and'
      .. ' --lua-cpath'):format(name, (name:gsub("%.", "/"))), 2)
  end
  local value = own_copy(name, require(name))
  self.foreign[name] = value
  return value
end

-- Unlike Lua's own `require` it returns one value, so that `return { require "a", require "b" }` is a list of
-- workflows.
---@param self weir.Loader
local function make_require(self)
  return function(name)
    if type(name) ~= "string" then
      error("bad argument #1 to 'require' (string expected, got " .. type(name) .. ")", 2)
    end
    local base = name:gsub("%.", "/")
    for _, path in ipairs { base .. ".lua", base .. "/init.lua" } do
      if self.files[path] then
        self.required[path] = true
        return (evaluate(self, path, self.files[path]))
      end
    end
    local own = own_modules[name] or sandbox.library(name, self.environment)
    if own then return own end
    if name:find("^weir%.") then
      error(('module "%s" is not for workflow code; there are weir and weir.json'):format(name), 2)
    end
    return require_outside(self, name)
  end
end

-- ------------------------------------------------------------------------------------------------
-- Registration

-- The definitions that a file returned, or a fault.
local function definitions_in(value, path)
  if definition.is(value) then return { value } end
  if type(value) ~= "table" or readonly.members(value) then return {} end
  local stranger
  local found = {}
  local i, item = 1, rawget(value, 1) -- raw, so that no __index of a module runs
  while item ~= nil do
    if definition.is(item) then
      found[#found + 1] = item
    else
      stranger = stranger or i
    end
    i = i + 1
    item = rawget(value, i)
  end
  if stranger and found[1] then
    return nil, ("%s:1: item %d of the list that it returns is no workflow"):format(path, stranger)
  end
  return found
end

local function register(workflows, workflow)
  local other = workflows[workflow.id]
  if other and other ~= workflow then
    return ('%s:%d: workflow "%s" is already defined at %s:%d')
      :format(workflow.file, workflow.line, workflow.id, other.file, other.line)
  end
  workflows[workflow.id] = workflow
end

local of_data = definition.of_data()

---Adds weir's own workflows, which every bundle has.
---@param workflows table<string, weir.Definition>
function bundle.add_own(workflows) workflows[of_data.id] = of_data end

-- A node of this graph runs a workflow that does not exist.
local function unknown_node(workflow, workflows)
  local fault = type(workflow.graph) == "table" and graph_plan.unknown_workflow(workflow.graph, workflows)
  return fault and ('%s:%d: graph "%s": %s'):format(workflow.file, workflow.line, workflow.id, fault)
end

-- A file that returns a function was probably meant to return a workflow, unless another file requires it.
local function note_on(self, path)
  if type(self.values[path]) ~= "function" or self.required[path] then return nil end
  return ("%s: it returns a function, which is no workflow; return weir.workflow { id = …, "
    .. "run = function(ctx, data) … end }"):format(path)
end

local function sorted_paths(files)
  local paths = {}
  for path in pairs(files) do
    if source_files.is_source(path) then paths[#paths + 1] = path end
  end
  table.sort(paths)
  return paths
end

---Loads a bundle.
---@param name string the hash of its sources
---@param files table<string, string> path relative to the folder -> source
---@return weir.Bundle?
---@return string[]? faults each "file:line: message", if there is no bundle
---@return table<string, boolean>? broken the paths of the files with faults
function bundle.load(name, files)
  local self = { files = files, values = {}, failures = {}, underway = {}, required = {}, silent = {}, foreign = {} }
  self.environment = sandbox.environment(make_require(self))

  local workflows, faults, told, broken = {}, {}, {}, {}
  local function fail(path, fault)
    broken[path], fault = true, one_line(fault)
    if told[fault] then return end -- all files that require a broken file have its fault
    told[fault] = true
    faults[#faults + 1] = fault
  end

  local all = definition.collect()
  for _, path in ipairs(sorted_paths(files)) do
    local ok, value = pcall(evaluate, self, path, files[path])
    local found, fault
    if ok then found, fault = definitions_in(value, path) else fault = value end
    if fault then fail(path, text_of(fault)) end
    for _, made in ipairs(found or {}) do
      fault = register(workflows, made)
      if fault then fail(path, fault) end
    end
  end
  definition.collect(false)
  for _, made in ipairs(faults[1] and {} or all) do
    if workflows[made.id] ~= made then
      fail(made.file, ('%s:%d: workflow "%s" is made, but no file returns it: return weir.workflow {…}, or a list of '
        .. "them"):format(made.file, made.line, made.id))
    end
  end
  bundle.add_own(workflows)
  for _, made in ipairs(faults[1] and {} or all) do
    local fault = unknown_node(made, workflows)
    if fault then fail(made.file, fault) end
  end
  if faults[1] then return nil, faults, broken end
  local notes = {}
  for _, path in ipairs(sorted_paths(files)) do notes[#notes + 1] = note_on(self, path) end
  return { name = name, workflows = workflows, environment = self.environment, notes = notes, silent = self.silent }
end

---Loads the files that have no fault, for a single run: other files may be half written.
---@param name string
---@param files table<string, string>
---@return weir.Bundle? bundle of the files that are left; nil: leaving out files does not help
---@return string[] faults of the files that were left out, which include those that require a broken file
---@return table<string, string> left the files of the bundle
function bundle.load_sound(name, files)
  local left, faults, told = {}, {}, {}
  for path, source in pairs(files) do left[path] = source end
  while true do
    local loaded, found, broken = bundle.load(name, left)
    if loaded then return loaded, faults, left end
    for _, fault in ipairs(found --[[@as string[] ]]) do
      if not told[fault] then faults[#faults + 1] = fault end
      told[fault] = true
    end
    local out = false
    for path in pairs(broken) do left[path], out = nil, out or left[path] ~= nil end
    if not out then return nil, faults, left end
  end
end

---The workflows of a bundle, without weir's own.
---@param loaded weir.Bundle
---@return string[] ids in order
function bundle.ids(loaded)
  local ids = {}
  for _, id in ipairs(sorted_keys.of(loaded.workflows)) do
    if loaded.workflows[id] ~= of_data then ids[#ids + 1] = id end
  end
  return ids
end

return bundle
