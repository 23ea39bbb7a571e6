-- `weir init DIR`: writes a first workflow, its spec, and settings of editors and tools into a folder. A file that is
-- there stays as it is, and a folder that has workflows gets no other one. Only .luals/ is weir's own and written anew.

local bundle = require "weir.code.bundle"
local files = require "weir.cli.starter_files"
local native = require "weir.native.client"
local output = require "weir.cli.output"
local terminal = require "weir.view.terminal"

local starter = {}

local DEFAULT = "workflows" -- the folder that commands use when none is named

local function in_folder(folder, path) return folder == "." and path or folder:gsub("/+$", "") .. "/" .. path end

local function tell(what, path) output.print(terminal.plain(("%-8s %s"):format(what, path))) end

local function write(folder, list)
  for _, file in ipairs(list) do
    local path = in_folder(folder, file[1])
    if native.create(path, file[2]) then tell("created", path) else tell("kept", path .. ", which was there") end
  end
end

-- The workflows of a folder that has files, also where some of them do not load.
local function ids_of(sources)
  local sound = bundle.load_sound("", sources)
  return sound and bundle.ids(sound) or {}
end

local function write_types(folder, ids)
  local place = in_folder(folder, files.TYPES)
  for _, module in ipairs(files.MODULES) do
    local path, text = native.module(module)
    native.replace(place .. "/" .. path, text)
  end
  native.write_ids(place, ids)
  tell("wrote", place .. "/, from which LuaLS completes verbs, options and workflows")
end

local function quoted(word) return word:find "^[%w_./-]+$" and word or "'" .. word:gsub("'", "'\\''") .. "'" end

local function tell_next(folder, has_greet)
  local named = folder == DEFAULT and "" or " " .. quoted(folder)
  output.print "\nNext:"
  for _, command in ipairs { "weir test " .. quoted(folder), "weir dev" .. named } do
    output.print("  " .. terminal.plain(command))
  end
  if not has_greet then return end
  output.print "and in another terminal, in the same folder:"
  output.print [[  weir start greet --data '{"name":"Ada"}' --wait]]
end

---@param folder string
function starter.run(folder)
  local sources = native.exists(folder) and native.bundle(folder) or {}
  local is_new = next(sources) == nil
  if is_new then
    write(folder, files.WORKFLOW)
  else
    tell("kept", folder .. ", which has workflow files: they need no first one")
  end
  write(folder, files.SETTINGS)
  write_types(folder, is_new and files.IDS or ids_of(sources))
  tell_next(folder, is_new)
end

return starter
