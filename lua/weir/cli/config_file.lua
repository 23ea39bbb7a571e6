-- Reads the file of --config: Lua that returns a table of settings. The file is data and can call no function.

local flags = require "weir.cli.flags"

local config_file = {}

-- Runs a chunk without any function, not even the methods of strings.
local function run(chunk)
  local methods = debug.getmetatable("")
  debug.setmetatable("", nil)
  local ok, result = pcall(chunk)
  debug.setmetatable("", methods)
  return ok, result
end

-- Cuts the source text from a message of Lua, as it may contain a password.
local function without_excerpt(message)
  local at = message:find(" near ", 1, true)
  return at and message:sub(1, at - 1) or message
end

-- A setting in the form of the command line. Returns nil for a value that no flag can have.
local function text_of(value)
  if type(value) ~= "table" then
    local kind = type(value)
    return (kind == "string" or kind == "number" or kind == "boolean") and tostring(value) or nil
  end
  local items = {}
  for i, item in ipairs(value) do
    if type(item) ~= "string" then break end
    items[i] = item
  end
  return table.concat(items, ",")
end

local function names()
  local list = {}
  for _, flag in ipairs(flags.rows) do
    if not flag.once and next(flag.commands) then list[#list + 1] = flags.key(flag) end
  end
  return list
end

local function flag_of(key)
  for _, flag in ipairs(flags.rows) do
    if not flag.once and flags.key(flag) == key then return flag end
  end
end

---Reads the settings of a file.
---@param path string
---@param refuse fun(format: string, ...: any) raises
---@param suggest fun(form: string, name: string, list: string[]): string
---@return table<weir.Flag, string> settings
function config_file.read(path, refuse, suggest)
  local chunk, message = loadfile(path, "t", {})
  if not chunk then refuse("%s", without_excerpt(message)) end
  local ok, found = run(chunk)
  if not ok then refuse("%s", without_excerpt(tostring(found))) end
  if type(found) ~= "table" then refuse("%s: must return a table of settings", path) end
  local settings = {}
  for key, value in next, found do
    local name = type(key) == "string" and key or "[...]"
    local flag = flag_of(key)
    if not flag then
      refuse("%s: there is no setting %s%s", path, name, suggest(", did you mean %s?", name, names()))
    elseif not next(flag.commands) then
      refuse("%s is not there yet", name)
    end
    settings[flag] = text_of(value)
    if not settings[flag] then refuse("%s: %s cannot be a %s", path, name, type(value)) end
  end
  return settings
end

return config_file
