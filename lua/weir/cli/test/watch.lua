-- `weir test --watch`: runs all specs, then, whenever a file is saved, the specs that it concerns: the spec itself, or
-- those that read the file. A file that no spec is known to have read, such as a new module, may concern all specs.
-- Each run is a process of its own, so that no module is stale. Ends with Ctrl-C.

local sorted_keys = require "weir.base.sorted_keys"
local manifest = require "weir.cli.test.manifest"
local lfs = require "lfs"
local native = require "weir.native.tester"
local paths = require "pl.path"

local watch = {}

local INTERRUPTED = 130
local DEPTH = 16 -- of folders below each other
local NAMES = 4 -- in a line; more are counted

-- Folders that are watched also before a spec has read a file in them.
local USUAL = { "workflows", "lua", "spec" }

-- ------------------------------------------------------------------------------------------------
-- Which specs a change concerns

---@class weir.watch.Known
---@field reads table<string, table<string, true>> what each spec read
---@field texts table<string, string> of files, as of their last change

-- The saved files whose text differs: specs may write files that they read.
local function differing(known, changed, read)
  local files = {}
  for _, path in ipairs(changed) do
    local text = read(path)
    if text ~= known.texts[path] or text == nil then
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

local function folders(roots, known)
  local set = { ["."] = true }
  for _, usual in ipairs(USUAL) do add_below(set, usual, 1) end
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

local function named(list)
  local names = table.concat(list, ", ", 1, math.min(#list, NAMES))
  return #list > NAMES and ("%s and %d more"):format(names, #list - NAMES) or names
end

local function say(format, ...)
  io.stdout:write("weir test: ", format:format(...), "\n")
  io.stdout:flush()
end

local function announce(because, specs)
  local what = specs[1] and named(specs) or "everything"
  if because[1] then say("%s changed: running %s", named(because), what) else say("running %s", what) end
end

-- Runs specs in a process of their own; false if it was interrupted.
local function run(path, known, specs)
  manifest.ask(path, specs)
  if not native.spawn(path) then return false end
  local reads = manifest.answer(path)
  if not specs[1] and next(reads) then known.reads = {} end -- all specs ran
  for spec, paths_read in pairs(reads) do known.reads[spec] = paths_read end
  return true
end

-- Waits for the next change that concerns a spec; nil if it was interrupted.
local function await_change(roots, known)
  while true do
    native.watch(folders(roots, known)) -- folders may be new
    local changed = native.changes()
    if not changed then return nil end
    local specs, because = watch.choose(known, changed, read_file)
    if specs then return specs, because end
  end
end

---@param roots string[] where the specs are
---@return integer status
function watch.main(roots)
  local path = os.tmpname()
  local known, specs, because = { reads = {}, texts = {} }, {}, {}
  native.watch(folders(roots, known))
  while specs do
    announce(because, specs)
    if not run(path, known, specs) then break end
    say "waiting for a file to be saved; Ctrl-C ends"
    specs, because = await_change(roots, known)
  end
  os.remove(path)
  return INTERRUPTED
end

return watch
