-- complete: the run returned, and its children have ended.
-- args   result
-- moves  running -> completed    its parent: waiting -> ready
--        running -> waiting      while a child lives that the run cancelled: the last of these children wakes the run,
--                                which sends complete again
-- The event that Redis recorded first takes precedence. A cancel that the worker has not received yet precedes this
-- completion. The reply of the turn brings that cancel to the worker.

local ends = lib.ends

function effects.complete(run)
  local result = lib.next_arg()
  if ends.cancel_is_pending(run) or ends.has_unseen_cancel(run) then return end
  ends.finish(run, "completed", result)
end
