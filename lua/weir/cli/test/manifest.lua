-- What passes between `weir test --watch` and the process in which the specs run, in a file. There:
-- the specs to run, a line each (none: all). Back: the specs that there are, and below each, after
-- a tab, the files that it read: modules, and what it opened. Paths are relative to the folder of
-- the call; files elsewhere are not told.

local paths = require "pl.path"

local ledger = {}
ledger.__index = ledger

-- Before the specs put theirs in its place.
local open = io.open

local function relative(path)
  if type(path) ~= "string" then return nil end
  local found = paths.relpath(path)
  return not found:find "^%.%." and not found:find "[\t\n]" and found or nil
end

-- A spec that is elsewhere is told as it was named.
local function name_of(spec) return relative(spec) or spec end

---@param path string
---@param specs string[]
function ledger.ask(path, specs)
  local file <close> = assert(open(path, "wb"))
  for _, spec in ipairs(specs) do assert(file:write(spec, "\n")) end
end

---@param path string
---@return table<string, table<string, true>> reads the files that each spec read
function ledger.answer(path)
  local reads, spec = {}, nil
  for line in io.lines(path) do
    local read = line:match "^\t(.*)"
    if read then
      reads[spec][read] = true
    else
      spec, reads[line] = line, {}
    end
  end
  return reads
end

-- ------------------------------------------------------------------------------------------------
-- Where the specs run

-- Read while no spec runs (a helper, say), or where specs share modules: read for all of them.
local function note(self, path)
  path = relative(path)
  if not path then return end
  local reads = not self.shared and self.reads[self.spec] or self.common
  reads[path] = true
end

local function is_read(mode) return mode == nil or type(mode) == "string" and mode:find "^r" ~= nil end

-- Notes what the functions that read files are asked for.
local function listen(self)
  for _, place in ipairs { { io, "open" }, { io, "lines" }, { _G, "loadfile" }, { _G, "dofile" } } do
    local library, name = place[1], place[2]
    local call = library[name]
    library[name] = function(path, mode, ...)
      if name ~= "open" or is_read(mode) then note(self, path) end
      return call(path, mode, ...)
    end
  end
  for i, search in ipairs(package.searchers) do
    -- not what is preloaded, nor what is weir's own
    package.searchers[i] = i < 3 and search or function(...)
      local loader, path = search(...)
      if type(loader) == "function" then note(self, path) end
      return loader, path
    end
  end
end

-- Which specs there are, and which of them runs.
local function follow(self)
  local make_loader = require "busted.modules.test_file_loader"
  package.loaded["busted.modules.test_file_loader"] = function(...)
    local load, load_one, list = make_loader(...)
    return function(...)
      local specs = load(...)
      for _, spec in ipairs(specs) do self.reads[name_of(spec)] = {} end
      return specs
    end, load_one, list
  end
  local make_busted = require "busted.core"
  package.loaded["busted.core"] = function()
    local busted = make_busted()
    busted.subscribe({ "file", "start" }, function(file)
      self.spec = name_of(file.name)
      return nil, true
    end)
    busted.subscribe({ "file", "end" }, function()
      self.spec = nil
      return nil, true
    end)
    return busted
  end
end

---Runs what is asked for, and notes what each spec reads.
---@param path string of the ledger
---@param arguments table of busted; ROOT is replaced
---@return table ledger
function ledger.begin(path, arguments)
  local asked = {}
  for spec in io.lines(path) do asked[#asked + 1] = spec end
  if asked[1] then arguments.ROOT = asked end
  local self = setmetatable({ path = path, reads = {}, common = {} }, ledger)
  self.shared = not arguments["auto-insulate"]
  follow(self)
  listen(self)
  return self
end

function ledger:write()
  local file <close> = assert(open(self.path, "wb"))
  for spec in pairs(self.reads) do self.common[spec] = nil end -- read to be run
  for spec, reads in pairs(self.reads) do
    for path in pairs(self.common) do reads[path] = true end
    assert(file:write(spec, "\n"))
    for path in pairs(reads) do assert(file:write("\t", path, "\n")) end
  end
end

return ledger
