-- The file through which `weir test --watch` and the process that runs the specs talk. To that process: the specs to
-- run, a line each (none: all). Back: all specs, and after each, behind a tab, the files that it read, which are
-- modules and files that it opened, and an empty line at the end. Paths are relative to the folder of the call; files
-- outside of it are left out.

local paths = require "pl.path"

local manifest = {}
manifest.__index = manifest

-- Kept before specs replace it.
local open = io.open

local function relative(path)
  if type(path) ~= "string" then return nil end
  local below = paths.relpath(path)
  return not below:find "^%.%." and not below:find "[\t\n]" and below or nil
end

-- A spec outside of the folder keeps the path with which it was named.
local function name_of(spec) return relative(spec) or spec end

---@param path string
---@param specs string[]
function manifest.ask(path, specs)
  local file <close> = assert(open(path, "wb"))
  for _, spec in ipairs(specs) do assert(file:write(spec, "\n")) end
end

---@param path string
---@return table<string, table<string, true>>? reads the files that each spec read; nil: the process wrote no answer
function manifest.answer(path)
  local reads, spec = {}, nil
  for line in io.lines(path) do
    local read = line:match "^\t(.*)"
    if read then
      reads[spec][read] = true
    elseif line == "" then
      return reads
    else
      spec, reads[line] = line, {}
    end
  end
end

-- ------------------------------------------------------------------------------------------------
-- In the process that runs the specs

-- A file that was read while no spec ran (by a helper, for example), or while specs share modules, counts for all
-- specs.
local function note(self, path)
  path = relative(path)
  if not path then return end
  local reads = not self.shared and self.reads[self.spec] or self.common
  reads[path] = true
end

local function is_read(mode) return mode == nil or type(mode) == "string" and mode:find "^r" ~= nil end

-- Wraps the functions that read files, to note the paths.
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
    -- without preloaded modules and those of weir
    package.searchers[i] = i < 3 and search or function(...)
      local loader, path = search(...)
      if type(loader) == "function" then note(self, path) end
      return loader, path
    end
  end
end

-- Notes all specs, and which of them runs.
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

---Selects the specs that the file names, and notes from now on which files each spec reads.
---@param path string of the file
---@param arguments table of busted; ROOT is replaced
---@return table manifest
function manifest.begin(path, arguments)
  local specs = {}
  for spec in io.lines(path) do specs[#specs + 1] = spec end
  if specs[1] then arguments.ROOT = specs end
  local self = setmetatable({ path = path, chosen = specs, reads = {}, common = {} }, manifest)
  self.shared = not arguments["auto-insulate"]
  follow(self)
  listen(self)
  return self
end

function manifest:write()
  local file <close> = assert(open(self.path, "wb"))
  for spec in pairs(self.reads) do self.common[spec] = nil end -- a spec reads itself
  for spec, reads in pairs(self.reads) do
    for path in pairs(self.common) do reads[path] = true end
    assert(file:write(spec, "\n"))
    for path in pairs(reads) do assert(file:write("\t", path, "\n")) end
  end
  assert(file:write "\n")
end

return manifest
