-- Journals for the specs of weir.replay: begun from a record, with outcomes as Redis sends them.

local journal = require "weir.replay.journal"

local journals = {}

---@param fields table<string, string>? of the record
---@return weir.Journal
function journals.new(fields)
  fields = fields or {}
  fields.started_at = fields.started_at or "1000"
  local made = journal.new(fields, 1)
  made:restore(fields)
  return made
end

---@return string text of an outcome
function journals.outcome(number, id, state, at)
  return ("%d\t%s\t%s\t%d\t1\tnull"):format(number, id, state or "completed", at or 1000 + number)
end

---@param made weir.Journal
---@return weir.Operation
---@return boolean new
function journals.begin(made, id, kind) return made:begin(kind or "step", id, "", "w.lua:1") end

return journals
