-- dedupe: what is asked for again with the same key, while an earlier run of that workflow is young, is that run.
-- `start` and `invoke` ask for it, and whatever ends a run that others wait for, or such a wait.
--
-- Keys stand in `dedupe`. Those that wait for a run without being its parent stand in `waiters:<run>`; its end is told
-- to a bounded number of them a call.

local runs, ends = lib.runs, lib.ends
local call, match, push = redis.call, string.match, lib.push
local dedupe = {}
lib.dedupe = dedupe

--- The run that stands for what is asked for with this key. One that failed or was cancelled stands for nothing.
function dedupe.find(workflow, key)
  local field = workflow .. "\t" .. key
  local text = lib.plan.keys[field]
  if text == nil then
    text = call("HGET", lib.key("dedupe"), field)
    lib.plan.keys[field] = text
  end
  if not text then return nil end
  local expires_at, created_at, id = match(text, "^(%d+)\t(%d+)\t(.*)$")
  local run = tonumber(expires_at) > lib.now() and runs.load(id)
  if not run or run.state == "failed" or run.state == "cancelled" then return nil end
  local is_it = runs.get(run, "created_at") == created_at -- not another one, begun under its id when it was deleted
  return is_it and runs.get(run, "workflow") == workflow and run or nil
end

--- From now on, and for so long, a run that begins now stands for all that are asked for with this key.
function dedupe.register(run, workflow, key, within_ms)
  local field, now = workflow .. "\t" .. key, lib.now()
  local expires_at = now + tonumber(within_ms)
  local text = string.format("%d\t%d\t%s", expires_at, now, run.id)
  lib.plan.keys[field] = text
  lib.write("HSET", "dedupe", field, text)
  runs.set_rare(run, "keyed_until", string.format("%d", expires_at))
end

--- A run completed that stands for others. Retention leaves it alone until its key expires, and those above it, too, as
--- it would go with them.
function dedupe.keep(run)
  local expires_at, id = tonumber(run.keyed_until), run.id
  while id do
    local record = runs.load(id)
    if record and tonumber(record.kept_until or 0) < expires_at then
      runs.set_rare(record, "kept_until", string.format("%d", expires_at))
    end
    id = runs.parent_of(id)
  end
end

local SWEPT = 1000 -- keys a call, or a few more

--- Forget keys whose time is over, wherever the last call came to.
function dedupe.sweep_keys()
  local cursor = call("HGET", lib.key("meta"), "swept") or "0"
  local page = call("HSCAN", lib.key("dedupe"), cursor, "COUNT", SWEPT)
  local fields = page[2]
  for i = 1, #fields, 2 do
    local over = tonumber(match(fields[i + 1], "^%d+")) <= lib.now()
    if over and lib.plan.keys[fields[i]] == nil then
      lib.plan.frees_memory = true
      lib.write("HDEL", "dedupe", fields[i])
    end
  end
  if page[1] ~= cursor then lib.write("HSET", "meta", "swept", page[1]) end
end

local function plan_waiter(id, path, waits)
  lib.plan.waiters[id] = lib.plan.waiters[id] or {}
  lib.plan.waiters[id][path] = waits
end

--- An operation waits for a run that has a parent of its own, or none.
function dedupe.wait_for(run, operation, other)
  plan_waiter(other.id, run.id .. "/" .. operation, true)
  if not other.waiters then runs.set_rare(other, "waiters", "1") end
end

--- It does so no longer. False: it did not, or knows the outcome.
function dedupe.stop_waiting(run, operation, message)
  local other = runs.get(run, "w:" .. operation)
  if not other then return false end
  plan_waiter(other, run.id .. "/" .. operation, false)
  return runs.record_outcome(run, operation, "cancelled", 0, cjson.encode({ code = "cancelled", message = message }))
end

local TOLD = 100 -- waiters a call
local TOLD_BYTES = 4 * 1024 * 1024

-- Those that wait for a run, `most` of them and what this batch planned. True: there may be more.
local function some_waiters(id, most)
  local planned = lib.plan.waiters[id] or {}
  local stored, paths = call("SRANDMEMBER", lib.key("waiters:" .. id), most), {}
  for _, path in ipairs(stored) do
    if planned[path] == nil then push(paths, path) end
  end
  for path, waits in pairs(planned) do
    if waits then push(paths, path) end
  end
  table.sort(paths)
  return paths, #stored == most
