-- fail: the run failed or was cancelled, and its children have ended.
-- args   state  error  barren     state: failed | cancelled
--        barren: "" or, each behind a tab, the operations that a retry forgets by the rule
-- moves  running -> failed | cancelled | waiting    its waiter: waiting -> ready
-- As with complete, children that were told to end do so before, and a cancel that was recorded first comes first.

function effects.fail(run)
  local state, failure, barren = lib.take_many(3)
  if lib.lingers(run) or run.cancel and run.cancel > run.told then return end
  if barren ~= "" then lib.set(run, "barren", barren) end
  lib.finish(run, state, failure)
end
