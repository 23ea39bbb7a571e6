-- watch: tell a client when a run ends, on the channel ended:<run>. Subscribe first, then ask: nothing is missed.
-- args   run
-- reply  live state | ended state | missing

local runs = lib.runs

function verbs.watch()
  local run = runs.load(lib.take())
  if not run then return { "missing" } end
  if runs.ended(run) then return { "ended", run.state } end
  if not run.watch then runs.set_rare(run, "watch", "1") end
  return { "live", run.state }
end
