-- rights: which commands of Redis weir needs, found in its sources; and those that the manual for operators grants.

local support = require "tests.support"

local rights = {}

-- Words in quotes and capitals in these files.
local function words_in(files)
  local words = {}
  local listing <close> = assert(io.popen(("grep -hoE '\"[A-Z]{3,}\"' %s"):format(files)))
  for line in listing:lines() do words[#words + 1] = line:match "%u+" end
  return words
end

-- Commands with subcommands are granted as one of them.
local SUBCOMMANDS = { CONFIG = "config|get", SCRIPT = "script|load" }
-- Each user has these.
local FREE = { AUTH = true, HELLO = true, QUIT = true }
-- No rights come from these words of the host and the clients: CONFIG GET; how an error begins; and ACL WHOAMI, which
-- `weir doctor` asks when a right is missing, and can do without.
local OTHERWISE = { GET = true, READONLY = true, ACL = true }

---The rights to the commands that the scripts, the host and the client functions use, sorted.
---@param redis table a connection, which tells what is a command
---@return string[] "+hset", "+config|get", …
function rights.needed(redis)
  local found, line = {}, {}
  local function add(word)
    local name = word:lower()
    if found[word] or FREE[word] or not redis:call("COMMAND", "INFO", name)[1] then return end
    found[word] = true
    line[#line + 1] = "+" .. (SUBCOMMANDS[word] or name)
  end
  for _, word in ipairs(words_in "-r redis-scripts --include=*.lua") do add(word) end
  for _, word in ipairs(words_in "host/redis/*.c host/client/*.c lua/weir/client/*.lua") do
    if not OTHERWISE[word] then add(word) end
  end
  for _, word in ipairs { "EVALSHA", "WAIT" } do add(word) end -- parts of longer texts in the sources
  table.sort(line)
  return line
end

local function split(text)
  local line = {}
  for word in text:gmatch "%+%S+" do line[#line + 1] = word end
  return line
end

---The rights in the manual, in its order.
---@return string[]
function rights.documented()
  return split(assert(support.read "host/README.md":match "ACL SETUSER weir on >PASSWORD ([^`]+)\n```"))
end

---The rights that messages of the host name.
---@return string[]
function rights.told()
  local text = assert(support.read "host/redis/redis_error.c":match "RIGHTS%[%] =(.-);")
  return split((text:gsub('"%s*"', ""):gsub('"', " ")))
end

return rights
