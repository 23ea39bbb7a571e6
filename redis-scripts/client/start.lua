-- start: a new run from outside. The same id again is the same run: the caller compares what was asked then.
-- args   run  workflow  data  seed  any("1"|"")  n  (option value)×n     options: queue priority delay_ms tags
--                                                                       dedupe within_ms: see invoke
-- moves  (none) -> ready | scheduled
--        seed: also what a start is known by that is sent again, within 10 s, when its run has ended and gone
-- reply  started             exists workflow data state             unknown: no host has announced the workflow
--        earlier run         that one stands for what is asked for with this key
--        deleting            the tree that had this id is not gone yet; a step of that was done: ask again

local runs = lib.runs

function verbs.start()
  local id, workflow, data, seed, any = lib.take_many(5)
  local options = lib.starts.start_options(lib.take())

  local run = runs.load_if_any(id)
  if run then return { "exists", runs.get(run, "workflow"), runs.get(run, "data"), run.state } end
  if lib.starts.went_already(id, seed) then return { "exists", workflow, data, "completed" } end
  if lib.starts.being_deleted(id) then
    lib.retention.go_on_deleting(id)
    return { "deleting" }
  end
  if any ~= "1" and not lib.registry.find(workflow) then return { "unknown" } end

  if options.dedupe then
    local earlier = lib.dedupe.find(workflow, options.dedupe)
    if earlier then return { "earlier", earlier.id } end
  end
  run = runs.create(id)
  if options.dedupe then lib.dedupe.register(run, workflow, options.dedupe, options.within_ms) end
  lib.starts.begin_run(run, workflow, data, seed, options)
  return { "started" }
end
