-- Turns the words of the command line into a command and its options. A flag overrides its variable (WEIR_LUA_PATH), a
-- variable the config file (lua_path), the config file the default.
--
-- C calls this once, before any thread starts (host/config/config.c), in a Lua state that has only the libraries of Lua
-- and the modules of weir. So this module and those that it requires must not require a native module.

local commands = require "weir.cli.commands"
local config_file = require "weir.cli.config_file"
local flags = require "weir.cli.flags"
local suggest = require "weir.base.suggest"
local values = require "weir.cli.values"

local command_line = {}

local USAGE <const>, CONFIG <const>, NO_INPUT <const>, INTERNAL <const> = 64, 78, 66, 70

---@class weir.CommandLine
---@field command string
---@field options table arguments as a list, each flag of the command under flags.option; `folders` of workflows
---@field uses_redis boolean the command has the flag --redis

---@class weir.CommandLineWorld
---@field variable fun(name: string): string? of the environment
---@field check_url fun(text: string): string? why it is not the URL of a Redis

local function fail(status, format, ...) error({ status = status, message = format:format(...) }, 0) end

local function refuse_config(format, ...) fail(CONFIG, format, ...) end

-- Puts the nearest name into a sentence. Returns an empty text if no name is near.
local function meant(form, name, list)
  local found = suggest.find(name, list)
  return found and form:format(found) or ""
end

local function not_yet(name) fail(USAGE, "%s is not there yet", name) end

---The row of a command. Raises when there is none of that name.
---@param name string
---@return weir.Command
local function command_of(name)
  local command = commands.find(name)
  if not command then
    fail(USAGE, "there is no command %s%s; see weir help", name, meant(", did you mean %s?", name, commands.names()))
  elseif not command.summary then
    not_yet(name)
  end
  return command
end

local function refuse_flag(word)
  local names = {}
  for i, flag in ipairs(flags.rows) do names[i] = flag.name end
  local hint = meant(", did you mean --%s?", word:gsub("^%-+", ""), names)
  -- the value of the flag may be a secret
  fail(USAGE, "there is no flag %s%s", word:match "^[^=]*",
    hint ~= "" and hint or "; weir help COMMAND lists those it takes")
end

-- ------------------------------------------------------------------------------------------------
-- Words

-- Reads the flag at words[at]. Returns the index of its last word, as the value may be the next word.
local function read_flag(texts, words, at)
  local name, value = words[at]:match "^%-%-([^=]*)", words[at]:match "=(.*)$"
  local flag = name and flags.find(name)
  if not flag then refuse_flag(words[at]) end
  -- a flag that weir does not have yet is refused later, with its value or without
  if not value and (flag.kind == "switch" or not next(flag.commands)) then value = "true" end
  if not value then
    at = at + 1
    value = words[at]
  end
  if not value then fail(USAGE, "--%s needs a value: %s", flag.name, flag.argument) end
  texts[flag] = texts[flag] or {}
  table.insert(texts[flag], value)
  return at
end

-- --help and --version are other spellings of the commands. Returns nil for another word.
local function as_command(word, command)
  if word == "--version" then return { command = "version", arguments = {}, texts = {} } end
  if word ~= "--help" and word ~= "-h" then return nil end
  return { command = "help", arguments = { command }, texts = {} }
end

-- `weir test` passes each flag that weir does not know to busted.
local function is_passed_on(command, word)
  if command ~= "test" then return false end
  local flag = flags.find(word:match "^%-%-([^=]*)" or "")
  return not (flag and flag.commands.test)
end

local function read_words(words)
  local line = { arguments = {}, texts = {} }
  local at, flags_over = 1, false
  local function argue(word) table.insert(line.arguments, word) end
  while words[at] do
    local word = words[at]
    local is_flag = not flags_over and word:find "^%-." ~= nil
    local other = is_flag and as_command(word, line.command)
    if other then return other end
    if is_flag and word == "--" then flags_over = true end
    if is_flag and is_passed_on(line.command, word) then
      argue(word)
    elseif is_flag and not flags_over then
      at = read_flag(line.texts, words, at)
    elseif not is_flag and not line.command then
      line.command = word
    elseif not is_flag then
      argue(word)
    end
    at = at + 1
  end
  if not line.command then fail(USAGE, "name a command: weir COMMAND; see weir help") end
  return line
end

-- Checks flags in the order of their rows, so that the same words always raise the same fault.
local function check_flags(line, command)
  for _, flag in ipairs(flags.rows) do
    if line.texts[flag] and not flag.commands[command.name] then
      if flag.later[command.name] then not_yet(("%s --%s"):format(command.name, flag.name)) end
      fail(USAGE, "%s does not take --%s; see weir help %s", command.name, flag.name, command.name)
    end
  end
end

local function check_arguments(line, command)
  local count, most = #line.arguments, command.most or 0
  if count < (command.least or 0) then
    fail(USAGE, "%s needs more arguments: weir %s %s", command.name, command.name, command.arguments)
  elseif count > most then
    fail(USAGE, "%s does not take %s; %s", command.name, line.arguments[most + 1],
      command.advice or "see weir help " .. command.name)
  end
