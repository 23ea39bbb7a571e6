-- fields: the fields of a run, each named once. README.md says what each of them means. A run also has fields whose
-- names carry an operation or a number; those are in README.md alone.
--
-- A new field needs a line here and one in README.md, and a reader. Lists and no table for each field, as Redis makes
-- them anew for each call that asks for them.

local fields = {}
lib.fields = fields

--- Fields that few runs have: `has_rare` says that one of them was set. `runs.load` reads them all.
fields.RARE = {
  -- numbers
  "attempt", "crashes", "cancel", "deadline", "cancel_pending", "live_detached", "keyed_until", "kept_until",
  -- texts
  "watch", "detached", "abandoned", "cancel_awaited", "terminate", "waiters", "stuck",
}
fields.RARE_NUMBERS = 8 -- the first so many

--- All others.
fields.COMMON = {
  "state", "workflow", "data", "seed", "created_at", "tags", "queue", "priority", "asked_queue", "bundle", "started_at",
  "finished_at", "result", "error", "owner", "turn", "number", "known", "retry", "graph", "deps", "again",
  "reset_number", "redo", "generation", "attempts_before", "retried_at", "has_rare",
}

--- Fields of its end that a run loses when it begins again, and the rare ones among them.
fields.RESET = { "finished_at", "error", "result" }
fields.RESET_RARE = { "cancel", "terminate", "cancel_awaited", "deadline" }

--- Fields that `status` shows.
fields.STATUS = {
  "state", "workflow", "attempt", "queue", "priority", "owner", "cancel", "number", "deadline", "error", "tags",
  "detached", "has_rare", "created_at", "started_at", "finished_at",
}
