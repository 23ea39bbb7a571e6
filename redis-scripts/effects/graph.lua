-- graph: a run records the shape of its graph when it begins, so that people see nodes that have not begun.
-- args   shape                  JSON: each node's key, workflow, depends_on, when, optional
-- moves  nothing

local runs = lib.runs

function effects.graph(run)
  runs.set(run, "graph", lib.next_arg())
end
