-- reopen: an ended run begins again, because a client retries it or because its parent asks for it again. It becomes
-- another attempt, on the newest bundle, with its journal. The run itself decides which operations it resets (from the
-- selection in the field `reset`), before any of its code runs. It waits when no host has its workflow any more.

local runs, ends = lib.runs, lib.ends
local set, set_rare = runs.set, runs.set_rare
local reopen = {}
lib.reopen = reopen

--- `bundle`: of the parent that asks for this child and has its workflow. The child runs on it when no host has.
function reopen.begin_again(record, selection, bundle)
  local state, attempt, workflow = record.state, record.attempt, runs.get(record, "workflow")
  set(record, "reset", selection)
  set(record, "reset_number", lib.text[record.last_number]) -- a cancel that is recorded from now on is not reset
  set(record, "bundle@" .. attempt, record.bundle)
  runs.set_bundle(record, nil)
  runs.count_unfinished(workflow, 1)
  set_rare(record, "attempt", attempt + 1)
  set(record, "attempts_before", lib.text[attempt]) -- these attempts count no longer
  record.turn = record.turn + 1 -- when the turn that ended the run is sent again, it must not pass for a new one
  set(record, "turn", lib.text[record.turn])
  for _, field in ipairs(lib.fields.RESET) do set(record, field, nil) end
  for _, field in ipairs(lib.fields.RESET_RARE) do
    if record[field] then set_rare(record, field, nil) end
  end
  if record.crashes and record.crashes > 0 then set_rare(record, "crashes", 0) end
  if record.stuck then set_rare(record, "stuck", nil) end
  if state == "failed" then lib.plan.failed[record.id] = false end
  local entry = lib.registry.find(workflow)
  if entry and entry.timeout_ms then set_rare(record, "deadline", lib.now() + entry.timeout_ms) end
  if not entry and bundle then
    runs.set_bundle(record, bundle)
  elseif not entry then
    lib.starts.await_workflow(record, workflow, runs.get(record, "queue"))
  end
  set(record, "ready_at", lib.stamp)
  if record.detached then lib.detached.count(record, 1) end
  ends.make_ready(record)
end
