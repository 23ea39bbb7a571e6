-- tag: a run has other tags, by which people find it. Its worker knows those that it had.
-- args   tags        all of them, as JSON
-- moves  nothing

local runs = lib.runs

function effects.tag(run)
  runs.set(run, "tags", lib.take())
end
