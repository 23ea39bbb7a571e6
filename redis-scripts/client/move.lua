-- move: a run that waits goes on with the newest code of its workflow, in the attempt that it is in.
-- args   run  turn  bundle     turn: at which the client has replayed its journal on that bundle
-- moves  nothing. The worker that holds its coroutine is told to drop it: whoever claims the run loads its journal
-- reply  moved             its next turn runs on that bundle
--        there             it has that bundle already, or its next attempt takes the newest one
--        changed           it has gone on, or another bundle has become the newest: read it again
--        running           a worker runs it
--        ended state | missing
-- A run that became ready is moved as well, as long as no worker has claimed it.

local runs = lib.runs

function verbs.move()
  local id, turn, bundle = lib.next_args(3)
  local run = runs.load(id)
  if not run then return { "missing" } end
  if runs.ended(run) then return { "ended", run.state } end
  local own = runs.get(run, "bundle")
  if not own or own == bundle or run.state == "retrying" then return { "there" } end
  if run.state == "running" then return { "running" } end
  local entry = lib.registry.find(runs.get(run, "workflow"))
  if run.turn ~= tonumber(turn) or not entry or entry.bundle ~= bundle then return { "changed" } end

  runs.set(run, "moved", run.attempt .. "\t" .. lib.stamp .. "\t" .. own)
  runs.set_bundle(run, bundle)
  if run.owner ~= "" then lib.recovery.release(run) end
  return { "moved" }
end
