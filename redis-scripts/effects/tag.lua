-- tag: a run has other tags, by which people find it. Its worker knows those that it had.
-- args   tags        all of them, as JSON
-- moves  nothing

function effects.tag(run)
  lib.set(run, "tags", lib.take())
end
