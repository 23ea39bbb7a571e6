-- complete: the run returned and its children have ended.
-- args   result
-- moves  running -> completed    its waiter: waiting -> ready
--        running -> waiting      while a child lives that was told to end: the last one wakes the run, which says
--                                complete again
-- The event that Redis recorded first takes precedence. A cancel that the worker has not received yet precedes this
-- completion. The reply of the turn brings that cancel to the worker.

local ends = lib.ends

function effects.complete(run)
  local result = lib.take()
  if ends.cancel_is_pending(run) or run.cancel and run.cancel > run.told then return end
  ends.finish(run, "completed", result)
end
