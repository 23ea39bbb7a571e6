-- record: an operation began (a sleep, a step that may run at most once) or began another try (a step backing off).
-- args   operation  entry                   entry: the journal's own text
-- moves  nothing

local runs = lib.runs

function effects.record(run)
  local operation, entry = lib.take(), lib.take()
  runs.begin_operation(run, operation, entry)
end
