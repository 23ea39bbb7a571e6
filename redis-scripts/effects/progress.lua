-- progress: a run reports its progress for people. Its worker knows what the run has reported before.
-- args   progress    all of it, as JSON
-- moves  nothing

local runs = lib.runs

function effects.progress(run)
  runs.set(run, "progress", lib.next_arg())
end
