-- scripts: the Redis scripts of this source tree, as the host joins them (host/redis/script.c), for what speaks to
-- a Redis without the binary.

local support = require "tests.support"

local scripts = {}

local FOLDER = "redis-scripts/"

local function read(name) return assert(support.read(FOLDER .. name), name) end

---@param edit (fun(lib: string): string)? what is to be another way in lib.lua
---@return string text
function scripts.joined(edit)
  local lib = read "lib.lua"
  local parts, word = { edit and edit(lib) or lib, "\nfunction define(name) " }, "if"
  local listing <close> = assert(io.popen(("cd %s && find * -name '*.lua' | LC_ALL=C sort"):format(FOLDER)))
  for path in listing:lines() do
    if path ~= "lib.lua" and path ~= "dispatch.lua" then
      parts[#parts + 1] = ('%s name == "%s" then %s\n'):format(word, path:match "^(.+)%.lua$", read(path))
      word = "elseif"
    end
  end
  parts[#parts + 1] = "end end\n" .. read "dispatch.lua"
  return table.concat(parts)
end

---The findings of `weir doctor` about the runs.
---@param say fun(verb: string, ...: string|integer): table sends one group
---@return string[] sorted
function scripts.faults(say)
  local faults, cursor = {}, "0"
  repeat
    local answer = say("audit", cursor, 1000)
    cursor = answer[2]
    table.move(answer, 4, #answer, #faults + 1, faults)
  until cursor == "0"
  table.sort(faults)
  return faults
end

-- Counts in one call what the scripts count: unfinished runs by workflow, unfinished attempts by bundle, and the
-- registry's entries by bundle. Then looks for sources that nothing needs.
local COUNTS = [=[
local prefix, faults = ARGV[1], {}
local pattern = string.gsub(prefix, "[%[%]%*%?\\]", "\\%0")
local counted = { unfinished = {}, attempts = {}, serves = {} }
local function count(name, member) counted[name][member] = (counted[name][member] or 0) + 1 end
for _, key in ipairs(redis.call("KEYS", pattern .. "r:*")) do
  local v = redis.call("HMGET", key, "state", "workflow", "bundle")
  if v[1] and v[1] ~= "completed" and v[1] ~= "failed" and v[1] ~= "cancelled" then
    local workflow = v[2] == "\1" and redis.call("HGET", prefix .. "v:" .. string.sub(key, #prefix + 3), "workflow")
    count("unfinished", workflow or v[2])
    if v[3] and v[3] ~= "" then count("attempts", v[3]) end
  end
end
local entries = redis.call("HGETALL", prefix .. "registry")
for i = 2, #entries, 2 do count("serves", cjson.decode(entries[i]).bundle) end
for name, members in pairs(counted) do
  local stored = redis.call("HGETALL", prefix .. name)
  for i = 1, #stored, 2 do
    local right = members[stored[i]] or 0
    if tonumber(stored[i + 1]) ~= right then
      table.insert(faults, name .. " of " .. stored[i] .. " is " .. stored[i + 1] .. ", not " .. right)
    end
    members[stored[i]] = nil
  end
  for member, right in pairs(members) do
    table.insert(faults, name .. " of " .. member .. " is missing, not " .. right)
  end
end
for _, key in ipairs(redis.call("KEYS", pattern .. "bundle:*")) do
  local bundle = string.sub(key, #prefix + 8)
  if redis.call("HEXISTS", prefix .. "attempts", bundle) + redis.call("HEXISTS", prefix .. "serves", bundle) == 0 then
    table.insert(faults, key .. " is needed by nothing")
  end
end
return faults
]=]

---Where the counts of the scripts differ from what there is.
---@param call fun(...: string|integer): any a command of Redis
---@param prefix string of the keys
---@return string[] sorted
function scripts.miscounts(call, prefix)
  local faults = call("EVAL", COUNTS, 0, prefix)
  table.sort(faults)
  return faults
end

return scripts
