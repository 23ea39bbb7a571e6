-- ends: runs become ready, and runs end. The end of a child is recorded as an outcome in its parent, which becomes
-- ready.

local runs = lib.runs
local push, set = lib.push, runs.set
local NOW, STAMP = lib.now(), lib.stamp

local ends = {}
lib.ends = ends

-- ---------------------------------------------------------------------------------------------------------------
-- Promote and resolve

local DELAYED = { scheduled = true, waiting = true, retrying = true } -- states in which `delayed` has every run

--- Make a run ready. claims.lua decides once, behind all groups, where it goes: to the worker that keeps its coroutine,
--- to the caller, or to its queue.
function ends.make_ready(record)
  local was_delayed = DELAYED[record.state]
  runs.move(record, "ready")
  if was_delayed or record.deadline then lib.plan.delayed[record.id] = record.deadline or false end
  push(lib.plan.woken, record)
end
local make_ready = ends.make_ready

--- Make a waiting run ready, because an outcome was recorded that it may wait for.
function ends.promote(record)
  if record.state == "waiting" then make_ready(record) end
end

-- Changes the number of children that a run cancelled and that have not ended. Returns true when there is none.
local function count_cancel_pending(run, change)
  local count = (run.cancel_pending or 0) + change
  runs.set_rare(run, "cancel_pending", count > 0 and count or nil)
  return count == 0
end

--- A run cancelled a child, and does not end before the child has ended.
function ends.await_end(run, child)
  if runs.ended(child) or child.cancel_awaited then return end
  runs.set_rare(child, "cancel_awaited", "1")
  count_cancel_pending(run, 1)
end

-- Records the end of a child as an outcome in its parent, which is promoted. A parent that no longer waits for the
-- operation (it timed out) or that has ended is not promoted, unless it waits for the last child that it cancelled.
local function resolve(child, state, value)
  local parent_id, operation, generation = runs.parent_of(child.id)
  if not parent_id or child.detached == "1" then return end
  local parent = runs.load(parent_id, "o:" .. operation)
  if not parent or runs.ended(parent) then return end
  local is_recorded = runs.record_outcome(parent, operation, state, child.attempt, value, nil, generation)
  local was_last = child.cancel_awaited and count_cancel_pending(parent, -1)
  if is_recorded or was_last then ends.promote(parent) end
end

-- ---------------------------------------------------------------------------------------------------------------
-- The end of a run

--- Whether Redis recorded a cancel that the worker of the run has not received.
function ends.has_unseen_cancel(run) return run.cancel ~= nil and run.cancel > run.acked end

--- Whether a run that is to end waits for children that it cancelled. The last of them wakes it.
function ends.cancel_is_pending(run)
  if not run.cancel_pending then return false end
  if run.last_number <= run.acked then
    runs.move(run, "waiting")
    runs.delay(run, math.huge)
  end
  return true
end

--- End a run: its outcome is stored, recorded in its parent, and published to clients that watch it.
function ends.finish(record, state, value)
  if record.state ~= "running" then lib.plan.delayed[record.id] = false end
  runs.move(record, state)
  runs.count_end(record)
  lib.plan.tally[state] = lib.plan.tally[state] + 1
  set(record, state == "completed" and "result" or "error", value)
  if state == "completed" and record.attempt > 1 then set(record, "error", nil) end
  set(record, "finished_at", STAMP)
  runs.set_owner(record, "")
  if state == "failed" then lib.plan.failed[record.id] = NOW end
  if record.watch then lib.publish("ended:" .. record.id, state) end
  if record.keyed_until and state == "completed" then lib.dedupe.keep(record) end
  resolve(record, state, value)
  if record.detached then lib.detached.count(record, -1) end
  if record.waiters then
    lib.dedupe.tell_waiters(record, value)
  else
    lib.expiry.schedule_if_final(record)
  end
end
