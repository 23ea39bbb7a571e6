-- suspect: a host is about to abort because this run's Lua does not come back: it is to blame, not its neighbours.
-- args   run
-- reply  suspected | not_owner

function verbs.suspect()
  local run = lib.load(lib.take())
  if not run or run.state ~= "running" then return { "not_owner" } end
  lib.set_special(run, "deaths", math.max(run.deaths or 0, 1))
  return { "suspected" }
end
