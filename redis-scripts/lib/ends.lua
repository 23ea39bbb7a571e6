-- ends: runs become ready, and runs end. The end of a child is recorded as an outcome in its parent, which becomes
-- ready.

local runs = lib.runs
local push, set = lib.push, runs.set
local NOW, STAMP = lib.now(), lib.stamp

local ends = {}
lib.ends = ends

-- ---------------------------------------------------------------------------------------------------------------
-- Promote and resolve

--- Make a run ready. Where it goes (to the worker that holds its coroutine, to the caller, to its queue) is decided
--- once, when the batch ends.
function ends.make_ready(record)
  runs.move(record, "ready")
  lib.plan.delayed[record.id] = record.deadline or false
  push(lib.plan.woken, record)
end
local make_ready = ends.make_ready

--- Something a waiting run may wait for has come: let it look.
function ends.promote(record)
  if record.state == "waiting" then make_ready(record) end
end

-- How many of its children a run has told to end that have not. True: none.
local function count_cancel_pending(run, change)
  local count = (run.cancel_pending or 0) + change
  runs.set_rare(run, "cancel_pending", count > 0 and count or nil)
  return count == 0
end

--- A run told a child to end, and does not end before it.
function ends.await_end(run, child)
  if runs.ended(child) or child.cancel_awaited then return end
  runs.set_rare(child, "cancel_awaited", "1")
  count_cancel_pending(run, 1)
end

--- A child ended: its outcome is recorded in its parent, which is promoted. A parent that has stopped waiting for this
--- operation (timed out, abandoned) or has ended itself takes no notice, unless it waits for the last of those that it
--- told to end.
local function resolve(child, state, value)
  local parent_id, operation, generation = runs.parent_of(child.id)
  if not parent_id or child.detached then return end
  local parent = runs.load(parent_id, "o:" .. operation)
  if not parent or runs.ended(parent) then return end
  local told = runs.record_outcome(parent, operation, state, child.attempt, value, nil, generation)
  local was_last = child.cancel_awaited and count_cancel_pending(parent, -1)
  if told or was_last then ends.promote(parent) end
end

-- ---------------------------------------------------------------------------------------------------------------
-- The end of a run

--- Whether a run that is to end waits for children that it told to end: the last of them wakes it.
function ends.cancel_is_pending(run)
  if not run.cancel_pending then return false end
  if run.number <= run.told then
    runs.move(run, "waiting")
    run.known = run.number
    runs.delay(run, math.huge)
  end
  return true
end

--- A run ends. Its outcome is kept, delivered to its waiter, and told to whoever watches.
function ends.finish(record, state, value)
  runs.move(record, state)
  set(record, state == "completed" and "result" or "error", value)
  if state == "completed" and record.attempt > 1 then set(record, "error", nil) end
  set(record, "finished_at", STAMP)
  runs.set_owner(record, "")
  lib.plan.delayed[record.id] = false
  if state == "failed" then lib.plan.failed[record.id] = NOW end
  if record.watch then
    push(lib.plan.published, "ended:" .. record.id)
    push(lib.plan.published, state)
  end
  if record.keyed_until and state == "completed" then lib.dedupe.keep(record) end
  resolve(record, state, value)
  if record.detached or record.abandoned then lib.detached.count(record, -1) end
  if record.waiters then
    lib.dedupe.tell_waiters(record, value)
  else
    lib.expiry.schedule_if_final(record)
  end
end
