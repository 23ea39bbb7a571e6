-- promote: wake the runs whose time has come, a bounded number a call. What is due, the run itself decides.
-- args   none
-- moves  scheduled | waiting | retrying -> ready; one past its deadline is expired
--        an ended one with more waiters than one call can tell tells the next of them
-- reply  promoted count

local runs, ends = lib.runs, lib.ends

-- The turn counts on: should the one that failed be sent again, it is not taken for one of the new attempt.
local function next_attempt(run)
  run.turn = run.turn + 1
  runs.set(run, "turn", run.turn)
  runs.set(run, "bundle@" .. run.attempt, runs.get(run, "bundle"))
  runs.set(run, "bundle", nil)
  runs.set_rare(run, "attempt", run.attempt + 1)
end

function verbs.promote()
  lib.want_due = true
  local due = redis.call("ZRANGEBYSCORE", lib.key("delayed"), "-inf", lib.now(), "LIMIT", 0, lib.sweep_budget())
  lib.use_sweep_budget(#due)
  for _, id in ipairs(due) do
    local run = runs.load(id)
    if run and run.deadline then lib.cancellation.expire(run) end
    local state = run and run.state
    if state == "scheduled" or state == "waiting" then
      ends.make_ready(run)
    elseif state == "retrying" then
      next_attempt(run)
      ends.make_ready(run)
    elseif run and run.waiters and runs.ended(run) then
      lib.plan.delayed[id] = false
      lib.dedupe.tell_waiters(run, runs.get(run, state == "completed" and "result" or "error"))
    elseif lib.plan.delayed[id] == nil then
      lib.plan.delayed[id] = false
    end
  end
  return { "promoted", #due }
end
