-- fields: the names of the fields of a run. README.md says what each of them means. A run also has fields whose names
-- contain an operation or a number; only README.md lists those.
--
-- A new field needs a line here, a line in README.md and a reader. These are lists of names, because Redis builds them
-- anew for each call that uses them.

local fields = {}
lib.fields = fields

--- Fields that few runs have: `has_rare` says that one of them was set. `runs.load` reads them all.
fields.RARE = {
  -- numbers
  "attempt", "crashes", "cancel", "deadline", "cancel_pending", "live_detached", "keyed_until", "kept_until",
  -- texts
  "watch", "detached", "cancel_awaited", "terminate", "waiters", "stuck",
}
fields.RARE_NUMBERS = 8 -- how many of the names above are numbers

--- All others.
fields.COMMON = {
  "state", "workflow", "data", "seed", "created_at", "tags", "queue", "priority", "asked_queue", "bundle", "started_at",
  "finished_at", "result", "error", "owner", "turn", "last_number", "acked", "retry", "graph", "deps", "reset",
  "reset_number", "redo", "generation", "attempts_before", "retry_id", "moved", "ready_at", "progress",
  "has_rare",
}

--- Fields of its end that a run loses when it begins again, and the rare ones among them.
fields.RESET = { "finished_at", "error", "result" }
fields.RESET_RARE = { "cancel", "terminate", "cancel_awaited", "deadline" }

--- Fields that `status` shows.
fields.STATUS = {
  "state", "workflow", "attempt", "queue", "priority", "owner", "cancel", "last_number", "deadline", "error", "tags",
  "detached", "has_rare", "created_at", "started_at", "finished_at", "progress",
}
