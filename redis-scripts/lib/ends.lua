-- ends: what happens to runs because of other runs: one ends, its outcome is resolved in its parent, and that is
-- promoted. And what is noted at an end: when the run goes by itself. Needed by nearly every batch.

local find, push, set, get = string.find, lib.push, lib.set, lib.get
local NOW, STAMP = lib.now(), lib.stamp

-- ---------------------------------------------------------------------------------------------------------------
-- Promote and resolve

--- Make a run ready. Where it goes (to the worker that holds its coroutine, to the caller, to its queue) is decided
--- once, when the batch ends.
function lib.make_ready(record)
  lib.move(record, "ready")
  lib.plan.delayed[record.id] = record.deadline or false
  push(lib.plan.woken, record)
end
local make_ready = lib.make_ready

--- Something a waiting run may wait for has come: let it look.
function lib.promote(record)
  if record.state == "waiting" then make_ready(record) end
end

-- How many of its children a run has told to end that have not. True: none.
local function count_lingering(run, change)
  local count = (run.lingering or 0) + change
  lib.set_special(run, "lingering", count > 0 and count or nil)
  return count == 0
end

--- A run told a child to end, and does not end before it.
function lib.await_end(run, child)
  if lib.ended(child) or child.lingers then return end
  lib.set_special(child, "lingers", "1")
  count_lingering(run, 1)
end

--- A child ended: its outcome is recorded in its parent, which is promoted. A parent that has stopped waiting for this
--- operation (timed out, abandoned) or has ended itself takes no notice, unless it waits for the last of those that it
--- told to end.
local function resolve(child, state, value)
  local parent_id, operation, round = lib.parent_of(child.id)
  if not parent_id or child.detached then return end
  local parent = lib.load(parent_id, "o:" .. operation)
  if not parent or lib.ended(parent) then return end
  local told = lib.record_outcome(parent, operation, state, child.attempt, value, nil, round)
  local was_last = child.lingers and count_lingering(parent, -1)
  if told or was_last then lib.promote(parent) end
end

-- ---------------------------------------------------------------------------------------------------------------
-- The end of a run

--- Whether a run that is to end waits for children that it told to end: the last of them wakes it.
function lib.lingers(run)
  if not run.lingering then return false end
  if run.number <= run.told then
    lib.move(run, "waiting")
    run.known = run.number
    lib.delay(run, math.huge)
  end
  return true
end

--- A run ends. Its outcome is kept, delivered to its waiter, and told to whoever watches.
function lib.finish(record, state, value)
  lib.move(record, state)
  set(record, state == "completed" and "result" or "error", value)
  if state == "completed" and record.attempt > 1 then set(record, "error", nil) end
  set(record, "finished_at", STAMP)
  lib.set_owner(record, "")
  lib.plan.delayed[record.id] = false
  if state == "failed" then lib.plan.failed[record.id] = NOW end
  if record.watch then
    push(lib.plan.published, "ended:" .. record.id)
    push(lib.plan.published, state)
  end
  if record.keyed_until and state == "completed" then lib.sharing.keep(record) end
  resolve(record, state, value)
  if record.detached or record.abandoned then lib.loose.count(record, -1) end
  if record.waiters then
    lib.sharing.tell_waiters(record, value)
  else
    lib.may_go(record)
  end
end

-- ---------------------------------------------------------------------------------------------------------------
-- Retention: what has ended goes by itself, its workflow's `retain` later. Here it is noted; retention.lua deletes.

local RETAIN_MS = 7 * 86400000 -- of a workflow that nobody has announced
local LISTS = 64 -- how many hold the runs that one `retain` keeps

function lib.retain_of(workflow)
  local entry = lib.registered(workflow)
  return entry and entry.retain_ms or RETAIN_MS
end

-- Runs that go at about the same time share a list: its instant is a multiple of a power of two of seconds.
local function instant_of(due, retain_ms)
  if retain_ms == 0 then return due - due % 1000 end
  local width = 1000
  while 2 * width * LISTS <= retain_ms do width = 2 * width end
  return math.ceil(due / width) * width
end

--- Note that a run goes when `retain_ms` have passed since `ended_at`.
function lib.note_going(id, ended_at, retain_ms)
  local instant = instant_of(ended_at + retain_ms, retain_ms)
  local going = lib.plan.going
  going[instant] = going[instant] or {}
  push(going[instant], id)
end

--- Note that a run of this workflow, which ends now, goes by itself.
function lib.goes(id, workflow)
  local going, going_of = lib.plan.going, lib.plan.going_of
  local list = going_of[workflow]
  if not list then
    local retain_ms = lib.retain_of(workflow)
    local instant = instant_of(NOW + retain_ms, retain_ms)
    list = going[instant] or {}
    going[instant], going_of[workflow] = list, list
  end
  list[#list + 1] = id
end

--- Note that a run goes if it does so by itself: a root in any state, a child that completed. Other children stay with
--- their root. Nothing goes while something below it lives.
function lib.may_go(record)
  if not lib.ended(record) or record.loose or record.waiters then return end
  if record.state == "completed" or not find(record.id, "/", 1, true) then
    lib.goes(record.id, get(record, "workflow"))
  end
end
