-- rights: whether the user of Redis may run each command that may follow the first write of a batch. Redis does not
-- undo the writes of a script, so a right that is missing half way would leave half of a batch.

local rights = {}
lib.rights = rights

-- Commands by the number of arguments behind the key: Redis 8 refuses to check a command with a wrong number.
-- spec/support/redis.lua compares the list with the commands that follow the first write in the specs.
local USED = {
  [0] = { "DEL", "HGETALL", "HLEN", "RPOP", "UNLINK" },
  { "HDEL", "HGET", "HSCAN", "RENAME", "RPUSH", "SADD", "SREM", "ZREM" },
  { "HINCRBY", "HSET", "LTRIM", "ZADD", "ZRANGE", "ZREMRANGEBYRANK" },
}

rights.USED = USED -- for read/rights.lua

local function refuse(command)
  error({ err = "NOPERM this user may not run " .. command .. " on keys that begin with " .. KEYS[1] })
end

--- Raise when the user of Redis lacks a right to a command that may follow the first write. Each call of the script
--- checks all of them, so the loops make no tables.
function rights.check()
  local may, name = redis.acl_check_cmd, lib.key("meta")
  if not may then return end -- since Redis 7.0
  for _, command in ipairs(USED[0]) do
    if not may(command, name) then refuse(command) end
  end
  for _, command in ipairs(USED[1]) do
    if not may(command, name, name) then refuse(command) end -- RENAME takes a second key
  end
  for _, command in ipairs(USED[2]) do
    if not may(command, name, name, name) then refuse(command) end
  end
  if not may("PUBLISH", lib.key("due"), "") then refuse("PUBLISH") end
end
