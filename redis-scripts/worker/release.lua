-- release: the worker no longer holds the coroutine of this waiting run; anybody may go on with it from its journal.
-- args   run
-- moves  nothing; a ready run goes from the worker's own queue to everybody's
-- reply  released | lost

function verbs.release()
  local run = lib.load(lib.take())
  if not run or run.holder ~= lib.worker then return { "lost" } end
  if run.state == "ready" then
    lib.reaping.give_up(run)
  elseif run.state == "waiting" then
    lib.hold(run, "")
  else
    return { "lost" }
  end
  return { "released" }
end
