-- `weir test --watch`: runs all specs, then, whenever a file is saved, the specs that it concerns: the spec itself, or
-- those that read the file. A file that no spec is known to have read, such as a new module, may concern all specs.
-- Each run is a process of its own, so that no module is stale; a newer change stops it. Ends with Ctrl-C.

local sorted_keys = require "weir.base.sorted_keys"
local manifest = require "weir.cli.test.manifest"
local lfs = require "lfs"
local native = require "weir.native.tester"
local paths = require "pl.path"
local strings = require "weir.base.strings"

local watch = {}

local INTERRUPTED, SIGNALLED = 130, 128 -- statuses
local DEPTH = 16 -- of folders below each other
local NAMES = 4 -- in a line; more are counted
local MOST_STOPS = 3

-- Folders that are watched also before a spec has read a file in them.
local USUAL = { "workflows", "lua", "spec" }

-- ------------------------------------------------------------------------------------------------
-- Which specs a change concerns

---@class weir.watch.Known
---@field reads table<string, table<string, true>> what each spec read
---@field texts table<string, string|false> of files, as of their last change; false: gone

-- The saved files whose text differs: specs may write files that they read.
local function differing(known, changed, read)
  local files = {}
  for _, path in ipairs(changed) do
    local text = read(path) or false
    if text ~= known.texts[path] then
      known.texts[path] = text
      files[#files + 1] = path
    end
  end
  return files
end

local function readers_of(known, path)
  local specs = {}
  for spec, reads in pairs(known.reads) do
    if spec == path or reads[path] then specs[#specs + 1] = spec end
  end
  return specs
end

-- Whether a file that no spec is known to have read may concern all specs.
local function may_concern_all(path, exists)
  local name = path:match "[^/]+$"
  return name == ".busted" or exists and not name:find "^%." and name:find "%.lua$" ~= nil
end

---Chooses the specs to run again.
---@param known weir.watch.Known
---@param changed string[] paths
---@param read fun(path: string): string? its text; nil: there is no such file
---@return string[]? specs empty: all; nil: none
---@return string[] because the files that concern them
function watch.choose(known, changed, read)
  local specs, because, all = {}, {}, false
  for _, path in ipairs(differing(known, changed, read)) do
    local readers = readers_of(known, path)
    local exists = read(path) ~= nil
    for _, spec in ipairs(readers) do
      if spec ~= path or exists then specs[spec] = true end
    end
    if not readers[1] and may_concern_all(path, exists) then all = true end
    if all or readers[1] then because[#because + 1] = path end
    if not exists then known.reads[path] = nil end -- the spec was removed
  end
  for spec in pairs(specs) do
    if not known.reads[spec] then specs[spec] = nil end
  end
  if all then return {}, because end
  local chosen = sorted_keys.of(specs)
  return chosen[1] and chosen or nil, because
end

-- ------------------------------------------------------------------------------------------------
-- Files and folders

local function read_file(path)
  if lfs.attributes(path, "mode") ~= "file" then return nil end
  local file <close> = io.open(path, "rb")
  return file and file:read "a"
end

local function add_below(set, path, depth)
  if depth > DEPTH or lfs.attributes(path, "mode") ~= "directory" then return end
  set[path] = true
  for name in lfs.dir(path) do
    if not name:find "^%." then add_below(set, path .. "/" .. name, depth + 1) end
  end
end

local function folder_of(path)
  local folder = paths.dirname(path)
  return folder == "" and "." or folder
end

local function folders(roots, known, beside)
  local set = { ["."] = true }
  for _, usual in ipairs(USUAL) do add_below(set, usual, 1) end
  if beside then add_below(set, paths.relpath(beside), 1) end
  for _, root in ipairs(roots) do
    root = #root > 1 and root:gsub("/+$", "") or root
    if root ~= "." then add_below(set, root, 1) end
    if lfs.attributes(root, "mode") == "file" then set[folder_of(root)] = true end
  end
  for spec, reads in pairs(known.reads) do
    set[folder_of(spec)] = true
    for path in pairs(reads) do set[folder_of(path)] = true end
  end
  return sorted_keys.of(set)
end

-- ------------------------------------------------------------------------------------------------
-- The loop

local function say(format, ...)
  io.stdout:write("weir test: ", format:format(...), "\n")
  io.stdout:flush()
end

local function union(one, other)
  local set = {}
  for _, item in ipairs(one) do set[item] = true end
  for _, item in ipairs(other) do set[item] = true end
  return sorted_keys.of(set)
end

---@class weir.watch.Change
---@field specs string[] empty: all
---@field because string[] the files that concern them

---Joins a change with one whose specs have not run, or not to their end.
---@param one weir.watch.Change?
---@param other weir.watch.Change
---@return weir.watch.Change
function watch.join(one, other)
  if not one then return other end
  local specs = one.specs[1] and other.specs[1] and union(one.specs, other.specs) or {}
  return { specs = specs, because = union(one.because, other.because) }
end

---@class weir.watch.Watch
---@field options table
---@field roots string[] where the specs are
---@field path string of the manifest
---@field known weir.watch.Known
---@field running weir.watch.Change?
---@field waiting weir.watch.Change? until the specs that run have ended
---@field stops table<string, integer> how often a file has stopped specs since some last ran to their end
local Watch = {}
Watch.__index = Watch

function Watch:begin(change)
  local because, specs = strings.listed(change.because, NAMES), strings.listed(change.specs, NAMES)
  if not self.options.brief then
    say("%srunning %s", because == "" and "" or because .. " changed: ", specs == "" and "everything" or specs)
  end
  manifest.ask(self.path, change.specs)
  native.spawn(self.path)
  self.running, self.waiting = change, nil
end

-- The process may have died without an answer: then the specs are taken to read what they read before.
function Watch:ended(status)
  local reads = manifest.answer(self.path)
  if reads and not self.running.specs[1] and next(reads) then self.known.reads = {} end -- all specs ran
  for spec, paths_read in pairs(reads or {}) do self.known.reads[spec] = paths_read end
  if not reads and status >= SIGNALLED then
    say("the specs ended by signal %d", status - SIGNALLED)
  elseif not reads then
    say("the specs ended with status %d before their end", status)
  end
  self.running, self.stops = nil, {}
  if self.waiting then return self:begin(self.waiting) end
  if not self.options.brief then say "waiting for a file to be saved; Ctrl-C ends" end
end

-- Whether specs that run are to be stopped for a change. Specs may write the very files that they read: such a file
-- stops them a few times, and then waits for their end.
function Watch:is_stopped_by(change)
  local is_stopped = false
  for _, path in ipairs(change.because) do
    self.stops[path] = (self.stops[path] or 0) + 1
    is_stopped = is_stopped or self.stops[path] <= MOST_STOPS
  end
  return is_stopped
end

function Watch:changed(paths_changed)
  local specs, because = watch.choose(self.known, paths_changed, read_file)
  if not specs then return end
  local change = watch.join(self.waiting, { specs = specs, because = because })
  if not self.running then return self:begin(change) end
  if self:is_stopped_by(change) then
    native.stop()
    self:begin(watch.join(self.running, change))
  else
    self.waiting = change
  end
end

---@param roots string[] where the specs are
---@param options table flags of weir by name; `beside`: the folder of the host beside which this runs
---@param is_empty? fun(): boolean whether there is no spec yet, which it says; a spec that comes later is seen
---@return integer status
function watch.main(roots, options, is_empty)
  local self = setmetatable({ roots = roots, options = options, path = os.tmpname(),
                              known = { reads = {}, texts = {} }, stops = {} }, Watch)
  native.watch(folders(roots, self.known, options.beside))
  if not (is_empty and is_empty()) then self:begin { specs = {}, because = {} } end
  repeat
    local event = native.await()
    if math.type(event) then self:ended(event) elseif event then self:changed(event) end
    native.watch(folders(roots, self.known, options.beside)) -- folders may be new
  until not event
  os.remove(self.path)
  return INTERRUPTED
end

return watch
