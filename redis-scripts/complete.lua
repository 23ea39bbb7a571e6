-- complete: the run returned and its children have ended.
-- args   result  n  (child)×n          the children that timed out and were told to end: the run waits for them
-- moves  running -> completed    its waiter: waiting -> ready
--        running -> waiting      while one of those children lives: its end wakes the run, which says complete again
-- What Redis recorded first holds: a cancel that the worker has not been told yet comes before this completion, and the
-- reply of the turn brings it.

function effects.complete(run)
  local result = lib.take()
  local alive = lib.linger(run)
  if alive or run.cancel and run.cancel > run.told then return end
  lib.finish(run, "completed", result)
end
