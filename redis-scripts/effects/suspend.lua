-- suspend: every branch of the run waits. Redis checks and suspends in one step: if an outcome was recorded that the
-- worker does not have, the run stays running, and the reply of the turn brings that outcome.
-- args   wake|""  wake_in|""    the earliest timer: an instant in ms, and for timers begun in this turn a span in ms
-- moves  running -> waiting

local runs = lib.runs

function effects.suspend(run)
  local wake, wake_in = lib.next_args(2)
  if run.last_number > run.acked then return end
  wake, wake_in = tonumber(wake), tonumber(wake_in)
  if wake_in then
    local at = lib.now() + wake_in
    if not wake or at < wake then wake = at end
  end
  runs.move(run, "waiting")
  runs.delay(run, wake or math.huge)
  local due = lib.plan.delayed[run.id]
  run.wake = due < math.huge and due or nil
end
