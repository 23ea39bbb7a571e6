-- watch: Redis is to publish the end of a run on the channel ended:<run>. A client that subscribes first and then calls
-- misses nothing.
-- args   run
-- reply  live state | ended state | missing

local runs = lib.runs

function verbs.watch()
  local run = runs.load(lib.next_arg())
  if not run then return { "missing" } end
  if runs.ended(run) then return { "ended", run.state } end
  if not run.watch then runs.set_rare(run, "watch", "1") end
  return { "live", run.state }
end
