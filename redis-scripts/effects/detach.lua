-- detach: the invoke of a child timed out, and the child goes on. The run no longer waits for it. The runs above stay
-- stored while it lives. When another run takes the place of the child, the run stops waiting for that one.
-- args   child
-- moves  nothing

local runs = lib.runs

function effects.detach(run)
  local id = lib.next_arg()
  local child = runs.load(id)
  if child and not runs.ended(child) then return lib.detached.detach(child, "timeout") end
  local _, operation = runs.parent_of(id)
  lib.dedupe.stop_waiting(run, operation, "timeout")
end
