-- load: the whole record of a run that this worker holds, whose coroutine it does not have.
-- args   run
-- reply  cold run turn deaths bundle (field value)… | lost

function verbs.load()
  local run = lib.load(lib.take())
  if not run or run.holder ~= lib.worker or run.state ~= "running" then return { "lost" } end
  return lib.cold(run)
end
