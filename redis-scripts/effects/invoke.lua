-- invoke: start a child; the run becomes its waiter unless it is detached.
-- args   operation  entry  child  workflow  data  seed  max_depth  unknown|""  bundle|""  result  n  (option value)×n
--        unknown: the outcome when no host has announced the workflow; "" when the worker knows it itself
--        bundle, result: inlined. The worker has run the child already, with this code, and it did nothing but return
--        options: queue priority delay_ms retry detached deps again dedupe within_ms
--        deps: of a graph's node, the keys it depends on
--        dedupe, within_ms: a key. A run of this workflow that was begun with it, not longer ago than was said then,
--        stands for the child: none is started, and the end of that run is the outcome
--        again: the operation was forgotten. A child that was asked the same goes on, if it has failed; one that was
--        asked differently is left, and that generation of it begins
-- moves  child: (none) -> ready | scheduled | completed; with again: failed | cancelled -> ready
-- While a cancel is recorded that the worker has not been told, no child is started: that is the operation's outcome.

local runs = lib.runs

local function chain_of(run)
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

local function serves(queue)
  for _, served in ipairs(lib.served) do
    if served == "*" or served == queue then return true end
  end
  return false
end

-- A child may be inlined when its code is what new attempts run, and this worker serves its queue. It takes no place
-- from those that stand in the queue: it ran in its parent's.
local inlinable = {} -- workflow -> the bundle it may be inlined with, or false
local function may_be_inlined(workflow, bundle)
  local with = inlinable[workflow]
  if with == nil then
    local entry = lib.registry.find(workflow)
    with = entry ~= nil and serves(entry.queue) and entry.bundle
    inlinable[workflow] = with
  end
  return with == bundle
end

-- Whether what is asked now is what this child was asked. A node that depends on others now has others to read.
local function same(child, workflow, data, deps)
  return runs.get(child, "workflow") == workflow and runs.get(child, "data") == data
    and (runs.get(child, "deps") or "") == (deps or "")
end

-- Returns what the retry by which this run began again wanted of a child. If an earlier retry wanted something that
-- no run came to ask for, the run does not want it any more.
local function wanted_of(run, child)
  local again = runs.get(child, "again")
  return again and runs.get(child, "retried_at") == runs.get(run, "retried_at") and again
end

-- Nothing is started, and that is the operation's outcome.
local function refuse(run, operation, code, message)
  return runs.record_outcome(run, operation, "refused", 0, cjson.encode({ code = code, message = message }))
end

-- Nothing could ever end if this run waited for that one. True: it is refused.
local function refuse_deadlock(run, operation, other)
  local deadlock = lib.dedupe.deadlock(run, other)
  return deadlock and refuse(run, operation, "cycle", "neither could ever end: " .. deadlock)
end

-- The child is there: it was started before this run forgot the operation. It goes on if this run asks for it again and
-- it failed, or was to begin again by hand; else what it comes to is the outcome.
local function attach(run, operation, child, generation, options)
  if options.detached then
    if not runs.ended(child) then lib.detached.detach(child, "detached") end
    return runs.record_outcome(run, operation, "completed", 1, cjson.encode(child.id), nil, generation)
  end
  local lives = not runs.ended(child)
  local was_let_go = lives and (child.detached or child.abandoned)
  if was_let_go and refuse_deadlock(run, operation, child) then return end
  lib.detached.reattach(child)
  if lives then return end
  local state, again = child.state, options.again and wanted_of(run, child)
  if again or options.again and state ~= "completed" then
    if options.retry then runs.set(child, "retry", options.retry) end
    runs.set(child, "retried_at", runs.get(run, "retried_at"))
    return lib.reopen.begin_again(child, again or "rule")
  end
  local value = runs.get(child, state == "completed" and "result" or "error")
  runs.record_outcome(run, operation, state, child.attempt, value, nil, generation)
  lib.expiry.schedule_if_final(child)
end

-- Another run stands for the child. Whoever began that one is its parent: this run only waits for it.
local function attach_to_other(run, operation, other, detached)
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

function effects.invoke(run)
  local operation, entry, id, workflow, data, seed, max_depth, unknown, bundle, result, n = lib.take_many(11)
  local options = n ~= "0" and lib.take_options(n) or NO_OPTIONS
  max_depth = tonumber(max_depth)

  local too_deep = #id > 2 * max_depth and depth_of(id) > max_depth
  local stamp = nil
  if bundle ~= "" and (run.speculated or 0) > 0 then
    run.speculated, stamp = run.speculated - 1, run.speculated_at
    local others = run.number ~= run.told -- an outcome that came in this turn has the number it took
    if others or too_deep or runs.load_if_any(id) or not may_be_inlined(workflow, bundle) then lib.conflict() end
  end
  runs.begin_operation(run, operation, entry, stamp)
  if run.cancel and run.cancel > run.told then
    return refuse(run, operation, "cancelled", "not started: its run is being cancelled")
  end
  if too_deep then
    return refuse(run, operation, "too_deep",
      "invoking " .. workflow .. " goes deeper than " .. max_depth .. " runs: " .. chain_of(run))
  end
  if unknown ~= "" and not lib.registry.find(workflow) then
    runs.record_outcome(run, operation, "refused", 0, unknown)
    return
  end
  local child, generation = runs.load_if_any(id), string.find(id, "~", 1, true) and string.match(id, "~%d+$")
  if child and options.again and not same(child, workflow, data, options.deps) then
    if not runs.ended(child) then lib.detached.detach(child, "detached") end -- no operation takes its outcome now
    generation = "~" .. options.again
    id, child = run.id .. "/" .. operation .. generation, nil
  end
  if options.again then runs.set(run, "x:" .. operation, nil) end
  if generation then runs.set(run, "c:" .. operation, string.sub(generation, 2)) end
  if child then
    attach(run, operation, child, generation, options)
    return
  end
  if lib.starts.being_deleted(id) then
    if stamp then lib.conflict() end
    return refuse(run, operation, "duplicate_id",
      "not started: the run that had the id " .. id .. " is still being deleted; retry when it is gone")
  end
  if options.dedupe then
    local earlier = lib.dedupe.find(workflow, options.dedupe)
    if earlier then return attach_to_other(run, operation, earlier, options.detached) end
  end

  if bundle ~= "" and may_be_inlined(workflow, bundle) then
    lib.starts.begin_inlined(id, workflow, data, seed, bundle, result, stamp, options.deps)
    runs.record_outcome(run, operation, "completed", 1, result, stamp, generation)
    if stamp then run.told = run.number end
    return
  end
  child = runs.create(id)
  if options.dedupe then lib.dedupe.register(child, workflow, options.dedupe, options.within_ms) end
  if options.retry then runs.set(child, "retry", options.retry) end
  if options.deps then runs.set(child, "deps", options.deps) end
  if options.detached then
    lib.detached.detach(child, "detached")
    runs.record_outcome(run, operation, "completed", 1, cjson.encode(id), nil, generation)
  end
  lib.starts.begin_run(child, workflow, data, seed, {
    queue = options.queue, priority = tonumber(options.priority), delay_ms = tonumber(options.delay_ms),
  })
end
