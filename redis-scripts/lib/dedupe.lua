-- dedupe: a start or an invoke with the key of a young run of the same workflow gets that run. `start` and `invoke`
-- look for it. The end of a run is told to the operations that share it.
--
-- `dedupe` has the keys. `waiters:<run>` has the operations that wait for a run that is not their child; a call tells
-- its end to a bounded number of them.

local runs, ends = lib.runs, lib.ends
local call, match, push = redis.call, string.match, lib.push
local dedupe = {}
lib.dedupe = dedupe

--- Return the run with this key, unless it failed or was cancelled.
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
  local is_it = runs.get(run, "created_at") == created_at -- not a later run with the same id
  return is_it and runs.get(run, "workflow") == workflow and run or nil
end

--- Give a run that begins now this key, for `within_ms`.
function dedupe.register(run, workflow, key, within_ms)
  local field, now = workflow .. "\t" .. key, lib.now()
  local expires_at = now + tonumber(within_ms)
  local text = string.format("%d\t%d\t%s", expires_at, now, run.id)
  lib.plan.keys[field] = text
  lib.write("HSET", "dedupe", field, text)
  runs.set_rare(run, "keyed_until", string.format("%d", expires_at))
end

--- A run with a key completed. Retention keeps it until the key expires, and so the runs above it, because a run is
--- deleted with its descendants.
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

--- Delete expired keys. Each call continues where the last one stopped.
function dedupe.sweep_keys()
  local cursor = call("HGET", lib.key("meta"), "dedupe_cursor") or "0"
  local page = call("HSCAN", lib.key("dedupe"), cursor, "COUNT", SWEPT)
  local fields = page[2]
  for i = 1, #fields, 2 do
    local expired = tonumber(match(fields[i + 1], "^%d+")) <= lib.now()
    if expired and lib.plan.keys[fields[i]] == nil then
      lib.plan.frees_memory = true
      lib.write("HDEL", "dedupe", fields[i])
    end
  end
  if page[1] ~= cursor then lib.write("HSET", "meta", "dedupe_cursor", page[1]) end
end

local function plan_waiter(id, path, waits)
  call("SCARD", lib.key("waiters:" .. id)) -- raises for another type, as no write may
  lib.plan.waiters[id] = lib.plan.waiters[id] or {}
  lib.plan.waiters[id][path] = waits
end

--- An operation begins to wait for a run that is not its child.
function dedupe.wait_for(run, operation, other)
  plan_waiter(other.id, run.id .. "/" .. operation, true)
  if not other.waiters then runs.set_rare(other, "waiters", "1") end
end

--- An operation stops waiting for such a run, and is cancelled. Returns false when it did not wait or has an outcome.
function dedupe.stop_waiting(run, operation, message)
  local other = runs.get(run, "w:" .. operation)
  if not other then return false end
  plan_waiter(other, run.id .. "/" .. operation, false)
  return runs.record_outcome(run, operation, "cancelled", 0, cjson.encode({ code = "cancelled", message = message }))
end

local TOLD = 100 -- waiters a call
local TOLD_BYTES = 4 * 1024 * 1024

-- Returns operations that wait for a run: `most` of the stored ones, and those that this batch planned. Also returns
-- whether there may be more.
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

--- Record the end of a run as the outcome of the operations that wait for it. When one call cannot tell all, the run
--- stays in the delayed set, and the next `promote` continues.
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
  lib.publish_due(lib.now())
end

-- ---------------------------------------------------------------------------------------------------------------
-- Deadlocks: runs that wait for each other, so that none of them can ever end

local LOOKED_AT = 1000 -- runs a call; a larger deadlock is not found here, and `weir why` shows it
local PRINTED = 20 -- runs of a deadlock

-- Returns the run of an operation that waits for another run; nil when the operation no longer waits, or a cancel is
-- about to reach it.
local function waiter_at(path, id)
  local run_id, operation = runs.parent_of(path)
  local run = runs.load(run_id, "w:" .. operation)
  if not run or runs.ended(run) or runs.get(run, "w:" .. operation) ~= id then return nil end
  local open, after = match(runs.get(run, "o:" .. operation) or "", "^(\t)%d+\t[^\t]*\t?(%d*)")
  local cut_off = run.cancel and after ~= "" and tonumber(after) < run.cancel
  return open and not cut_off and run or nil
end

-- Returns the live parent that waits for a run. It waits for a detached run only if it cancelled that run.
local function waiting_parent(record)
  if record.detached and not record.cancel_awaited then return nil end
  local parent_id = runs.parent_of(record.id)
  local parent = parent_id and runs.load(parent_id)
  return parent and not runs.ended(parent) and parent or nil
end

-- Adds a run, which cannot end before `below`, and the runs above it.
local function add(walk, run, below)
  while run and walk.blocked_by[run.id] == nil do
    walk.blocked_by[run.id] = below and below.id or false
    walk.left = walk.left - 1
    push(walk.list, run)
    run, below = waiting_parent(run), run
  end
end

-- Returns all runs that cannot end before this one: id -> the run that it waits for. It has all runs above this one,
-- and as many of the others as the call may still look at. Computed once a batch: waits that this turn adds start at
-- the run itself and cannot change the result.
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

--- Return the deadlock that arises if a run waits for another one, as text; nil when the other one can end first.
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
