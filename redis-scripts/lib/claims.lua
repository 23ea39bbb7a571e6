-- claims: places the runs that became ready in this batch, and chooses the ready runs that the caller is given.
--
-- A ready run whose coroutine a worker keeps goes to that worker, any other one to its queue. The caller is given, in
-- this order: the runs that others promoted for it; its own runs that became ready in this batch; the runs of its
-- queues, by priority and age over all of them. While other workers are idle it is given only its share of the queues,
-- and they are woken.
--
-- `choose` runs after the groups. It reads and plans, and writes nothing: when it raises, no run has left its queue.
-- `write` makes the choice true, before commit.lua writes the runs.

local runs = lib.runs
local call, key, push, write_chunks = redis.call, lib.key, lib.push, lib.write_chunks
local worker, now, served = lib.worker, lib.now(), lib.served

local claims = {}
lib.claims = claims

local choice -- the claims of this batch, as far as they are chosen

local function begin()
  choice = {
    capacity = lib.capacity,
    claimed = {}, -- runs, in order
    promoted = 0, -- how many of the first members leave `ready:@<caller>`
    taken = {}, -- queue -> how many of its first members leave it
    heads = {}, -- queue -> the score of the first member that stays; false: none stays
    placed = 0, -- how many of plan.woken have a place
    entries = {}, -- runs that go into queues, in order: { id, queue, base, given_back, score, chosen }
    for_owner = {}, -- worker -> instant, run, …: runs that go into `ready:@<worker>`
    more = false, -- whether the caller may find runs behind those that it passed over
    waits = false, -- whether the caller stands among the workers that wait
    idle = false, -- whether the caller waits to be woken
  }
end

-- ---------------------------------------------------------------------------------------------------------------
-- Queues
--
-- `queues` has each queue that is not empty, with the score of its first run, so that the next run of all queues is
-- found without a walk over them.
--
-- A score is (100 - priority) · 2^45 + a place. The place is taken from a counter when the run is written. A run that
-- is claimed in the batch in which it became ready needs none: it only has to be compared.

local PRIORITY = 2 ^ 45 -- how many places a priority has
local MIDDLE = 2 ^ 44
local LAST = PRIORITY - 2 ^ 20 -- behind each place that was ever given

-- Runs of a workflow that no host has announced stand in the queue `?<workflow>`, which no worker serves.
local function is_unknown(queue) return string.byte(queue) == 63 end

-- As soon as its workflow is announced, a run leaves the queue `?<workflow>` for the queue that it was started for, or
-- for the one of its workflow.
local function leave_unknown(run)
  local queue = runs.get(run, "queue")
  local entry = queue and is_unknown(queue) and lib.registry.find(runs.get(run, "workflow"))
  if not entry then return end
  queue = runs.get(run, "asked_queue") or entry.queue
  runs.set(run, "queue", queue ~= "default" and queue or nil)
  runs.set(run, "asked_queue", nil)
end

-- Adds a ready run that no worker owns to the entries. Runs that were given back stand before all others of their
-- priority, in their order; the others stand behind.
local function add_entry(run)
  leave_unknown(run)
  local base = (100 - tonumber(runs.get(run, "priority") or 0)) * PRIORITY
  local count = #choice.entries
  push(choice.entries, {
    id = run.id, queue = runs.get(run, "queue") or "default", base = base, given_back = run.given_back,
    score = base + (run.given_back and count or LAST + count),
  })
end

-- The score of the first member of a queue that stays in it; false: none stays.
local function head_of(queue)
  local head = choice.heads[queue]
  if head == nil then
    head = tonumber(call("ZRANGE", key("ready:" .. queue), 0, 0, "WITHSCORES")[2] or nil) or false
    choice.heads[queue] = head
  end
  return head
end

