-- invoke: start a child; the run becomes its waiter unless it is detached.
-- args   operation  entry  child  workflow  data  seed  max_depth  unknown|""  n  (option value)×n
--        unknown: the outcome when nobody has announced the workflow; "" when the worker knows it itself
--        options: queue priority delay_ms retry detached
-- moves  child: (none) -> ready | scheduled
-- Refused without a word while a cancel is recorded that the worker has not been told: the reply of the turn brings it.

local function chain_of(run)
  local names, id = {}, run.id
  while id do
    local record = lib.load(id)
    table.insert(names, 1, record and lib.get(record, "workflow") or "?")
    id = lib.parent_of(id)
  end
  return table.concat(names, " > ")
end

function effects.invoke(run)
  local operation, entry, id, workflow, data = lib.take(), lib.take(), lib.take(), lib.take(), lib.take()
  local seed, max_depth, unknown = lib.take(), tonumber(lib.take()), lib.take()
  local options = {}
  for _ = 1, tonumber(lib.take()) do
    local name = lib.take()
    options[name] = lib.take()
  end

  if run.cancel and run.cancel > run.told then return end
  lib.begin_operation(run, operation, entry)
  if #id > 2 * max_depth and lib.depth_of(id) > max_depth then
    local message = "invoking " .. workflow .. " goes deeper than " .. max_depth .. " runs: " .. chain_of(run)
    lib.record_outcome(run, operation, "refused", 0, cjson.encode({ code = "cycle", message = message }))
    return
  end
  if unknown ~= "" and not lib.registered(workflow) then
    lib.record_outcome(run, operation, "refused", 0, unknown)
    return
  end
  local child = lib.load(id)
  if child then
    -- It was started before this run forgot the operation: what it came to is the outcome.
    if lib.ended(child) then
      local state = child.state
      local value = lib.get(child, state == "completed" and "result" or "error")
      lib.record_outcome(run, operation, state, child.attempt, value)
    end
    return
  end

  child = lib.create(id)
  if options.retry then lib.set(child, "retry", options.retry) end
  if options.detached then
    lib.set_special(child, "detached", "1")
    lib.record_outcome(run, operation, "completed", 1, cjson.encode(id))
  end
  lib.begin_run(child, workflow, data, seed, {
    queue = options.queue, priority = tonumber(options.priority), delay_ms = tonumber(options.delay_ms),
  })
end
