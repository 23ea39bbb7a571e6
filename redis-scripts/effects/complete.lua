-- complete: the run returned and its children have ended.
-- args   result
-- moves  running -> completed    its waiter: waiting -> ready
--        running -> waiting      while a child lives that was told to end: the last one wakes the run, which says
--                                complete again
-- What Redis recorded first holds: a cancel that the worker has not been told yet comes before this completion, and the
-- reply of the turn brings it.

local ends = lib.ends

function effects.complete(run)
  local result = lib.take()
  if ends.cancel_is_pending(run) or run.cancel and run.cancel > run.told then return end
  ends.finish(run, "completed", result)
end
