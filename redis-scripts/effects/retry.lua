-- retry: the code of a run failed, and it has attempts left.
-- args   delay_ms  error
-- moves  running -> retrying
-- A cancel that the worker has not been told comes first: the run stays running and is told.

local runs = lib.runs

function effects.retry(run)
  local delay, failure = tonumber(lib.take()), lib.take()
  if run.cancel and run.cancel > run.told then return end
  runs.move(run, "retrying")
  runs.set(run, "error", failure)
  runs.set_owner(run, "")
  runs.delay(run, lib.now() + delay)
  lib.push(lib.plan.published, "due") -- its worker forgets it, so another worker has to watch the clock
  lib.push(lib.plan.published, lib.plan.delayed[run.id])
end
