-- relieve: a run that waits for its turn behind a long one goes to another worker. Only behind a group of `stalled`.
-- args   run  turn
-- moves  running -> ready, before all others of its priority
-- reply  relieved | not_owner

function verbs.relieve()
  local id, turn = lib.take_many(2)
  return { lib.reaping.give_back(id, turn, lib.plan.stalled) and "relieved" or "not_owner" }
end
