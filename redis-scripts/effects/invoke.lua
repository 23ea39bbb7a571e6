-- invoke: a run starts a child. The run waits for it unless the child is detached.
-- args   operation  entry  child  workflow  data  seed  max_depth  unknown|""  bundle|""  result  n  (option value)×n
--        unknown: the outcome when no host has announced the workflow; "" when the worker has the workflow
--        bundle, result: of an inlined child. The worker has run it already, with this code, and it only returned
--        options: queue priority delay_ms retry detached deps next_generation dedupe within_ms
--        deps: of a node of a graph, the keys that it depends on
--        dedupe, within_ms: a key. A run of this workflow with the same key takes the place of the child while it is
--        younger than its own within_ms: no child is started, and the end of that run is the outcome
--        next_generation: the operation was reset. A child with the same arguments goes on if it has failed. A child
--        with other arguments is detached, and this generation of it begins
-- moves  child: (none) -> ready | scheduled | completed; with next_generation: failed | cancelled -> ready
-- A child whose workflow has left the registry runs the code of its parent, which has it.
-- While a cancel is recorded that the worker has not received, no child is started, and the operation is `refused`.

local runs = lib.runs

-- The names of the workflows from the root down to a run.
local function workflows_above(run)
  local names, id = {}, run.id
  while id do
    local record = runs.load(id)
    table.insert(names, 1, record and runs.get(record, "workflow") or "?")
    id = runs.parent_of(id)
  end
  return table.concat(names, " > ")
end

local function depth_of(id)
  local _, slashes = string.gsub(id, "/", "")
  return slashes
end

local NO_OPTIONS = {}

-- A child may be inlined when its bundle is the one that new attempts run, and this worker serves its queue. It passes
-- no run that stands in the queue, because it uses the turn of its parent.
local inlinable = {} -- workflow -> the bundle it may be inlined with, or false
local function may_be_inlined(workflow, bundle)
  local with = inlinable[workflow]
  if with == nil then
    local entry = lib.registry.find(workflow)
    with = entry ~= nil and lib.serves(entry.queue) and entry.bundle
    inlinable[workflow] = with
  end
  return with == bundle
end

-- Whether a child was started with these arguments. A node with other dependencies reads other outcomes.
local function is_same(child, workflow, data, deps)
  return runs.get(child, "workflow") == workflow and runs.get(child, "data") == data
    and (runs.get(child, "deps") or "") == (deps or "")
end

-- Returns the selection that the retry of a run gave for a child. A selection of an earlier retry counts no longer.
local function selection_of(run, child)
  local selection = runs.get(child, "reset")
  return selection and runs.get(child, "retry_id") == runs.get(run, "retry_id") and selection
end

-- Starts nothing, and makes that the outcome of the operation.
local function refuse(run, operation, code, message)
  return runs.record_outcome(run, operation, "refused", 0, cjson.encode({ code = code, message = message }))
end

-- Refuses to wait for another run that cannot end before this one. Returns whether it did.
local function refuse_deadlock(run, operation, other)
  local deadlock = lib.dedupe.deadlock(run, other)
  return deadlock and refuse(run, operation, "cycle", "neither could ever end: " .. deadlock)
end

-- The child exists: it was started before this run reset the operation. It goes on if it failed, or if a retry selected
-- it. Otherwise its end is the outcome.
local function attach(run, operation, child, generation, options, own_bundle)
  local lives = not runs.ended(child)
  if options.detached then
    if lives then lib.detached.detach(child, "1") end
    return runs.record_outcome(run, operation, "completed", 1, cjson.encode(child.id), nil, generation)
  end
  if lives and child.detached and refuse_deadlock(run, operation, child) then return end
  lib.detached.reattach(child)
  if lives then return end
  local state, selection = child.state, options.next_generation and selection_of(run, child)
  if selection or options.next_generation and state ~= "completed" then
    if options.retry then runs.set(child, "retry", options.retry) end
    runs.set(child, "retry_id", runs.get(run, "retry_id"))
    return lib.reopen.begin_again(child, selection or "unhandled", own_bundle)
  end
  local value = runs.get(child, state == "completed" and "result" or "error")
  runs.record_outcome(run, operation, state, child.attempt, value, nil, generation)
  lib.expiry.schedule_if_final(child)
end

-- Another run takes the place of the child. This run waits for it, and is not its parent.
local function share(run, operation, other, detached)
  local function record(state, attempts, value)
    runs.set(run, "w:" .. operation, other.id)
    runs.record_outcome(run, operation, state, attempts, value, nil, nil, other.id)
  end
  if detached then return record("completed", 1, cjson.encode(other.id)) end
  if runs.ended(other) then return record(other.state, other.attempt, runs.get(other, "result")) end
  if refuse_deadlock(run, operation, other) then return end
  runs.set(run, "w:" .. operation, other.id)
  lib.dedupe.wait_for(run, operation, other)
