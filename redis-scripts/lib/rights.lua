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
local function check_right(command, ...)
  if redis.acl_check_cmd(command, ...) then return end
  error({ err = "NOPERM this user may not run " .. command .. " on keys that begin with " .. KEYS[1] })
end

--- Raise when the user of Redis lacks a right to a command that may follow the first write.
function rights.check()
  if not redis.acl_check_cmd then return end -- since Redis 7.0
  local name = lib.key("meta")
  for count = 0, #USED do
    for _, command in ipairs(USED[count]) do
      check_right(command, name, unpack({ name, name }, 1, count)) -- RENAME takes a second key
    end
  end
  check_right("PUBLISH", lib.key("due"), "")
end
