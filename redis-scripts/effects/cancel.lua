-- cancel: a run tells a child to end, and does not end before the child has. Where another run stands for the child,
-- only the operation ends, and that run goes on.
-- args   child  message  terminate("1"|"")     terminate: without any clean-up; also for one whose cancel is recorded
-- already
-- moves  child: ready | scheduled -> cancelled when it never began; waiting | retrying -> ready, to end its children
--        first; a running one is told with its next turn

local runs, ends = lib.runs, lib.ends

function effects.cancel(run)
  local id, message, terminate = lib.take_many(3)
  local child = runs.load(id)
  if child and not runs.ended(child) and not child.detached then
    lib.cancellation.cancel(child, "cancelled", message, terminate == "1")
    ends.await_end(run, child)
  else -- none was started, or one of an earlier generation is left, or was let go
    local _, operation = runs.parent_of(id)
    lib.dedupe.stop_waiting(run, operation, message)
  end
end
