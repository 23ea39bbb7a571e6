-- took: tells how long ago the operation began that is resolved next. A run records a step when the step is over.
-- args   ms
-- moves  nothing

function effects.took(run) run.took_ms = tonumber(lib.next_arg()) end
