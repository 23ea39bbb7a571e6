-- cancellation: a run ends because of an event outside it: a cancel, a deadline that passed, too many crashes. The
-- event is recorded like an outcome. A run that has begun ends itself.

local runs, ends = lib.runs, lib.ends
local set, set_rare = runs.set, runs.set_rare
local cancellation = {}
lib.cancellation = cancellation

--- Record an event that ends the run, as an outcome without an operation.
function cancellation.record_end(record, code, message)
  record.last_number = record.last_number + 1
  set(record, "last_number", lib.text[record.last_number])
  set(record, lib.text[record.last_number], "\t" .. code .. "\t" .. lib.stamp .. "\t0\t" .. message)
end

--- Record the event that ends a run: `cancelled` or `expired` takes the next number like any outcome. A run that never
--- began ends here. Any other run becomes ready, to end its children and clean up. `terminate`: it gets no time to
--- clean up. Returns false when the run has ended or the event is recorded already.
function cancellation.cancel(record, code, message, terminate)
  if runs.ended(record) or record.cancel and (not terminate or record.terminate) then return false end
  local state = record.state
  if (state == "ready" or state == "scheduled") and not runs.get(record, "started_at") then
    runs.unqueue(record)
    ends.finish(record, code == "cancelled" and "cancelled" or "failed",
      cjson.encode({ code = code, message = message, run = record.id }))
    return true
  end
  -- From here on only `cancel_grace` limits the clean-up. A deadline that has passed would wake the run again and
  -- again.
  if record.deadline then
    set_rare(record, "deadline", nil)
    if state == "ready" then lib.plan.delayed[record.id] = false end
  end
  if not record.cancel then
    cancellation.record_end(record, code, message)
    set_rare(record, "cancel", record.last_number)
  end
  if terminate then
    cancellation.record_end(record, "terminated", message)
    set_rare(record, "terminate", "1")
  end
  if state == "waiting" or state == "retrying" then ends.make_ready(record) end
  return true
end

--- Expire a run whose deadline has passed.
function cancellation.expire(record)
  if record.deadline and record.deadline <= lib.now() and not record.cancel and not runs.ended(record) then
    cancellation.cancel(record, "expired", "the run timed out")
  end
end
