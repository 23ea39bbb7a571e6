-- cancel: end a run from outside it.
-- args   run  message  [terminate("1"|"")]     terminate: without any clean-up; also for one whose cancel is recorded
-- already
-- moves  ready | scheduled -> cancelled when it never began; waiting | retrying -> ready, to end its children first;
--        a running one is told with its next turn
-- reply  cancelled    it never began, or has its cancel recorded now: it ends when its children have
--        ended state  nothing was written
--        missing

local runs = lib.runs

function verbs.cancel()
  local id, message = lib.take_many(2)
  local terminate = lib.more() and lib.take()
  local run = runs.load(id)
  if not run then return { "missing" } end
  if runs.ended(run) then return { "ended", run.state } end
  lib.cancellation.cancel(run, "cancelled", message, terminate == "1")
  return { "cancelled", run.state }
end