-- Takes the next `count` members of a queue that stand at `bound` or before. Returns their runs.
local function take(queue, count, bound)
  local from, ready = choice.taken[queue] or 0, key("ready:" .. queue)
  local members -- one more than asked for, to know the next head
  if bound then
    members = call("ZRANGEBYSCORE", ready, "-inf", string.format("%.0f", bound), "WITHSCORES", "LIMIT", from, count + 1)
  else
    members = call("ZRANGE", ready, from, from + count, "WITHSCORES")
  end
  local ids = {}
  for i = 1, math.min(#members / 2, count) do ids[i] = members[2 * i - 1] end
  choice.taken[queue] = from + #ids
  local next_score = members[2 * count + 2]
  if not next_score and bound then
    next_score = call("ZRANGE", ready, from + #ids, from + #ids, "WITHSCORES")[2]
  end
  choice.heads[queue] = next_score and tonumber(next_score) or false
  return ids
end

local COUNTED = 10 -- queues

-- The two served queues whose first runs come first: name and score of the one, score of the other. Also the names of
-- served queues that are not empty, COUNTED of them.
local function first_queues()
  local names = {}
  local first, score, second
  local function look(queue, head)
    if choice.taken[queue] then head = choice.heads[queue] end
    head = head and tonumber(head)
    if head and #names < COUNTED then push(names, queue) end
    if head and (not score or head < score) then
      first, score, second = queue, head, score
    elseif head and (not second or head < second) then
      second = head
    end
  end
  if served[1] == "*" then
    local begun = 0 -- the queues that runs were taken from: in `queues` they still stand before all others
    for _ in pairs(choice.taken) do begun = begun + 1 end
    local heads = call("ZRANGE", key("queues"), 0, begun + COUNTED - 1, "WITHSCORES")
    for i = 1, #heads, 2 do look(heads[i], heads[i + 1]) end
  else
    for i, head in ipairs(call("ZMSCORE", key("queues"), unpack(served))) do look(served[i], head) end
  end
  return first, score, second, names
end

-- ---------------------------------------------------------------------------------------------------------------
-- Choose

-- Gives the caller a run, if it is ready and has not expired.
local function claim(run)
  if not run or run.state ~= "ready" then return end
  if run.deadline then lib.cancellation.expire(run) end
  if run.state ~= "ready" then return end
  run.warm = run.owner ~= ""
  if not run.warm then
    local is_first = run.fresh -- whether no worker had it before
    if not run.bundle then
      local entry = lib.registry.find(runs.get(run, "workflow"))
      runs.set_bundle(run, entry and entry.bundle or "")
      is_first = run.turn == 0
    end
    if is_first or not runs.get(run, "started_at") then runs.set(run, "started_at", lib.stamp) end
  end
  runs.move(run, "running")
  runs.set_owner(run, worker)
  if run.deadline then lib.plan.delayed[run.id] = false end -- a ready run stands there only for its deadline
  push(choice.claimed, run)
  choice.capacity = choice.capacity - 1
end

-- Gives a run that became ready in this batch its place, unless it has ended meanwhile or has a place.
local function place(run)
  if not run or run.state ~= "ready" or run.placed then return end
  run.placed = true
  if run.owner == "" then
    add_entry(run)
  elseif run.owner == worker and choice.capacity > 0 then
    claim(run)
  else
    runs.set(run, "acked", run.acked)
    if not choice.for_owner[run.owner] then
      choice.for_owner[run.owner] = {}
      lib.wakeups.plan_owner(run.owner)
    end
    push(choice.for_owner[run.owner], now)
    push(choice.for_owner[run.owner], run.id)
  end
end

local function place_woken()
  local woken = lib.plan.woken
  while choice.placed < #woken do
    choice.placed = choice.placed + 1
    runs.handle(woken[choice.placed].id, place)
  end
end

-- Reads the outcomes of a warm run before anything is written.
local function read_outcomes(run)
  if run and run.warm then run.reply = runs.outcomes(run, run.acked, { "warm", run.id, run.turn }) end
end

-- Returns how many runs the caller may take of its queues, so that each worker that could take some gets as many.
-- `queues`: those of its queues that are not empty.
local function fair_share(fresh, queues)
  local capacity = choice.capacity
  if capacity <= 1 then return capacity end
  local wanted, seen = {}, {}
  for _, entry in ipairs(fresh) do
    if not seen[entry.queue] then push(wanted, entry.queue) end
    seen[entry.queue] = true
  end
  for _, queue in ipairs(queues) do
    if not seen[queue] then push(wanted, queue) end
  end
  local helpers = lib.wakeups.count_helpers(wanted, choice.waits)
  if helpers <= 0 then return capacity end
  local ready = #fresh
  for _, queue in ipairs(queues) do
    if ready >= capacity * (helpers + 1) then break end
    ready = ready + call("ZCARD", key("ready:" .. queue))
  end
  return math.max(1, math.min(capacity, math.ceil(ready / (helpers + 1))))
end

-- The entries of this batch that the caller may be given, first come first.
local function served_entries()
  local fresh = {}
  for _, entry in ipairs(choice.entries) do
    if not is_unknown(entry.queue) and lib.serves(entry.queue) then push(fresh, entry) end
  end
  if #fresh > 1 then
    table.sort(fresh, function(a, b) return a.score < b.score end)
  end
  return fresh
end

local PASSED_OVER = 100 -- runs a call that had ended or expired: each is a write

-- Gives the caller runs of its queues. New runs of this batch stand behind older ones.
local function claim_queued()
  local fresh = served_entries()
  local queue, score, second, queues = first_queues()
  if not queue and #fresh == 0 then return end
  local kept = choice.capacity
  choice.capacity = fair_share(fresh, queues)
  kept = kept - choice.capacity

  local next_fresh, passed_over = 1, 0
  local function try(id)
    local before = choice.capacity
    runs.handle(id, claim, "workflow")
    if choice.capacity == before then passed_over = passed_over + 1 end
  end
  while choice.capacity > 0 and passed_over < PASSED_OVER do
    local entry = fresh[next_fresh]
    if entry and (not score or entry.score < score) then
      next_fresh, entry.chosen = next_fresh + 1, true
      try(entry.id)
    elseif queue then
      local bound = second
      if entry and (not bound or entry.score < bound) then bound = entry.score end
      for _, id in ipairs(take(queue, choice.capacity, bound)) do try(id) end
      queue, score, second = first_queues()
    else
      break
    end
  end
  choice.more = passed_over >= PASSED_OVER
  if queue and kept > 0 then lib.wakeups.plan(queue, kept) end -- the caller leaves these to the workers that are woken
  choice.capacity = choice.capacity + kept
end

-- Reads what `write` needs of the queues that runs are put into, and plans whom to wake for them.
local function look_at_entries()
  local counts, order = {}, {}
  for _, entry in ipairs(choice.entries) do
    if not entry.chosen and not is_unknown(entry.queue) then
      if not counts[entry.queue] then push(order, entry.queue) end
      counts[entry.queue] = (counts[entry.queue] or 0) + 1
    end
  end
  for _, queue in ipairs(order) do
    head_of(queue)
    lib.wakeups.plan(queue, counts[queue])
  end
end

-- Plans to wake workers that are idle while their queues are not: a message to them was lost, or they were busy when it
-- came. A heartbeat that only renews wakes those of its own host.
local function wake_idle()
  for _, queue in ipairs(call("ZRANGE", key("queues"), 0, COUNTED - 1)) do
    local ready = call("ZCARD", key("ready:" .. queue)) - (choice.taken[queue] or 0)
    ready = ready - lib.wakeups.plan_own(queue, ready)
    if not lib.plan.renews_only then lib.wakeups.plan(queue, ready) end
  end
end

-- A worker that is given no run waits to be woken, unless its host is about to end.
local function is_idle()
  if worker == "" or lib.capacity == 0 or #choice.claimed > 0 then return false end
  return not call("HGET", key("host:" .. string.match(worker, "^%d+")), "leaving")
end

local function choose()
  if choice.capacity > 0 then choice.waits = lib.wakeups.is_waiting() end
  if choice.capacity > 0 then -- runs that others promoted for this worker have waited longest
    local promoted = call("ZRANGE", key("ready:@" .. worker), 0, choice.capacity - 1)
    choice.promoted = #promoted
    for _, id in ipairs(promoted) do runs.handle(id, claim) end
  end
  place_woken()
  if choice.capacity > 0 then claim_queued() end
  place_woken() -- a claim may have expired a run, which made its parent ready
  look_at_entries()
  if lib.plan.to_wake then wake_idle() end
  choice.idle = is_idle()
  for _, run in ipairs(choice.claimed) do runs.handle(run.id, read_outcomes) end
end

--- Choose the runs of the caller and the places of all others. Returns the chosen runs, in order. Returns nil when the
--- batch has to be planned again, without a run that could not be handled. A run whose record cannot be read leaves its
--- queue, so that it does not keep the runs behind it from the workers.
function claims.choose()
  begin()
  local ok, fault = pcall(choose)
  if ok then return choice.claimed end
  if not runs.skip_handled(fault) then error(fault, 0) end
end

--- Check the types of all keys that are written, those of the choice and those of the plan.
function claims.check_types() lib.commit.check(choice.heads, choice.entries, choice.for_owner) end

-- ---------------------------------------------------------------------------------------------------------------
-- Write

-- Gives each entry that stays its place, and writes it into its queue.
local function write_entries()
  if #choice.entries == 0 then return end
  local before, behind, members = 0, 0, {}
  for _, entry in ipairs(choice.entries) do
    if not entry.chosen then
      if entry.given_back then before = before + 1 else behind = behind + 1 end
    end
  end
  if before > 0 then before = -call("HINCRBY", key("meta"), "returned", before) - 1 end
  if behind > 0 then behind = call("HINCRBY", key("meta"), "sequence", behind) - behind end
  for _, entry in ipairs(choice.entries) do
    if not entry.chosen then
      if entry.given_back then before = before + 1 else behind = behind + 1 end
      local score = entry.base + MIDDLE + (entry.given_back and before or behind)
      local queue = entry.queue
      members[queue] = members[queue] or {}
      push(members[queue], string.format("%.0f", score))
      push(members[queue], entry.id)
      local head = choice.heads[queue]
      if not is_unknown(queue) and (not head or score < head) then choice.heads[queue] = score end
    end
  end
  for queue, list in pairs(members) do
    write_chunks("ZADD", key("ready:" .. queue), list)
    if is_unknown(queue) then call("SADD", key("unknown"), string.sub(queue, 2)) end
  end
end

local function write_heads()
  if next(choice.heads) == nil then return end
  local first, empty = {}, {}
  for queue, head in pairs(choice.heads) do
    if head then
      push(first, string.format("%.0f", head))
      push(first, queue)
    else
      push(empty, queue)
    end
  end
  write_chunks("ZADD", key("queues"), first)
  write_chunks("ZREM", key("queues"), empty)
end

local function write_idle()
  if #choice.claimed > 0 then
    if choice.waits then lib.wakeups.work() end
  elseif choice.idle then
    lib.wakeups.wait()
    local host, thread = string.match(worker, "^(%d+)%.(%d+)$")
    if choice.more then call("PUBLISH", key("wake:" .. host), thread) end -- it asks once more
  end
end

--- Write what was chosen.
function claims.write()
  if choice.promoted > 0 then call("ZREMRANGEBYRANK", key("ready:@" .. worker), 0, choice.promoted - 1) end
  for queue, count in pairs(choice.taken) do
    if count > 0 then call("ZREMRANGEBYRANK", key("ready:" .. queue), 0, count - 1) end
  end
  write_entries()
  write_heads()
  for owner, members in pairs(choice.for_owner) do write_chunks("ZADD", key("ready:@" .. owner), members) end
  if lib.plan.wakes then lib.wakeups.send() end
  write_idle()
end

--- Write the heads of queues that runs left otherwise. Comes when the runs of this batch are written.
function claims.update_heads()
  for queue in pairs(lib.plan.left) do
    if not is_unknown(queue) then
      local head = call("ZRANGE", key("ready:" .. queue), 0, 0, "WITHSCORES")
      if head[2] then
        call("ZADD", key("queues"), head[2], queue)
      else
        call("ZREM", key("queues"), queue)
      end
    end
  end
end
