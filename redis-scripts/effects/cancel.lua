-- cancel: a run cancels a child, and does not end before the child has ended. When another run takes the place of the
-- child, only the operation ends, and that run goes on.
-- args   child  message  terminate("1"|"")     terminate: the child gets no time to clean up; also for a child whose
--                                              cancel is recorded already
-- moves  child: ready | scheduled -> cancelled, when it never began; waiting | retrying -> ready, to end its children
--        first; a running one gets the cancel in the reply of its turn

local runs, ends = lib.runs, lib.ends

function effects.cancel(run)
  local id, message, terminate = lib.next_args(3)
  local child = runs.load(id)
  if child and not runs.ended(child) and child.detached ~= "1" then
    lib.cancellation.cancel(child, "cancelled", message, terminate == "1")
    ends.await_end(run, child)
  else -- no child was started, or the run has an earlier generation of it that is detached
    local _, operation = runs.parent_of(id)
    lib.dedupe.stop_waiting(run, operation, message)
  end
end
