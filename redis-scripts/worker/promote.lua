-- promote: makes due runs ready, a bounded number a call. The run itself finds which of its timers are over.
-- args   none
-- moves  scheduled | waiting | retrying -> ready; a run past its deadline expires
--        an ended run with more waiters than one call can tell: its end is told to the next of them
-- reply  promoted count

local runs, ends = lib.runs, lib.ends

-- Begins an attempt. The turn number grows, so that the turn that failed cannot pass for a new one when it is sent
-- again. It runs the newest bundle, except a child whose workflow has left the registry: see invoke.
local function next_attempt(run)
  run.turn = run.turn + 1
  runs.set(run, "turn", run.turn)
  runs.set(run, "bundle@" .. run.attempt, run.bundle)
  if lib.registry.find(runs.get(run, "workflow")) then runs.set_bundle(run, nil) end
  runs.set_rare(run, "attempt", run.attempt + 1)
end

-- Handles a run that is due. A run that cannot be read leaves the delayed set.
local function wake(run, id)
  if run and run.deadline then lib.cancellation.expire(run) end
  local state = run and run.state
  if state == "scheduled" or state == "waiting" then
    if state == "scheduled" then runs.set(run, "ready_at", lib.stamp) end
    ends.make_ready(run)
  elseif state == "retrying" then
    next_attempt(run)
    runs.set(run, "ready_at", lib.stamp)
    ends.make_ready(run)
  elseif run and run.waiters and runs.ended(run) then
    lib.plan.delayed[id] = false
    lib.dedupe.tell_waiters(run, runs.get(run, state == "completed" and "result" or "error"))
  elseif lib.plan.delayed[id] == nil then
    lib.plan.delayed[id] = false
  end
end

function verbs.promote()
  lib.want_due = true
  local due = redis.call("ZRANGEBYSCORE", lib.key("delayed"), "-inf", lib.now(), "LIMIT", 0, lib.sweep_budget())
  lib.use_sweep_budget(#due)
  for _, id in ipairs(due) do runs.handle(id, wake) end
  return { "promoted", #due }
end
