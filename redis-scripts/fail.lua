-- fail: the run failed or was cancelled, and its children have ended.
-- args   state  error  n  (child)×n     state: failed | cancelled    children: as in complete
-- moves  running -> failed | cancelled | waiting    its waiter: waiting -> ready
-- As with complete, a cancel that was recorded first comes first.

function effects.fail(run)
  local state, failure = lib.take(), lib.take()
  local alive = lib.linger(run)
  if alive or run.cancel and run.cancel > run.told then return end
  lib.finish(run, state, failure)
end
