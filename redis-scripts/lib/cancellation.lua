-- cancellation: the end of a run that comes from outside it: a cancel, a deadline that has passed, too many crashes. It
-- is recorded like an outcome; what had begun ends itself.

local runs, ends = lib.runs, lib.ends
local set, set_rare = runs.set, runs.set_rare
local cancellation = {}
lib.cancellation = cancellation

--- An outcome of no operation: what ends the run.
function cancellation.record_end(record, code, message)
  record.number = record.number + 1
  set(record, "number", lib.text[record.number])
  set(record, lib.text[record.number], "\t" .. code .. "\t" .. lib.stamp .. "\t0\t" .. message)
end

--- Record the end of a run from outside: `cancelled`, `expired` or `crash_loop` takes its number like any outcome. What
--- never began ends here; what did is promoted, to end its children and clean up. `terminate`: without any clean-up.
function cancellation.cancel(record, code, message, terminate)
  if runs.ended(record) or record.cancel and (not terminate or record.terminate) then return false end
  local state = record.state
  if (state == "ready" or state == "scheduled") and not runs.get(record, "started_at") then
    runs.unqueue(record)
    ends.finish(record, code == "cancelled" and "cancelled" or "failed",
      cjson.encode({ code = code, message = message, run = record.id }))
    return true
  end
  -- From here on only the clean-up's own grace counts; a deadline that has passed would wake it again and again.
  if record.deadline then
    set_rare(record, "deadline", nil)
    if state == "ready" then lib.plan.delayed[record.id] = false end
  end
  if not record.cancel then
    cancellation.record_end(record, code, message)
    set_rare(record, "cancel", record.number)
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
