-- release: the worker dropped the coroutine of this waiting run. Any worker can go on with the run from its journal.
-- args   run
-- moves  nothing; a ready run goes from `ready:@<worker>` to its queue
-- reply  released | not_owner

local runs = lib.runs

function verbs.release()
  local run = runs.load(lib.next_arg())
  if not run or run.owner ~= lib.worker or run.state == "running" then return { "not_owner" } end
  lib.recovery.release(run)
  return { "released" }
end
