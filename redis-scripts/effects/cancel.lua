-- cancel: a run tells a child to end, and does not end before the child has. Where another run stands for the child,
-- only the operation ends, and that run goes on.
-- args   child  message  now("1"|"")     now: without any clean-up; also for one whose cancel is recorded already
-- moves  child: ready | scheduled -> cancelled when it never began; waiting | retrying -> ready, to end its children
--        first; a running one is told with its next turn

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
