-- abandon: nothing is awaited any more of a child whose time was over, and it goes on. What is above it stays as long.
-- Where another run stands for the child, that one is not waited for any more.
-- args   child
-- moves  nothing

function effects.abandon(run)
  local id = lib.take()
  local child = lib.load(id)
  if child and not lib.ended(child) then return lib.loose.let_go(child, "abandoned") end
  local _, operation = lib.parent_of(id)
  lib.sharing.stop_waiting(run, operation, "abandoned")
end
