-- reset_done: a run that begins again has reset all operations that it had to reset.
-- args   none
-- moves  nothing

local runs = lib.runs

function effects.reset_done(run)
  runs.set(run, "reset", nil)
  runs.set(run, "redo", nil)
  runs.set(run, "reset_number", nil)
end
