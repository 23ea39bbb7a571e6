-- tag: a run replaces its tags, by which people find it. Its worker knows the tags that the run has.
-- args   tags        all of them, as JSON
-- moves  nothing

local runs = lib.runs

function effects.tag(run)
  runs.set(run, "tags", lib.next_arg())
end
