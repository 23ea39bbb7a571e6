-- cancelling: the end of a run that comes from outside it: a cancel, a deadline that has passed, too many deaths. It is
-- recorded like an outcome; what had begun ends itself.

local set, set_special = lib.set, lib.set_special
local cancelling = {}
lib.cancelling = cancelling

--- An outcome of no operation: what ends the run.
function cancelling.record_end(record, code, message)
  record.number = record.number + 1
  set(record, "number", lib.text[record.number])
  set(record, lib.text[record.number], "\t" .. code .. "\t" .. lib.stamp .. "\t0\t" .. message)
end

--- Record the end of a run from outside: `cancelled`, `expired` or `crash_loop` takes its number like any outcome. What
--- never began ends here; what did is promoted, to end its children and clean up. `now`: without any clean-up.
function cancelling.cancel(record, code, message, now)
  if lib.ended(record) or record.cancel and (not now or record.now) then return false end
  local state = record.state
  if (state == "ready" or state == "scheduled") and not lib.get(record, "started_at") then
    lib.unqueue(record)
    lib.finish(record, code == "cancelled" and "cancelled" or "failed",
      cjson.encode({ code = code, message = message, run = record.id }))
    return true
  end
  -- From here on only the clean-up's own grace counts; a deadline that has passed would wake it again and again.
  if record.deadline then
    set_special(record, "deadline", nil)
    if state == "ready" then lib.plan.delayed[record.id] = false end
  end
  if not record.cancel then
    cancelling.record_end(record, code, message)
    set_special(record, "cancel", record.number)
  end
  if now then
    cancelling.record_end(record, "now", message)
    set_special(record, "now", "1")
  end
  if state == "waiting" or state == "retrying" then lib.make_ready(record) end
  return true
end

--- Expire a run whose deadline has passed.
function cancelling.expire(record)
  if record.deadline and record.deadline <= lib.now() and not record.cancel and not lib.ended(record) then
    cancelling.cancel(record, "expired", "the run timed out")
  end
end