end

--- A run has ended, and its end is the outcome of every operation that waits for it. What is left over is told by the
--- next `promote`: until then the run stands in the delayed set.
function dedupe.tell_waiters(record, value)
  local most = math.min(TOLD, math.ceil(TOLD_BYTES / (#value + 1))) - lib.plan.tellings
  local paths, more = {}, true
  if most > 0 then paths, more = some_waiters(record.id, most) end
  for _, path in ipairs(paths) do
    local run_id, operation = runs.parent_of(path)
    local run = runs.load(run_id)
    plan_waiter(record.id, path, false)
    if run and not runs.ended(run) and runs.get(run, "w:" .. operation) == record.id then
      if runs.record_outcome(run, operation, record.state, record.attempt, value, nil, nil, record.id) then
        ends.promote(run)
      end
    end
  end
  lib.plan.tellings = lib.plan.tellings + #paths
  if not more then
    runs.set_rare(record, "waiters", nil)
    return lib.expiry.schedule_if_final(record)
  end
  lib.plan.delayed[record.id] = lib.now()
  push(lib.plan.published, "due")
  push(lib.plan.published, lib.now())
end

-- ---------------------------------------------------------------------------------------------------------------
-- Deadlocks: runs that wait for each other, of which none can ever end

local LOOKED_AT = 1000 -- runs a call; a deadlock that is larger is not seen here, and `weir why` tells
local PRINTED = 20 -- runs of a deadlock

-- The run of an operation that waits for another run; nil when it does so no longer, or is about to be cancelled.
local function waiter_at(path, id)
  local run_id, operation = runs.parent_of(path)
  local run = runs.load(run_id, "w:" .. operation)
  if not run or runs.ended(run) or runs.get(run, "w:" .. operation) ~= id then return nil end
  local open, after = match(runs.get(run, "o:" .. operation) or "", "^(\t)%d+\t[^\t]*\t?(%d*)")
  local cut_off = run.cancel and after ~= "" and tonumber(after) < run.cancel
  return open and not cut_off and run or nil
end

-- A parent waits for its child, unless that was let go; then it may wait for its end when it ends itself.
local function waiting_parent(record)
  if (record.detached or record.abandoned) and not record.cancel_awaited then return nil end
  local parent_id = runs.parent_of(record.id)
  local parent = parent_id and runs.load(parent_id)
  return parent and not runs.ended(parent) and parent or nil
end

-- Adds a run and those above it to what cannot end before `below`.
local function add(walk, run, below)
  while run and walk.blocked_by[run.id] == nil do
    walk.blocked_by[run.id] = below and below.id or false
    walk.left = walk.left - 1
    push(walk.list, run)
    run, below = waiting_parent(run), run
  end
end

-- All that cannot end before a run: id -> the run it waits for. Those above it always, of the others as many as are
-- left to look at. What its turn adds to the waits of the run itself changes nothing of that, so it is looked at once.
local function find_blocked_by(run)
  if run.blocked_by then return run.blocked_by end
  local walk, at = { blocked_by = {}, list = {}, left = lib.plan.waiters_left or LOOKED_AT }, 0
  add(walk, run, nil)
  while at < #walk.list and walk.left > 0 do
    at = at + 1
    local other = walk.list[at]
    for _, path in ipairs(other.waiters and some_waiters(other.id, walk.left) or {}) do
      if walk.left <= 0 then break end
      local waiter = waiter_at(path, other.id)
      if waiter then add(walk, waiter, other) else walk.left = walk.left - 1 end
    end
  end
  lib.plan.waiters_left, run.blocked_by = walk.left, walk.blocked_by
  return walk.blocked_by
end

--- The deadlock that a run closes if it waits for another one, for people; nil when that one can end before it.
function dedupe.deadlock(run, other)
  local blocked_by = find_blocked_by(run)
  if blocked_by[other.id] == nil then return nil end
  local names, id, count = { run.id }, other.id, 0
  while id do
    count = count + 1
    if count < PRINTED then push(names, id) end
    id = blocked_by[id]
  end
  if count >= PRINTED then
    push(names, "… (" .. count .. " runs)")
    push(names, run.id)
  end
  return table.concat(names, " waits for ")
end
