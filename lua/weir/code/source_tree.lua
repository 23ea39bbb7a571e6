-- Reads a folder of workflows in plain Lua, for weir.testing. The host does the same in C (host/assets/bundle.c).

local source_tree = {}

local source_files = require "weir.base.source_files"

local has_lfs, lfs = pcall(require, "lfs")

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- Lists the paths below a folder without lfs.
local function listed_by_shell(root)
  local paths = {}
  local listing <close> = assert(io.popen(
    ("cd %s 2>/dev/null && find -L . -maxdepth %d -name '*.lua' -type f"):format(quoted(root), source_files.DEEPEST)))
  for line in listing:lines() do paths[#paths + 1] = line:match("^%./(.*)$") end
  return paths
end

local function walk(root, below, depth, paths)
  if depth > source_files.DEEPEST then return end
  for name in lfs.dir(root .. "/" .. below) do
    local path = below == "" and name or below .. "/" .. name
    local mode = name:sub(1, 1) ~= "." and lfs.attributes(root .. "/" .. path, "mode")
    if mode == "directory" then
      walk(root, path, depth + 1, paths)
    elseif mode == "file" and name:find("%.lua$") then
      paths[#paths + 1] = path
    end
  end
end

local function list(root)
  if not has_lfs then return listed_by_shell(root) end
  local paths = {}
  walk(root, "", 1, paths)
  return paths
end

local function is_folder(root)
  if has_lfs then return lfs.attributes(root, "mode") == "directory" end
  return os.execute("test -d " .. quoted(root)) == true
end

---Reads the sources in a folder, without specs and hidden files.
---@param root string
---@return table<string, string>? files path relative to the folder -> source
---@return string? fault
function source_tree.read(root)
  if not is_folder(root) then
    return nil, ("there is no folder %s; name the one that has the workflow files, from where the specs are run")
      :format(root)
  end
  local files = {}
  for _, path in ipairs(list(root)) do
    if source_files.is_source(path) then
      local file <close> = io.open(root .. "/" .. path, "rb")
      if not file then return nil, ("cannot read %s/%s"):format(root, path) end
      files[path] = file:read("a")
    end
  end
  if next(files) == nil then
    return nil, ("there are no workflow files in %s: nothing there ends in .lua"):format(root)
  end
  return files
end

return source_tree
