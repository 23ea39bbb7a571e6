-- cancel: end a run from outside it.
-- args   run  message  [now("1"|"")]     now: without any clean-up; also for one whose cancel is recorded already
-- moves  ready | scheduled -> cancelled when it never began; waiting | retrying -> ready, to end its children first;
--        a running one is told with its next turn
-- reply  cancelled    it never began, or has its cancel recorded now: it ends when its children have
--        ended state  nothing was written
--        missing

function verbs.cancel()
  local id, message = lib.take_many(2)
  local now = lib.more() and lib.take()
  local run = lib.load(id)
  if not run then return { "missing" } end
  if lib.ended(run) then return { "ended", run.state } end
  lib.cancelling.cancel(run, "cancelled", message, now == "1")
  return { "cancelled", run.state }
end
