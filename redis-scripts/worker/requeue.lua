-- requeue: a worker gives back a run that it was given and has not begun. The main thread of a host does so for a
-- worker in a long turn, in a group behind that of `stalled`.
-- args   run  turn
-- moves  running -> ready, before all others of its priority
-- reply  requeued | not_owner

local runs = lib.runs

function verbs.requeue()
  local id, turn = lib.next_args(2)
  local run, worker = runs.load(id), lib.plan.stalled or lib.worker
  if not run or run.state ~= "running" or run.owner ~= worker or run.turn ~= tonumber(turn) then
    return { "not_owner" }
  end
  lib.recovery.release(run)
  return { "requeued" }
end