end

local function create(run, operation, id, workflow, data, seed, generation, options, own_bundle)
  local child = runs.create(id)
  if options.dedupe then lib.dedupe.register(child, workflow, options.dedupe, options.within_ms) end
  if options.retry then runs.set(child, "retry", options.retry) end
  if options.deps then runs.set(child, "deps", options.deps) end
  if options.detached then
    lib.detached.detach(child, "1")
    runs.record_outcome(run, operation, "completed", 1, cjson.encode(id), nil, generation)
  end
  lib.starts.begin_run(child, workflow, data, seed, {
    queue = options.queue, priority = tonumber(options.priority), delay_ms = tonumber(options.delay_ms),
    bundle = own_bundle,
  })
end

-- The run speculated on the outcome of this inlined child. Nothing else may decide about the child then. Returns the
-- instant that the run assumed.
local function check_speculated(run, id, workflow, bundle, too_deep)
  run.speculated = run.speculated - 1
  local has_others = run.last_number ~= run.acked -- an outcome that was recorded in this turn has the assumed number
  if has_others or too_deep or runs.load_if_any(id) or not may_be_inlined(workflow, bundle) then lib.conflict() end
  return run.speculated_at
end

-- Refuses an invoke that may not start a child. Returns whether it did.
local function refuse_early(run, operation, workflow, unknown, too_deep, max_depth)
  if run.cancel and lib.ends.has_unseen_cancel(run) then
    return refuse(run, operation, "cancelled", "not started: its run is being cancelled")
  elseif too_deep then
    return refuse(run, operation, "too_deep",
      "invoking " .. workflow .. " goes deeper than " .. max_depth .. " runs: " .. workflows_above(run))
  elseif unknown ~= "" and not lib.registry.is_open(workflow) then
    return runs.record_outcome(run, operation, "refused", 0, unknown)
  end
  return false
end

-- Finds the child that was started before a reset. Returns its record, its id, and its generation: "~<n>" unless the
-- first. A child with other arguments is detached; then the id is that of the next generation.
local function find_child(run, operation, id, workflow, data, options)
  local child, following = runs.load_if_any(id), options.next_generation
  local generation = string.find(id, "~", 1, true) and string.match(id, "~%d+$")
  if child and following and not is_same(child, workflow, data, options.deps) then
    if not runs.ended(child) then lib.detached.detach(child, "1") end
    generation = "~" .. following
    id, child = run.id .. "/" .. operation .. generation, nil
  end
  if following then runs.set(run, "x:" .. operation, nil) end
  if generation then runs.set(run, "c:" .. operation, string.sub(generation, 2)) end
  return child, id, generation
end

function effects.invoke(run)
  local operation, entry, id, workflow, data, seed, max_depth, unknown, bundle, result, n = lib.next_args(11)
  local options = n ~= "0" and lib.next_options(n) or NO_OPTIONS
  max_depth = tonumber(max_depth)

  local too_deep = #id > 2 * max_depth and depth_of(id) > max_depth
  local is_speculated = bundle ~= "" and (run.speculated or 0) > 0
  local stamp = is_speculated and check_speculated(run, id, workflow, bundle, too_deep) or nil
  runs.begin_operation(run, operation, entry, stamp)
  if refuse_early(run, operation, workflow, unknown, too_deep, max_depth) then return end

  local own_bundle = unknown == "" and run.bundle or nil -- it has the workflow
  local child, generation
  child, id, generation = find_child(run, operation, id, workflow, data, options)
  if child then return attach(run, operation, child, generation, options, own_bundle) end
  if lib.starts.being_deleted(id) then
    if stamp then lib.conflict() end
    return refuse(run, operation, "duplicate_id",
      "not started: the run that had the id " .. id .. " is still being deleted; retry when it is gone")
  end
  local earlier = options.dedupe and lib.dedupe.find(workflow, options.dedupe)
  if earlier then return share(run, operation, earlier, options.detached) end

  if bundle ~= "" and may_be_inlined(workflow, bundle) then -- the worker has run the child already
    lib.starts.begin_inlined(id, workflow, data, seed, bundle, result, stamp, options.deps)
    runs.record_outcome(run, operation, "completed", 1, result, stamp, generation)
    if stamp then run.acked = run.last_number end
    return
  end
  create(run, operation, id, workflow, data, seed, generation, options, own_bundle)
end
