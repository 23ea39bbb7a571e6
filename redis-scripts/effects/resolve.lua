-- resolve: the run itself gives an operation its outcome: a step returned, a sleep is over, an invoke timed out.
-- args   operation  state  attempts  value  entry|""    entry: of an operation that was not recorded before
-- moves  nothing
-- An operation has one outcome. When Redis recorded another outcome first (a child completed, and then its timeout
-- arrived), that outcome holds and this effect does nothing: the reply of the turn brings the outcome to the worker.

local runs = lib.runs

function effects.resolve(run)
  local operation, state, attempts, value, entry = lib.next_args(5)
  local took_ms = run.took_ms
  run.took_ms = nil
  if entry ~= "" then
    runs.begin_operation(run, operation, entry, took_ms and string.format("%d", lib.now() - took_ms))
  end
  runs.record_outcome(run, operation, state, tonumber(attempts), value)
end
