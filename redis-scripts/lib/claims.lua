-- claims: where the runs go that became ready in this batch, and which ready runs the caller is given. Runs after the
-- groups, as the first that writes.
--
-- A ready run whose coroutine a worker holds goes to that worker, any other one to its queue. The caller is given what
-- others promoted for it, then what became ready here and is its own, then what its queues have: by priority and age
-- over all of them. While other workers are idle it is given its share of the queues and no more, and they are woken.

local runs = lib.runs
local call, key, write_chunks = redis.call, lib.key, lib.write_chunks
local worker, now, served = lib.worker, lib.now(), lib.served

local claims = {}
lib.claims = claims

local capacity = lib.capacity
local given = {} -- runs given to the caller, in order

-- ---------------------------------------------------------------------------------------------------------------
-- Idle workers

local EXPECTED_MS = 100 -- a woken worker asks by then, or it is busy or gone

local idle -- worker -> its queues, tab-separated, of those that wait to be woken; read when needed
local expected -- worker -> its queues, of those that were woken and have not asked yet

local function read_idle()
  if idle then return end
  idle, expected = {}, {}
  local stored = call("HGETALL", key("idle"))
  for i = 1, #stored, 2 do
    local who, queues = stored[i], stored[i + 1]
    if who ~= worker and not lib.plan.gone[string.match(who, "^%d+")] then
      local woken_at, theirs = string.match(queues, "^!(%d+)\t(.*)$")
      if not woken_at then
        idle[who] = queues
      elseif now - woken_at < EXPECTED_MS and now >= tonumber(woken_at) then
        expected[who] = theirs
      else
        idle[who] = theirs
      end
    end
  end
end

local function serves(theirs, queue)
  return theirs == "*" or string.find("\t" .. theirs .. "\t", "\t" .. queue .. "\t", 1, true) ~= nil
end