end

-- ------------------------------------------------------------------------------------------------
-- Values

local function read_value(flag, text, origin, status, world)
  local value, message = values.read(flag, text, world.check_url)
  if message then fail(status, "%s: %s", origin, message) end
  return value
end

local function read_texts(flag, texts, world)
  local origin = "--" .. flag.name
  if flag.kind ~= "each" then return read_value(flag, texts[#texts], origin, USAGE, world) end
  local list = {}
  for i, text in ipairs(texts) do list[i] = read_value(flag, text, origin, USAGE, world) end
  return list
end

-- Reads only the text that overrides the others. Returns the value, the text, and a name of its origin for people.
local function value_of(flag, texts, settings, path, world)
  if texts[flag] then
    return read_texts(flag, texts[flag], world), table.concat(texts[flag], ","), "--" .. flag.name
  end
  local variable = not flag.once and world.variable(flags.variable(flag))
  if variable and variable ~= "" then
    local origin = flags.variable(flag)
    return read_value(flag, variable, origin, CONFIG, world), variable, origin
  elseif settings[flag] then
    local origin = ("%s: %s"):format(path, flags.key(flag))
    return read_value(flag, settings[flag], origin, CONFIG, world), settings[flag], path
  elseif flag.default then
    return read_value(flag, flag.default, flag.name, INTERNAL, world), flag.default, "default"
  end
  return values.none(flag), nil, "default"
end

-- The path of the config file, from the flag or its variable. The file itself cannot name it.
local function config_path(texts, world)
  local paths = texts[flags.find "config"]
  local path = paths and paths[#paths] or world.variable "WEIR_CONFIG"
  return path ~= "" and path or nil
end

local function options_of(line, command, world)
  local path = config_path(line.texts, world)
  local settings = path and config_file.read(path, refuse_config, meant) or {}
  local options = table.move(line.arguments, 1, #line.arguments, 1, {})
  local found = {}
  for _, flag in ipairs(flags.rows) do
    if flag.commands[command.name] then
      local value, text, origin = value_of(flag, line.texts, settings, path, world)
      options[flags.option(flag)] = value
      if flag.kind == "url" then text = nil end -- it may have a password
      if flag.commands.serve and not flag.once then
        found[#found + 1] = { key = flags.key(flag), value = text, from = origin }
      end
    end
  end
  if command.name == "config" then options.settings = found end
  return options
end

-- ------------------------------------------------------------------------------------------------
-- Folders of workflows

-- --dir, or the folder of the file to run: "orders" for "orders/pay.lua".
local function folder_of_run(options)
  local file = options[1]
  if not file:find ".%.lua$" then return options.dir or "workflows" end
  local folder, name = file:match "^(.*)/([^/]*)$"
  local path = options.dir and ("%s/%s"):format(options.dir, name or file) or file
  local found <close> = io.open(path)
  if not found then fail(NO_INPUT, "there is no file %s", path) end
  return options.dir or folder == "" and "/" or folder or "."
end

local FOLDERS_OF = {
  run = function(options) return { folder_of_run(options) } end,
  dev = function(options) return { options[1] or "workflows" } end,
  serve = function(options)
    return options[1] and table.move(options, 1, #options, 1, {}) or { "workflows" }
  end,
}
FOLDERS_OF.check, FOLDERS_OF.init = FOLDERS_OF.serve, FOLDERS_OF.dev

-- ------------------------------------------------------------------------------------------------

---@param words string[] without the name of the program
---@param world weir.CommandLineWorld
---@return weir.CommandLine
local function read(words, world)
  local line = read_words(words)
  local command = command_of(line.command)
  check_flags(line, command)
  check_arguments(line, command)
  local options = options_of(line, command, world)
  local folders_of = FOLDERS_OF[command.name]
  if folders_of then options.folders = folders_of(options) end
  options.redis = options.redis or options.against -- a command has one of the two
  local uses_redis = flags.find("redis").commands[command.name] == true and command.name ~= "config"
  return { command = command.name, options = options, uses_redis = uses_redis }
end

-- A fault is a table {status, message}. Any other value is an error of weir and is raised again.
local function attempt(body, ...)
  local ok, result = pcall(body, ...)
  if ok then return result end
  if type(result) ~= "table" or not result.message then error(result, 0) end
  return nil, result.status, result.message
end

---Reads the words of a command line.
---@param words string[]
---@param world weir.CommandLineWorld
---@return weir.CommandLine? line nil: something is wrong
---@return integer? status the exit status
---@return string? message
function command_line.read(words, world) return attempt(read, words, world) end

---The row of a command that can be called.
---@param name string
---@return weir.Command? command nil: weir has none of that name
---@return integer? status
---@return string? message
function command_line.command(name) return attempt(command_of, name) end

return command_line
