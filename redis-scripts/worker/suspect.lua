-- suspect: a host is about to abort because this run's Lua does not come back: it is to blame, not its neighbours.
-- args   run
-- reply  suspected | not_owner

local runs = lib.runs

function verbs.suspect()
  local run = runs.load(lib.take())
  if not run or run.state ~= "running" then return { "not_owner" } end
  runs.set_rare(run, "crashes", math.max(run.crashes or 0, 1))
  return { "suspected" }
end
