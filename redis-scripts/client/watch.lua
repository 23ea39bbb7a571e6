-- watch: tell a client when a run ends, on the channel ended:<run>. Subscribe first, then ask: nothing is missed.
-- args   run
-- reply  live state | ended state | missing

function verbs.watch()
  local run = lib.load(lib.take())
  if not run then return { "missing" } end
  if lib.ended(run) then return { "ended", run.state } end
  if not run.watch then lib.set_special(run, "watch", "1") end
  return { "live", run.state }
end
