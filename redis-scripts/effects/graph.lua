-- graph: the shape of a graph, told by its run when it begins, so that what is to come can be shown.
-- args   shape                  JSON: each node's key, workflow, depends_on, when, optional
-- moves  nothing

local runs = lib.runs

function effects.graph(run)
  runs.set(run, "graph", lib.take())
end
