-- reopen: a run that ended begins again, by hand or because its parent asks for it again: another attempt, on the
-- newest code, with its journal. What is to be forgotten of that (`again`) the run itself finds out, before any of its
-- code runs.

local runs, ends = lib.runs, lib.ends
local set, set_rare = runs.set, runs.set_rare
local reopen = {}
lib.reopen = reopen

function reopen.begin_again(record, again)
  local state, attempt = record.state, record.attempt
  set(record, "again", again)
  set(record, "reset_number", lib.text[record.number]) -- a cancel that comes from now on holds
  set(record, "bundle@" .. attempt, runs.get(record, "bundle"))
  set(record, "bundle", nil)
  set_rare(record, "attempt", attempt + 1)
  set(record, "attempts_before", lib.text[attempt]) -- attempts that do not count any more
  record.turn = record.turn + 1 -- the one that ended it, sent again, is not taken for one of this attempt
  set(record, "turn", lib.text[record.turn])
  for _, field in ipairs(lib.fields.RESET) do set(record, field, nil) end
  for _, field in ipairs(lib.fields.RESET_RARE) do
    if record[field] then set_rare(record, field, nil) end
  end
  if record.crashes and record.crashes > 0 then set_rare(record, "crashes", 0) end
  if record.stuck then set_rare(record, "stuck", nil) end
  if state == "failed" then lib.plan.failed[record.id] = false end
  local entry = lib.registry.find(runs.get(record, "workflow"))
  if entry and entry.timeout_ms then set_rare(record, "deadline", lib.now() + entry.timeout_ms) end
  if record.detached or record.abandoned then lib.detached.count(record, 1) end
  ends.make_ready(record)
end
