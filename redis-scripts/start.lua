-- start: a new run from outside. The same id again is the same run: the caller compares what was asked then.
-- args   run  workflow  data  seed  any("1"|"")  n  (option value)×n     options: queue priority delay_ms tags
-- moves  (none) -> ready | scheduled
-- reply  started             exists workflow data state             unknown: nobody has announced the workflow

function verbs.start()
  local id, workflow, data, seed, any = lib.take(), lib.take(), lib.take(), lib.take(), lib.take()
  local options = lib.take_options(lib.take())

  local run = lib.load(id)
  if run then return { "exists", lib.get(run, "workflow"), lib.get(run, "data"), run.state } end
  if any ~= "1" and not lib.registered(workflow) then return { "unknown" } end

  run = lib.create(id)
  if options.tags then lib.set(run, "tags", options.tags) end
  lib.begin_run(run, workflow, data, seed, {
    queue = options.queue, priority = tonumber(options.priority), delay_ms = tonumber(options.delay_ms),
  })
  return { "started" }
end
