-- fail: the run failed or was cancelled, and its children have ended.
-- args   state  error  redo     state: failed | cancelled
--        redo: "" or, each behind a tab, the operations that a retry forgets by the rule
-- moves  running -> failed | cancelled | waiting    its waiter: waiting -> ready
-- As with complete, children that were told to end do so before, and a cancel that was recorded first comes first.

local runs, ends = lib.runs, lib.ends

function effects.fail(run)
  local state, failure, redo = lib.take_many(3)
  if ends.cancel_is_pending(run) or run.cancel and run.cancel > run.told then return end
  if redo ~= "" then runs.set(run, "redo", redo) end
  ends.finish(run, state, failure)
end
