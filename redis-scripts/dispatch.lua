-- dispatch: run the groups of a batch, then write what they planned. Joined behind all others.
--
-- ARGV   worker  capacity  nqueues  queue…   then groups: verb n arg1 … argn
-- reply  1 ok | lease_lost  2 now_ms  3 commit  4 a reply for each group  5 claims  6 next wake-up of all, when asked
--
-- The first write is one that Redis refuses when it may not write (-OOM, -READONLY, -MISCONF), before anything is
-- half done; those that follow cannot fail. A batch that frees_memory memory is not refused for want of it.

local runs, call, key = lib.runs, redis.call, lib.key
local worker, now = lib.worker, lib.now()

local groups_begin = 4 + tonumber(ARGV[3])

-- A host that lost its lease may not write: its runs may be elsewhere by now.
local lease = worker == "" or call("ZSCORE", key("leases"), string.match(worker, "^%d+"))
if not lease or lease == "0" then return { "lease_lost", now, 0, {}, {}, "" } end

-- Whether an error says that whoever calls lacks a right: so Redis 7.0, then 7.2.
local function forbids(text)
  local find = string.find
  return find(text, "The user executing the script", 1, true) or find(text, "ACL failure in script", 1, true)
end

-- Runs every group once. A group that raises has planned half of something: everything is planned anew without it.
local replies, raised = nil, {}
local function run_groups()
  lib.begin()
  replies = {}
  local at, last = groups_begin, #ARGV
  while at < last do
    local verb, n = ARGV[at], tonumber(ARGV[at + 1])
    local index = #replies + 1
    if raised[index] then
      replies[index] = raised[index]
    else
      lib.begin_group(at + 1, at + 1 + n)
      local ok, reply = pcall(verbs[verb] or error, "no such verb: " .. verb)
      if not ok then
        local text = type(reply) == "table" and reply.err or tostring(reply)
        if forbids(text) then error({ err = text }) end -- nothing is written, and no run is to blame
        raised[index] = text == "conflict" and { "conflict" } or { "error", text }
        return run_groups()
      end
      replies[index] = reply
    end
    at = at + 2 + n
  end
end
run_groups()

local write_chunks = lib.write_chunks

-- ---------------------------------------------------------------------------------------------------------------
-- Place and claim

local plan = lib.plan
local changing = #plan.changed > 0 or #plan.calls > 0 or next(plan.delayed) ~= nil

-- What may follow the first write. Redis takes nothing back: a right that is missing half way leaves half of a batch.
-- A check is refused when the number of arguments is wrong (Redis 8), so the commands stand by how many follow the key.
local USED = {
  [0] = { "DEL", "HGETALL", "HLEN", "LLEN", "RPOP", "SMEMBERS", "SRANDMEMBER", "UNLINK", "ZCARD", "ZPOPMIN" },
  { "HDEL", "HGET", "HMGET", "HSCAN", "RENAME", "RPUSH", "SADD", "SREM", "ZMSCORE", "ZREM", "ZSCORE" },
  { "HINCRBY", "HSET", "LTRIM", "ZADD", "ZRANGE", "ZRANGEBYSCORE", "ZREMRANGEBYRANK" },
}
local function check_right(command, ...)
  if redis.acl_check_cmd(command, ...) then return end
  error({ err = "NOPERM this user may not run " .. command .. " on what begins with " .. KEYS[1] })
end
local function check_rights()
  if not redis.acl_check_cmd then return end -- since Redis 7.0
  local name = key("meta")
  for count = 0, #USED do
    for _, command in ipairs(USED[count]) do
      check_right(command, name, unpack({ name, name }, 1, count)) -- RENAME takes a second key
    end
  end
  check_right("PUBLISH", key("due"), "")
end
if changing or lib.capacity > 0 then check_rights() end

-- At its maxmemory Redis refuses a script's first write when that may take memory, and none that follows. So what
-- frees_memory memory begins with one that takes none, and changes nothing; else a full Redis would stay full for ever.
if plan.frees_memory then call("HDEL", key("meta"), "none") end

local commit
if changing or lib.capacity > 0 then
  commit = call("HINCRBY", key("meta"), "commit", 1)
else
  commit = tonumber(call("HGET", key("meta"), "commit") or 0)
end

local claims = lib.claims.place()

-- ---------------------------------------------------------------------------------------------------------------
-- Write

local INFINITE = { [math.huge] = "+inf" }

local COMPACT, ELSEWHERE = lib.COMPACT, lib.ELSEWHERE
local near = {}
local function write_run(run)
  local n, far, gone = 0, nil, nil
  for field, value in pairs(run.changed) do
    if value == false then
      gone = gone or {}
      gone[#gone + 1] = field
    else
      if type(value) == "string" and #value > COMPACT then
        far = far or {}
        far[#far + 1], far[#far + 2] = field, value
        value = ELSEWHERE
      end
      near[n + 1], near[n + 2] = field, value
      n = n + 2
    end
  end
  local hash = key("r:" .. run.id)
  if n <= lib.CHUNK then
    if n > 0 then call("HSET", hash, unpack(near, 1, n)) end
  else
    write_chunks("HSET", hash, near)
    near = {}
  end
  if far then write_chunks("HSET", key("v:" .. run.id), far) end
  if gone and not run.fresh then
    write_chunks("HDEL", hash, gone)
    write_chunks("HDEL", key("v:" .. run.id), gone)
  end
end

for _, run in ipairs(plan.changed) do write_run(run) end

local function write_members(command, name, list) write_chunks(command, key(name), list) end

local delayed, awake = {}, {}
for id, score in pairs(plan.delayed) do
  if score then
    delayed[#delayed + 1], delayed[#delayed + 2] = INFINITE[score] or score, id
  else
    awake[#awake + 1] = id
  end
end
write_members("ZADD", "delayed", delayed)
write_members("ZREM", "delayed", awake)

for name, sets in pairs({ owned = plan.owned, waiters = plan.waiters }) do
  for whose, members in pairs(sets) do
    local added, removed = {}, {}
    for member, is_in in pairs(members) do
      if is_in then added[#added + 1] = member else removed[#removed + 1] = member end
    end
    write_members("SADD", name .. ":" .. whose, added)
    write_members("SREM", name .. ":" .. whose, removed)
  end
end

for _, name in ipairs({ "roots", "failed" }) do
  local members, gone = {}, {}
  for id, score in pairs(plan[name]) do
    if score then
      members[#members + 1], members[#members + 2] = score, id
    else
      gone[#gone + 1] = id
    end
  end
  write_members("ZADD", name, members)
  write_members("ZREM", name, gone)
end

for _, write in ipairs(plan.calls) do call(unpack(write)) end
lib.claims.update_heads()

-- After a sweep has said what it read of these lists: it may have taken one for empty.
for at, ids in pairs(plan.expiry) do
  local stamp = string.format("%d", at)
  write_members("RPUSH", "expiry:" .. stamp, ids)
  call("ZADD", key("expiry"), at, stamp)
end
for i = 1, #plan.published, 2 do call("PUBLISH", key(plan.published[i]), plan.published[i + 1]) end

-- ---------------------------------------------------------------------------------------------------------------
-- Reply

local given = {}
for i, run in ipairs(claims) do
  if run.warm then
    given[i] = runs.outcomes(run, run.known, { "warm", run.id, run.turn })
  else
    given[i] = lib.pages.cold(run, "0")
  end
end

local due = ""
if lib.want_due then
  local head = call("ZRANGE", key("delayed"), 0, 0, "WITHSCORES")
  if head[2] and head[2] ~= "inf" then due = head[2] end
end
return { "ok", now, commit, replies, given, due }
