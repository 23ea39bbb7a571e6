-- rights: which commands of weir the user of Redis may not run, for `weir doctor`. `lib/rights.lua` has those that
-- follow the first write of a batch; the others are here.
-- args   none
-- reply  rights command…

-- By the number of arguments behind the key, as in lib/rights.lua.
local READ = {
  [0] = { "EXISTS", "HKEYS", "LLEN", "SCARD", "SMEMBERS", "ZCARD" },
  { "HMGET", "SISMEMBER", "SRANDMEMBER", "SSCAN", "ZMSCORE", "ZRANK", "ZREVRANK", "ZSCORE" },
  { "LRANGE", "ZCOUNT", "ZRANGEBYSCORE", "ZREVRANGE" },
}
-- Commands without a key, with arguments that Redis accepts. CONFIG GET is not among them: managed servers of Redis
-- forbid it, and weir can do without.
local OTHER = {
  { "EVALSHA", "0", "0" }, { "INFO" }, { "PING" }, { "ROLE" }, { "SCAN", "0" }, { "SCRIPT", "LOAD", "" },
  { "SELECT", "0" }, { "TIME" }, { "WAIT", "0", "0" }, { "PUBLISH", lib.key("due"), "" },
  { "SUBSCRIBE", lib.key("due") },
}

function verbs.rights()
  local reply = { "rights" }
  if not redis.acl_check_cmd then return reply end -- since Redis 7.0
  local name = lib.key("meta")
  local function check(...)
    if not redis.acl_check_cmd(...) then lib.push(reply, (...)) end
  end
  for _, used in ipairs({ lib.rights.USED, READ }) do
    for _, command in ipairs(used[0]) do check(command, name) end
    for _, command in ipairs(used[1]) do check(command, name, name) end
    for _, command in ipairs(used[2]) do check(command, name, name, name) end
  end
  for _, words in ipairs(OTHER) do check(unpack(words)) end
  return reply
end
