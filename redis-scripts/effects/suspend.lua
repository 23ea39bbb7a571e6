-- suspend: every branch of the run waits. Check or suspend, decided here and nowhere else: if something has come that
-- the worker was not told, the run stays running and the reply of the turn brings it.
-- args   wake|""  wake_in|""    the earliest timer: an instant in ms, and for those begun in this turn a span in ms
-- moves  running -> waiting

local runs = lib.runs

function effects.suspend(run)
  local wake, wake_in = lib.take_many(2)
  if run.number > run.told then return end
  wake, wake_in = tonumber(wake), tonumber(wake_in)
  if wake_in then
    local at = lib.now() + wake_in
    if not wake or at < wake then wake = at end
  end
  runs.move(run, "waiting")
  run.known = run.number
  runs.delay(run, wake or math.huge)
  local due = lib.plan.delayed[run.id]
  run.wake = due < math.huge and due or nil
end
