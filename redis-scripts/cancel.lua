-- cancel: record the end of a run from outside it. The verb is for people, the effect for a parent that ends a child.
-- args   run  message  [now("1"|"")]          the effect: child  message  now
--        now: without any clean-up; also for one whose cancel is recorded already
--        effect: the run does not end before the child has; where another run stands for the child, only the operation
--        ends, and that run goes on
-- moves  ready | scheduled -> cancelled when it never began; waiting | retrying -> ready, to end its children first;
--        a running one is told with its next turn
-- reply  cancelled    it never began, or has its cancel recorded now: it ends when its children have
--        ended state  nothing was written
--        missing

function effects.cancel(run)
  local id, message, now = lib.take_many(3)
  local child = lib.load(id)
  if child and not lib.ended(child) and not child.detached then
    lib.cancelling.cancel(child, "cancelled", message, now == "1")
    lib.await_end(run, child)
  else -- none was started, or one of an earlier round is left, or was let go
    local _, operation = lib.parent_of(id)
    lib.sharing.stop_waiting(run, operation, message)
  end
end

function verbs.cancel()
  local id, message = lib.take_many(2)
  local now = lib.more() and lib.take()
  local run = lib.load(id)
  if not run then return { "missing" } end
  if lib.ended(run) then return { "ended", run.state } end
  lib.cancelling.cancel(run, "cancelled", message, now == "1")
  return { "cancelled", run.state }
end