-- True when its host heard it, or is the caller and reads it in the reply.
local function wake(who)
  call("HSET", key("idle"), who, string.format("!%d\t%s", now, idle[who]))
  idle[who] = nil
  local host, thread = string.match(who, "^(%d+)%.(%d+)$")
  local told = lib.plan.to_wake
  if told and told.host == host then
    told[#told + 1] = thread
    return true
  end
  return call("PUBLISH", key("wake:" .. host), thread) > 0
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
local function wake_for(queue, count)
  read_idle()
  for _, wanted in ipairs({ true, false }) do
    for who, theirs in pairs(idle) do
      if count == 0 then return end
      if serves(theirs, queue) and is_alive(who) == wanted and wake(who) then count = count - 1 end
    end
  end
end

-- How many other workers could take runs of the queues that the caller serves.
local function count_helpers()
  read_idle()
  local helpers = 0
  for _, of in ipairs({ idle, expected }) do
    for who, theirs in pairs(of) do
      local fits = served[1] == "*" or theirs == "*"
      for _, queue in ipairs(fits and {} or served) do fits = fits or serves(theirs, queue) end
      if fits and is_alive(who) then helpers = helpers + 1 end
    end
  end
  return helpers
end

-- ---------------------------------------------------------------------------------------------------------------
-- Queues
--
-- `queues` has each queue that is not empty, with the score of its first run, so that the next run of all queues is
-- found without walking them.

local function update_head(queue)
  local head = call("ZRANGE", key("ready:" .. queue), 0, 0, "WITHSCORES")
  if head[2] then
    call("ZADD", key("queues"), head[2], queue)
  else
    call("ZREM", key("queues"), queue)
  end
end

local MIDDLE = 2 ^ 44 -- of the places that one priority has
local function score_of(run, place)
  return (100 - tonumber(runs.get(run, "priority") or 0)) * 2 ^ 45 + MIDDLE + place
end

-- Runs of a workflow that no host has announced stand apart, in the queue `?<workflow>`.
local function is_unknown(queue) return string.byte(queue) == 63 end

local function enqueue(queue, entries)
  local members = {}
  for i, entry in ipairs(entries) do
    members[2 * i - 1], members[2 * i] = string.format("%.0f", entry.score), entry.id
  end
  write_chunks("ZADD", key("ready:" .. queue), members)
  if is_unknown(queue) then
    call("SADD", key("unknown"), string.sub(queue, 2))
  else
    update_head(queue)
    wake_for(queue, #entries)
  end
end

-- Such a run goes to the queue it was started for, or to that of its workflow, once the workflow is known.
local function leave_unknown(run)
  local queue = runs.get(run, "queue")
  local entry = queue and is_unknown(queue) and lib.registry.find(runs.get(run, "workflow"))
  if not entry then return end
  queue = runs.get(run, "asked_queue") or entry.queue
  runs.set(run, "queue", queue ~= "default" and queue or nil)
  runs.set(run, "asked_queue", nil)
end

-- ---------------------------------------------------------------------------------------------------------------
-- Place and claim

-- A run that was taken out of a queue. An error here would lose all that were taken with it, as Redis takes no write
-- back: a record that cannot be read is passed over.
local function load_taken(id)
  local ok, run = pcall(runs.load, id)
  if ok then return run end
  runs.set_missing(id)
end

local function claim(run)
  if not run or run.state ~= "ready" then return end
  if run.deadline then lib.cancellation.expire(run) end
  if run.state ~= "ready" then return end
  local warm = run.owner ~= ""
  if not warm then
    if not runs.get(run, "bundle") then
      local entry = lib.registry.find(runs.get(run, "workflow"))
      runs.set(run, "bundle", entry and entry.bundle or "")
    end
    if run.fresh or not runs.get(run, "started_at") then runs.set(run, "started_at", string.format("%d", now)) end
  end
  runs.move(run, "running")
  runs.set_owner(run, worker)
  lib.plan.delayed[run.id] = false
  run.warm = warm
  given[#given + 1] = run
  capacity = capacity - 1
end

-- Runs that became ready here and that no worker holds get their places: those that were given back stand before all
-- others of their priority, in their order, the others behind.
local function give_places(fresh, by_queue)
  local returned = 0
  for _, run in ipairs(fresh) do
    if run.given_back then returned = returned + 1 end
  end
  local behind = returned < #fresh and call("HINCRBY", key("meta"), "sequence", #fresh - returned) - (#fresh - returned)
  local before = returned > 0 and -call("HINCRBY", key("meta"), "returned", returned) - 1
  for _, run in ipairs(fresh) do
    leave_unknown(run)
    local queue = runs.get(run, "queue") or "default"
    if run.given_back then before = before + 1 else behind = behind + 1 end
    by_queue[queue] = by_queue[queue] or {}
    table.insert(by_queue[queue],
      { id = run.id, score = score_of(run, run.given_back and before or behind), queue = queue })
  end
end

local placed = 0 -- of plan.woken
local function place_woken(by_queue)
  local woken = lib.plan.woken
  local fresh, for_owner = {}, {}
  while placed < #woken do
    placed = placed + 1
    local run = woken[placed]
    if run.state ~= "ready" or run.placed then
      run = nil -- it has ended meanwhile, or was woken twice
    elseif run.owner == "" then
      fresh[#fresh + 1] = run
    elseif run.owner == worker and capacity > 0 then
      claim(run)
    else
      runs.set(run, "known", run.known)
      local entries = for_owner[run.owner] or {}
      for_owner[run.owner] = entries
      entries[#entries + 1], entries[#entries + 2] = now, run.id
    end
    if run then run.placed = true end
  end
  for owner, entries in pairs(for_owner) do
    write_chunks("ZADD", key("ready:@" .. owner), entries)
    read_idle()
    if idle[owner] then wake(owner) end
  end
  if #fresh > 0 then give_places(fresh, by_queue) end
end

-- The two served queues whose first runs come first: name and score of the one, score of the other.
local function first_queues()
  if served[1] == "*" then
    local heads = call("ZRANGE", key("queues"), 0, 1, "WITHSCORES")
    return heads[1], tonumber(heads[2]), tonumber(heads[4])
  end
  local first, score, second
  for i, head in ipairs(call("ZMSCORE", key("queues"), unpack(served))) do
    head = tonumber(head or nil)
    if head and (not score or head < score) then
      first, score, second = served[i], head, score
    elseif head and (not second or head < second) then
      second = head
    end
  end
  return first, score, second
end

-- Take up to `count` runs out of a queue, none of which stands behind `bound`.
local function pop(queue, count, bound)
  local ready = key("ready:" .. queue)
  if not bound then return call("ZPOPMIN", ready, count) end
  local entries = call("ZRANGEBYSCORE", ready, "-inf", string.format("%.0f", bound), "WITHSCORES", "LIMIT", 0, count)
  if #entries > 0 then call("ZREMRANGEBYRANK", ready, 0, #entries / 2 - 1) end
  return entries
end

local COUNTED = 10 -- queues

-- How many runs the caller may take of its queues, so that each worker that could take some has as many.
local function fair_share(fresh)
  local helpers = capacity > 1 and count_helpers() or 0
  if helpers == 0 then return capacity end
  local ready = #fresh
  local queues = served[1] == "*" and call("ZRANGE", key("queues"), 0, COUNTED - 1) or served
  for _, queue in ipairs(queues) do
    if ready >= capacity * (helpers + 1) then break end
    ready = ready + call("ZCARD", key("ready:" .. queue))
  end
  return math.max(1, math.min(capacity, math.ceil(ready / (helpers + 1))))
end

local PASSED_OVER = 100 -- runs a call that had ended or expired: each is a write
local more = false -- whether there may be runs for the caller behind those

-- Give the caller what its queues have; new runs of this batch stand behind older ones.
local function claim_queued(by_queue)
  local fresh, ours = {}, table.concat(served, "\t")
  for queue, entries in pairs(by_queue) do
    if not is_unknown(queue) and serves(ours, queue) then
      for _, entry in ipairs(entries) do fresh[#fresh + 1] = entry end
      by_queue[queue] = nil
    end
  end
  local queue, score, second = first_queues()
  if not queue and #fresh == 0 then return end
  if #fresh > 1 then
    table.sort(fresh, function(a, b) return a.score < b.score end)
  end
  local kept = capacity
  capacity = fair_share(fresh)
  kept = kept - capacity

  local next_fresh, passed_over = 1, 0
  local function try(id)
    local before = capacity
    claim(load_taken(id))
    if capacity == before then passed_over = passed_over + 1 end
  end
  while capacity > 0 and passed_over < PASSED_OVER do
    local entry = fresh[next_fresh]
    if entry and (not score or entry.score < score) then
      next_fresh = next_fresh + 1
      try(entry.id)
    elseif queue then
      local bound = second
      if entry and (not bound or entry.score < bound) then bound = entry.score end
      local popped = pop(queue, capacity, bound)
      for i = 1, #popped, 2 do try(popped[i]) end
      update_head(queue)
      queue, score, second = first_queues()
    else
      break
    end
  end
  more = passed_over >= PASSED_OVER
  for i = next_fresh, #fresh do
    local entries = by_queue[fresh[i].queue] or {}
    by_queue[fresh[i].queue] = entries
    entries[#entries + 1] = fresh[i]
  end
  if queue and kept > 0 then wake_for(queue, kept) end -- for whom they were kept
  capacity = capacity + kept
end

-- A worker that was given nothing waits to be woken; but for one whose host is about to end.
local function note_idle()
  if #given > 0 then
    call("HDEL", key("idle"), worker)
    return
  end
  local host, thread = string.match(worker, "^(%d+)%.(%d+)$")
  if call("HGET", key("host:" .. host), "leaving") then return end
  call("HSET", key("idle"), worker, table.concat(served, "\t"))
  if more then call("PUBLISH", key("wake:" .. host), thread) end -- it asks again
end

-- Workers that are idle while their queues are not: a message to them was lost, or they were busy when it came.
local function wake_idle()
  local queues = call("ZRANGE", key("queues"), 0, COUNTED - 1)
  for _, queue in ipairs(queues) do wake_for(queue, call("ZCARD", key("ready:" .. queue))) end
end

--- Once the planned writes are done: runs may have left their queues.
function claims.update_heads()
  for queue in pairs(lib.plan.left) do
    if not is_unknown(queue) then update_head(queue) end
  end
end

--- Place what became ready, and give the caller what it may have: those runs, in order.
function claims.place()
  local by_queue = {}
  if capacity > 0 then -- what others promoted for this worker comes first: it has waited longest
    local promoted = call("ZPOPMIN", key("ready:@" .. worker), capacity)
    for i = 1, #promoted, 2 do claim(load_taken(promoted[i])) end
  end
  place_woken(by_queue)
  if capacity > 0 then claim_queued(by_queue) end
  place_woken(by_queue) -- a claim may have expired a run and so woken its parent
  for queue, entries in pairs(by_queue) do enqueue(queue, entries) end
  if worker ~= "" and lib.capacity > 0 then note_idle() end
  if lib.plan.to_wake then wake_idle() end
  return given
end
