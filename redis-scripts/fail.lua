-- fail: the run failed or was cancelled, and its children have ended.
-- args   state  error  barren  n  (child)×n     state: failed | cancelled    children: as in complete
--        barren: "" or, each behind a tab, the operations that a retry forgets by the rule
-- moves  running -> failed | cancelled | waiting    its waiter: waiting -> ready
-- As with complete, a cancel that was recorded first comes first.

function effects.fail(run)
  local state, failure, barren = lib.take_many(3)
  local alive = lib.linger(run)
  if alive or run.cancel and run.cancel > run.told then return end
  if barren ~= "" then lib.set(run, "barren", barren) end
  lib.finish(run, state, failure)
end
