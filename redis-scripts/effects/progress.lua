-- progress: a run says how far it is, for people. Its worker knows what the run has said before.
-- args   progress    all of it, as JSON
-- moves  nothing

local runs = lib.runs

function effects.progress(run)
  runs.set(run, "progress", lib.next_arg())
end
