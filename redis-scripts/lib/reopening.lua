-- reopening: a run that ended begins again, by hand or because its parent asks for it again: another attempt, on the
-- newest code, with its journal. What is to be forgotten of that (`again`) the run itself finds out, before any of its
-- code runs.

local set, set_special = lib.set, lib.set_special
local reopening = {}
lib.reopening = reopening

function reopening.reopen(record, again)
  local state, attempt = record.state, record.attempt
  set(record, "again", again)
  set(record, "ended", lib.text[record.number]) -- a cancel that comes before it has forgotten that of its end holds
  set(record, "bundle@" .. attempt, lib.get(record, "bundle"))
  set(record, "bundle", nil)
  set_special(record, "attempt", attempt + 1)
  set(record, "spent", lib.text[attempt]) -- attempts that do not count any more
  record.turn = record.turn + 1 -- the one that ended it, sent again, is not taken for one of this attempt
  set(record, "turn", lib.text[record.turn])
  for _, field in ipairs({ "finished_at", "error", "result" }) do set(record, field, nil) end
  for _, field in ipairs({ "cancel", "now", "lingers", "deadline" }) do
    if record[field] then set_special(record, field, nil) end
  end
  if record.deaths and record.deaths > 0 then set_special(record, "deaths", 0) end
  if state == "failed" then lib.plan.failed[record.id] = false end
  local entry = lib.registered(lib.get(record, "workflow"))
  if entry and entry.timeout_ms then set_special(record, "deadline", lib.now() + entry.timeout_ms) end
  if record.detached or record.abandoned then lib.loose.count(record, 1) end
  lib.make_ready(record)
end
