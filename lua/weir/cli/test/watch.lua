-- `weir test --watch`: runs the specs, each time in a process of its own, so that nothing is stale;
-- then those that a saved file touches: a spec itself, or all that read the file. What none is known
-- to have read, a new module say, may matter to any. Ends with Ctrl-C.

local keys = require "weir.base.sorted_keys"
local ledger = require "weir.cli.test.manifest"
local lfs = require "lfs"
local native = require "weir.native.tester"
local paths = require "pl.path"

local rerun = {}

local INTERRUPTED = 130
local DEPTH = 16 -- of folders below each other
local NAMES = 4 -- that a line tells before it counts

-- Where code usually is, also before any spec was seen to read it.
local USUAL = { "workflows", "lua", "spec" }

-- ------------------------------------------------------------------------------------------------
-- What is touched

---@class weir.rerun.Known
---@field reads table<string, table<string, true>> what each spec read
---@field texts table<string, string> of files, as they were when they changed last

-- Of saved files, those that are others than they were: specs may write what they read.
local function other_than_before(known, changed, read)
  local others = {}
  for _, path in ipairs(changed) do
    local text = read(path)
    if text ~= known.texts[path] or text == nil then
      known.texts[path] = text
      others[#others + 1] = path
    end
  end
  return others
end

local function readers_of(known, path)
  local specs = {}
  for spec, reads in pairs(known.reads) do
    if spec == path or reads[path] then specs[#specs + 1] = spec end
  end
  return specs
end

-- What nobody is known to have read, but may when it is there.
local function may_matter(path, is_there)
  local name = path:match "[^/]+$"
  return name == ".busted" or is_there and not name:find "^%." and name:find "%.lua$" ~= nil
end

---Which specs are to be run again.
---@param known weir.rerun.Known
---@param changed string[] paths
---@param read fun(path: string): string? its text, nil when it is not there
---@return string[]? specs those touched; empty: all; nil: none
---@return string[] because the files that matter
function rerun.choose(known, changed, read)
  local specs, because, all = {}, {}, false
  for _, path in ipairs(other_than_before(known, changed, read)) do
    local readers = readers_of(known, path)
    local is_there = read(path) ~= nil
    for _, spec in ipairs(readers) do
      if spec ~= path or is_there then specs[spec] = true end
    end
    if not readers[1] and may_matter(path, is_there) then all = true end
    if all or readers[1] then because[#because + 1] = path end
    if not is_there then known.reads[path] = nil end -- a spec that is gone
  end
  for spec in pairs(specs) do
    if not known.reads[spec] then specs[spec] = nil end
  end
  if all then return {}, because end
  local touched = keys.sorted(specs)
  return touched[1] and touched or nil, because
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
  return keys.sorted(set)
end

-- ------------------------------------------------------------------------------------------------
-- Again and again

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

-- False: interrupted.
local function run(path, known, specs)
  ledger.ask(path, specs)
  if not native.spawn(path) then return false end
  local reads = ledger.answer(path)
  if not specs[1] and next(reads) then known.reads = {} end -- all were asked for
  for spec, paths_read in pairs(reads) do known.reads[spec] = paths_read end
  return true
end

-- The next change that touches a spec; nil: interrupted.
local function await_change(roots, known)
  while true do
    native.watch(folders(roots, known)) -- there may be new ones
    local changed = native.changes()
    if not changed then return nil end
    local specs, because = rerun.choose(known, changed, read_file)
    if specs then return specs, because end
  end
end

---@param roots string[] where the specs are
---@return integer status
function rerun.main(roots)
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

return rerun
