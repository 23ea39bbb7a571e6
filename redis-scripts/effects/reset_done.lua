-- reset_done: a run that begins again has forgotten all that it was to forget.
-- args   none
-- moves  nothing

local runs = lib.runs

function effects.reset_done(run)
  runs.set(run, "again", nil)
  runs.set(run, "redo", nil)
  runs.set(run, "reset_number", nil)
end
