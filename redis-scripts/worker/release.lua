-- release: the worker no longer holds the coroutine of this waiting run; anybody may go on with it from its journal.
-- args   run
-- moves  nothing; a ready run goes from the worker's own queue to everybody's
-- reply  released | not_owner

local runs = lib.runs

function verbs.release()
  local run = runs.load(lib.take())
  if not run or run.owner ~= lib.worker then return { "not_owner" } end
  if run.state == "ready" then
    lib.recovery.requeue(run)
  elseif run.state == "waiting" then
    runs.set_owner(run, "")
  else
    return { "not_owner" }
  end
  return { "released" }
end
