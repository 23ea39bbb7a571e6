-- requeue: a run that waits for its turn behind a long one goes to another worker. Only behind a group of `stalled`.
-- args   run  turn
-- moves  running -> ready, before all others of its priority
-- reply  requeued | not_owner

function verbs.requeue()
  local id, turn = lib.take_many(2)
  return { lib.recovery.give_back(id, turn, lib.plan.stalled) and "requeued" or "not_owner" }
end
