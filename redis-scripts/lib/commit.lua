-- commit: writes the plan of a batch, each changed run with one HSET. Before that it checks that no write can fail
-- behind the first one, because another program has put a key of another type in the place of one of weir's. The keys
-- of one run are checked where its change is planned (runs.lua, dedupe.lua), so that only its group raises.

local call, key, write_chunks = redis.call, lib.key, lib.write_chunks
local commit = {}
lib.commit = commit

local INFINITE = { [math.huge] = "+inf" }

local COMPACT, ELSEWHERE = lib.COMPACT, lib.ELSEWHERE
local near = {} -- one table for all runs

-- Writes the changed fields of a run. Values that are too long for a listpack go to v:<run>.
local function write_run(run)
  local n, far, deleted = 0, nil, nil
  for field, value in pairs(run.changed) do
    if value == false then
      deleted = deleted or {}
      deleted[#deleted + 1] = field
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
  if deleted and not run.fresh then
    write_chunks("HDEL", hash, deleted)
    write_chunks("HDEL", key("v:" .. run.id), deleted)
  end
end

local function write_members(command, name, list) write_chunks(command, key(name), list) end

-- Reads a key that raises for another type, by the first letter of a command that writes it.
local READS = { H = "HLEN", Z = "ZCARD", S = "SCARD", R = "LLEN", L = "LLEN" }
local ANY_TYPE = { DEL = true, UNLINK = true, RENAME = true }

local function check_calls(writes)
  local checked = {}
  for _, write in ipairs(writes) do
    local command, name = write[1], write[2]
    if not ANY_TYPE[command] and not checked[name] then call(READS[string.sub(command, 1, 1)], name) end
    checked[name] = true
  end
end

--- Raise when a key that the plan writes has another type. `heads`, `entries`: of the queues that claims.lua changes,
--- and has read unless they are of unknown workflows; `for_owner`: workers that it promotes runs for.
function commit.check(heads, entries, for_owner)
  local plan = lib.plan
  if next(plan.delayed) ~= nil then call("ZCARD", key("delayed")) end
  if next(plan.roots) ~= nil then call("ZCARD", key("roots")) end
  if next(plan.failed) ~= nil then call("ZCARD", key("failed")) end
  if next(plan.unfinished) ~= nil then call("HLEN", key("unfinished")) end
  if next(plan.attempts) ~= nil then
    call("HLEN", key("attempts"))
    call("HLEN", key("announced")) -- a bundle may go
  end
  if next(plan.serves) ~= nil then
    call("HLEN", key("serves"))
    call("HLEN", key("announced"))
  end
  for worker in pairs(plan.owned) do call("SCARD", key("owned:" .. worker)) end
  if next(heads) ~= nil or next(plan.left) ~= nil then call("ZCARD", key("queues")) end
  for queue in pairs(plan.left) do call("ZCARD", key("ready:" .. queue)) end
  for i = 1, #entries do
    local queue = entries[i].queue
    if string.byte(queue) == 63 then -- ?<workflow>
      call("ZCARD", key("ready:" .. queue))
      call("SCARD", key("unknown"))
    end
  end
  for worker in pairs(for_owner) do call("ZCARD", key("ready:@" .. worker)) end
  for instant in pairs(plan.expiry) do
    call("ZCARD", key("expiry"))
    call("LLEN", key("expiry:" .. string.format("%d", instant)))
  end
  if #plan.calls > 0 then check_calls(plan.calls) end
end

--- Write what was planned, then publish.
function commit.write()
  local plan = lib.plan
  for _, run in ipairs(plan.changed) do write_run(run) end

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
    local members, removed = {}, {}
    for id, score in pairs(plan[name]) do
      if score then
        members[#members + 1], members[#members + 2] = score, id
      else
        removed[#removed + 1] = id
      end
    end
    write_members("ZADD", name, members)
    write_members("ZREM", name, removed)
  end

  for _, write in ipairs(plan.calls) do call(unpack(write)) end
  if next(plan.unfinished) or next(plan.attempts) or next(plan.serves) then lib.needs.write() end
  for name, count in pairs(plan.tally) do
    if count > 0 then call("HINCRBY", key("meta"), name, count) end
  end
  lib.claims.update_heads()

  -- Behind the writes of a sweep, which may delete a list that it found empty.
  for at, ids in pairs(plan.expiry) do
    local stamp = string.format("%d", at)
    write_members("RPUSH", "expiry:" .. stamp, ids)
    call("ZADD", key("expiry"), at, stamp)
  end
  for i = 1, #plan.published, 2 do call("PUBLISH", key(plan.published[i]), plan.published[i + 1]) end
end
