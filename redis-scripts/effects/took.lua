-- took: the operation that is resolved next began before now: a step is told of when its Lua is over.
-- args   ms
-- moves  nothing

function effects.took(run) run.took_ms = tonumber(lib.take()) end
