-- dispatch: run the groups of a batch, then write what they planned. Joined behind all others.
--
-- ARGV   worker  capacity  nqueues  queue…   then groups: verb n arg1 … argn
-- reply  1 ok | lost   2 now_ms   3 commit   4 a reply for each group   5 claims   6 next wake-up of all, when asked
--
-- The first write is one that Redis refuses when it may not write (-OOM, -READONLY, -MISCONF), before anything is
-- half done; those that follow cannot fail. A batch that frees memory is not refused for want of it.

define "runs" -- nearly every batch needs these
define "ends"

local call, key = redis.call, lib.key
local worker, now = lib.worker, lib.now()
local CHUNK = 3000

local served, groups_begin = lib.served, 4 + tonumber(ARGV[3])

-- A host that lost its lease may not write: its runs may be elsewhere by now.
local lease = worker == "" or call("ZSCORE", key("leases"), string.match(worker, "^%d+"))
if not lease or lease == "0" then return { "lost", now, 0, {}, {}, "" } end

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
        raised[index] = text == "stale" and { "stale" } or { "error", text }
        return run_groups()
      end
      replies[index] = reply
    end
    at = at + 2 + n
  end
end
run_groups()

local function write_chunks(command, hash, list)
  for from = 1, #list, CHUNK do
    call(command, hash, unpack(list, from, math.min(from + CHUNK - 1, #list)))
  end
end

-- ---------------------------------------------------------------------------------------------------------------
-- Claims: which ready runs go to the caller, which to a queue

local plan = lib.plan
local claims = {} -- runs given to the caller, in order
local capacity = lib.capacity
local idle -- worker -> its queues, of those that asked and got nothing; read when somebody must be woken
local changing = #plan.changed > 0 or #plan.calls > 0 or next(plan.delayed) ~= nil

-- What may follow the first write. Redis takes nothing back: a right that is missing half way leaves half of a batch.
-- A check is refused when the number of arguments is wrong (Redis 8), so the commands stand by how many follow the key.
local USED = {
  [0] = { "DEL", "HGETALL", "HLEN", "LLEN", "RPOP", "SMEMBERS", "SRANDMEMBER", "UNLINK", "ZCARD", "ZPOPMIN" },
  { "HDEL", "HGET", "HMGET", "HSCAN", "RENAME", "RPUSH", "SADD", "SREM", "ZREM", "ZSCORE" },
  { "HINCRBY", "HSET", "LTRIM", "ZADD", "ZRANGE" },
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
if changing or capacity > 0 then check_rights() end

-- At its maxmemory Redis refuses a script's first write when that may take memory, and none that follows. So what frees
-- memory begins with one that takes none, and changes nothing; else a full Redis would stay full for ever.
if plan.frees then call("HDEL", key("meta"), "none") end

local commit
if changing or capacity > 0 then
  commit = call("HINCRBY", key("meta"), "commit", 1)
else
  commit = tonumber(call("HGET", key("meta"), "commit") or 0)
end

-- True when its host heard it.
local function wake(who)
  idle[who] = nil
  call("HDEL", key("idle"), who)
  local host, thread = string.match(who, "^(%d+)%.(%d+)$")
  return call("PUBLISH", key("wake:" .. host), thread) > 0
end

local function read_idle()
  if idle then return end
  idle = {}
  local stored = call("HGETALL", key("idle"))
  for i = 1, #stored, 2 do
    if stored[i] ~= worker then idle[stored[i]] = stored[i + 1] end
  end
end

local alive -- host -> whether its lease runs
local function is_alive(who)
  if not alive then
    alive = {}
    local leases = call("ZRANGE", key("leases"), 0, -1, "WITHSCORES")
    for i = 1, #leases, 2 do alive[leases[i]] = tonumber(leases[i + 1]) > now end
  end
  return alive[string.match(who, "^%d+")] or false
end

-- One worker for each run: the first may have little room, or be dead and not known to be. A host that stands still
-- hears and does not come, so those whose lease runs come first.
local function wake_for(queue, runs)
  read_idle()
  for _, wanted in ipairs({ true, false }) do
    for who, theirs in pairs(idle) do
      if runs == 0 then return end
      if theirs == "*" or string.find("\t" .. theirs .. "\t", "\t" .. queue .. "\t", 1, true) then
        if is_alive(who) == wanted and wake(who) then runs = runs - 1 end
      end
    end
  end
end

local function claim(run)
  if not run or run.state ~= "ready" then return end
  if run.deadline then lib.cancelling.expire(run) end
  if run.state ~= "ready" then return end
  local warm = run.holder ~= ""
  if not warm then
    if not lib.get(run, "bundle") then
      local entry = lib.registered(lib.get(run, "workflow"))
      lib.set(run, "bundle", entry and entry.bundle or "")
    end
    if run.fresh or not lib.get(run, "started_at") then lib.set(run, "started_at", string.format("%d", now)) end
  end
  lib.move(run, "running")
  lib.hold(run, worker)
  plan.delayed[run.id] = false
  run.warm = warm
  claims[#claims + 1] = run
  capacity = capacity - 1
end

local function score_of(run, sequence)
  return (100 - tonumber(lib.get(run, "priority") or 0)) * 2 ^ 45 + sequence
end

local function enqueue(queue, entries)
  if #entries == 0 then return end
  local members = {}
  for i, entry in ipairs(entries) do
    members[2 * i - 1], members[2 * i] = string.format("%.0f", entry.score), entry.id
  end
  write_chunks("ZADD", key("ready:" .. queue), members)
  call("SADD", key("queues"), queue)
  wake_for(queue, #entries)
end

-- What others promoted for this worker comes first: it has waited longest.
if capacity > 0 then
  local promoted = call("ZPOPMIN", key("ready:@" .. worker), capacity)
  for i = 1, #promoted, 2 do claim(lib.load(promoted[i])) end
end

-- A run of a workflow that nobody had announced stands apart, in the queue `?<workflow>`. It goes to the queue it was
-- started for, or that of the workflow, once the workflow is known.
local function leave_unknown(run)
  local queue = lib.get(run, "queue")
  local entry = queue and string.byte(queue) == 63 and lib.registered(lib.get(run, "workflow"))
  if not entry then return end
  queue = lib.get(run, "asked_queue") or entry.queue
  lib.set(run, "queue", queue ~= "default" and queue or nil)
  lib.set(run, "asked_queue", nil)
end

-- Then the runs that became ready in this batch: to the worker that holds the coroutine, the others to their queue.
local placed, by_queue = 0, {}
local function place_woken()
  local fresh, for_holder = {}, {}
  while placed < #plan.woken do
    placed = placed + 1
    local run = plan.woken[placed]
    if run.state ~= "ready" or run.placed then
      run = nil -- it has ended meanwhile, or was woken twice
    elseif run.holder == "" then
      fresh[#fresh + 1] = run
    elseif run.holder == worker and capacity > 0 then
      claim(run)
    else
      lib.set(run, "known", run.known)
      local entries = for_holder[run.holder] or {}
      for_holder[run.holder] = entries
      entries[#entries + 1], entries[#entries + 2] = now, run.id
    end
    if run then run.placed = true end
  end
  for holder, entries in pairs(for_holder) do
    write_chunks("ZADD", key("ready:@" .. holder), entries)
    read_idle()
    if idle[holder] then wake(holder) end
  end
  if #fresh == 0 then return end
  local sequence = call("HINCRBY", key("meta"), "sequence", #fresh) - #fresh
  for i, run in ipairs(fresh) do
    leave_unknown(run)
    local queue = lib.get(run, "queue") or "default"
    by_queue[queue] = by_queue[queue] or {}
    table.insert(by_queue[queue], { id = run.id, score = score_of(run, sequence + i) })
  end
end
place_woken()

-- True when it may have more: what stood first had ended or expired. There may be many of those, and each is a write.
local PASSED_OVER = 100 -- runs a call
local passed_over = 0
local function claim_from(queue)
  local asked = capacity
  local popped = call("ZPOPMIN", key("ready:" .. queue), asked)
  local ready, left, tried = by_queue[queue] or {}, {}, 0
  for i = 1, #popped, 2 do ready[#ready + 1] = { id = popped[i], score = tonumber(popped[i + 1]) } end
  if #ready > 1 then
    table.sort(ready, function(a, b) return a.score < b.score end)
  end
  for _, entry in ipairs(ready) do
    if capacity > 0 then
      claim(lib.load(entry.id))
      tried = tried + 1
    else
      left[#left + 1] = entry
    end
  end
  by_queue[queue] = left
  passed_over = passed_over + tried - (asked - capacity)
  return #popped == 2 * asked and passed_over < PASSED_OVER
end

-- Then the queues, where this batch's new runs stand behind what is there already.
if capacity > 0 then
  local queues = served
  if served[1] == "*" then
    queues = call("SMEMBERS", key("queues"))
    local listed = {}
    for _, queue in ipairs(queues) do listed[queue] = true end
    for queue in pairs(by_queue) do
      if not listed[queue] then queues[#queues + 1] = queue end
    end
  end
  for _, queue in ipairs(queues) do
    if string.byte(queue) ~= 63 then
      while capacity > 0 and claim_from(queue) do end
    end
  end
end
place_woken() -- a claim may have expired a run and so woken its parent
for queue, entries in pairs(by_queue) do enqueue(queue, entries) end

if worker ~= "" then
  if capacity > 0 then
    call("HSET", key("idle"), worker, table.concat(served, "\t"))
    if passed_over >= PASSED_OVER then -- there may be more: it asks again
      local host, thread = string.match(worker, "^(%d+)%.(%d+)$")
      call("PUBLISH", key("wake:" .. host), thread)
    end
  elseif lib.capacity > 0 then
    call("HDEL", key("idle"), worker)
  end
end

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
  if n <= CHUNK then
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

for name, sets in pairs({ held = plan.held, waiters = plan.waiters }) do
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

-- After a sweep has said what it read of these lists: it may have taken one for empty.
for at, ids in pairs(plan.going) do
  local stamp = string.format("%d", at)
  write_members("RPUSH", "going:" .. stamp, ids)
  call("ZADD", key("going"), at, stamp)
end
for i = 1, #plan.published, 2 do call("PUBLISH", key(plan.published[i]), plan.published[i + 1]) end

-- ---------------------------------------------------------------------------------------------------------------
-- Reply

local given = {}
for i, run in ipairs(claims) do
  if run.warm then
    given[i] = lib.outcomes(run, run.known, { "warm", run.id, run.turn })
  else
    given[i] = lib.reading.cold(run, "0")
  end
end

local due = ""
if lib.want_due then
  local head = call("ZRANGE", key("delayed"), 0, 0, "WITHSCORES")
  if head[2] and head[2] ~= "inf" then due = head[2] end
end
return { "ok", now, commit, replies, given, due }
