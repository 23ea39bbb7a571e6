-- abandon: nothing is awaited any more of a child whose time was over, and it goes on. What is above it stays as long.
-- args   child
-- moves  nothing

function effects.abandon()
  local child = lib.load(lib.take())
  if child and not lib.ended(child) then lib.loose.let_go(child, "abandoned") end
end
