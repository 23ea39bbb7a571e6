-- start: a client starts a run. The same id names the same run: the client compares what was asked for.
-- args   run  workflow  data  seed  any("1"|"")  n  (option value)×n
--        seed: also identifies the start when it is sent again and its run is deleted already
--        any: starts also a workflow that no host has announced
--        options: queue priority delay_ms tags dedupe within_ms; see invoke
-- moves  (none) -> ready | scheduled
-- reply  started
--        exists workflow data state
--        deduplicated run             this earlier run has the same key; none was started
--        unknown                      no host has announced the workflow
--        deleting                     the run that had this id is still being deleted; the call did a step of that:
--                                     call again

local runs = lib.runs

function verbs.start()
  local id, workflow, data, seed, any = lib.next_args(5)
  local options = lib.starts.start_options(lib.next_arg())

  local run = runs.load_if_any(id)
  if run then return { "exists", runs.get(run, "workflow"), runs.get(run, "data"), run.state } end
  if lib.starts.is_repeated(id, seed) then return { "exists", workflow, data, "completed" } end
  if lib.starts.being_deleted(id) then
    lib.retention.continue(id)
    return { "deleting" }
  end
  if any ~= "1" and not lib.registry.is_open(workflow) then return { "unknown" } end

  if options.dedupe then
    local earlier = lib.dedupe.find(workflow, options.dedupe)
    if earlier then return { "deduplicated", earlier.id } end
  end
  run = runs.create(id)
  if options.dedupe then lib.dedupe.register(run, workflow, options.dedupe, options.within_ms) end
  lib.starts.begin_run(run, workflow, data, seed, options)
  return { "started" }
end
