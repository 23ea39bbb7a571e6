-- record: an operation began (a sleep, a step that may run at most once) or began another try (a step that backs off).
-- args   operation  entry                   entry: a text that the journal writes
-- moves  nothing

local runs = lib.runs

function effects.record(run)
  local operation, entry = lib.next_args(2)
  runs.begin_operation(run, operation, entry)
end
