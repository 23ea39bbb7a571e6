-- Reads a folder of workflows in plain Lua, as the host does (host/assets/bundle.c): what weir.testing loads.

local folder = {}

local DEPTH_MAX = 16

local has_lfs, lfs = pcall(require, "lfs")

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- Paths below a folder, without lfs.
local function listed_by_shell(root)
  local paths = {}
  local listing <close> = assert(io.popen(
    ("cd %s 2>/dev/null && find -L . -maxdepth %d -name '*.lua' -type f"):format(quoted(root), DEPTH_MAX)))
  for line in listing:lines() do paths[#paths + 1] = line:match("^%./(.*)$") end
  return paths
end

local function walk(root, below, depth, paths)
  if depth > DEPTH_MAX then return end
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

local function is_meant(path)
  local place = "/" .. path
  return not (place:find("_spec%.lua$") or place:find("/spec/", 1, true) or place:find("/.", 1, true))
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

---The sources in a folder: those of specs and hidden ones are left out.
---@param root string
---@return table<string, string>? files path relative to the folder -> source
---@return string? fault
function folder.read(root)
  if not is_folder(root) then
    return nil, ("there is no folder %s; name the one that has the workflow files, from where the specs are run")
      :format(root)
  end
  local files = {}
  for _, path in ipairs(list(root)) do
    if is_meant(path) then
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

return folder
