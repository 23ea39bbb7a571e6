-- retry: the code of a run failed, and the run has attempts left.
-- args   delay_ms  error
-- moves  running -> retrying
-- A cancel that the worker has not received yet takes precedence: the run stays running, and the reply of the turn
-- brings the cancel.

local runs = lib.runs

function effects.retry(run)
  local delay, failure = lib.next_args(2)
  if lib.ends.has_unseen_cancel(run) then return end
  runs.move(run, "retrying")
  runs.set(run, "error", failure)
  runs.set_owner(run, "")
  runs.delay(run, lib.now() + tonumber(delay))
  lib.publish_due(lib.plan.delayed[run.id]) -- its worker drops the run, so another worker has to watch the clock
end
