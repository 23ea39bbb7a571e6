-- abandon: nothing is awaited any more of a child whose time was over, and it goes on. What is above it stays as long.
-- Where another run stands for the child, that one is not waited for any more.
-- args   child
-- moves  nothing

local runs = lib.runs

function effects.abandon(run)
  local id = lib.take()
  local child = runs.load(id)
  if child and not runs.ended(child) then return lib.detached.detach(child, "abandoned") end
  local _, operation = runs.parent_of(id)
  lib.dedupe.stop_waiting(run, operation, "abandoned")
end
