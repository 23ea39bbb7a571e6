-- give_back: the worker does not begin the turn that it was given this run for.
-- args   run  turn
-- moves  running -> ready, before all others of its priority
-- reply  given_back | not_owner

function verbs.give_back()
  local id, turn = lib.take_many(2)
  return { lib.recovery.give_back(id, turn, lib.worker) and "given_back" or "not_owner" }
end
