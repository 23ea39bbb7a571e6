-- invoke: start a child; the run becomes its waiter unless it is detached.
-- args   operation  entry  child  workflow  data  seed  max_depth  unknown|""  bundle|""  result  n  (option value)×n
--        unknown: the outcome when nobody has announced the workflow; "" when the worker knows it itself
--        bundle, result: fused. The worker has run the child already, with this code, and it did nothing but return
--        options: queue priority delay_ms retry detached deps (of a graph's node: the keys it depends on)
--        dedupe, within_ms: a key. A run of this workflow that was begun with it, not longer ago than was said then,
--        stands for the child: none is started, and the end of that run is the outcome
--        again: the operation was forgotten. A child that was asked the same goes on, if it has failed; one that was
--        asked differently is left, and that round of it begins
-- moves  child: (none) -> ready | scheduled | completed; with again: failed | cancelled -> ready
-- While a cancel is recorded that the worker has not been told, no child is started: that is the operation's outcome.

local function chain_of(run)
  local names, id = {}, run.id
  while id do
    local record = lib.load(id)
    table.insert(names, 1, record and lib.get(record, "workflow") or "?")
    id = lib.parent_of(id)
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

-- A child may be fused when its code is what new attempts run, and this worker serves its queue. It takes no place from
-- those that stand in the queue: it ran in its parent's.
local fusable = {} -- workflow -> the bundle it may be fused with, or false
local function may_be_fused(workflow, bundle)
  local with = fusable[workflow]
  if with == nil then
    local entry = lib.registered(workflow)
    with = entry ~= nil and serves(entry.queue) and entry.bundle
    fusable[workflow] = with
  end
  return with == bundle
end

-- Whether what is asked now is what this child was asked. A node that depends on others now has others to read.
local function same(child, workflow, data, deps)
  return lib.get(child, "workflow") == workflow and lib.get(child, "data") == data
    and (lib.get(child, "deps") or "") == (deps or "")
end

-- What the retry by which this run began again wanted of a child. Of what an earlier one wanted, and nobody came to ask
-- for, nothing is wanted any more.
local function wanted_of(run, child)
  local again = lib.get(child, "again")
  return again and lib.get(child, "retried_at") == lib.get(run, "retried_at") and again
end

-- Nothing is started, and that is the operation's outcome.
local function refuse(run, operation, code, message)
  return lib.record_outcome(run, operation, "refused", 0, cjson.encode({ code = code, message = message }))
end

-- Nothing could ever end if this run waited for that one. True: it is refused.
local function refuse_circle(run, operation, other)
  local circle = lib.sharing.circle(run, other)
  return circle and refuse(run, operation, "cycle", "neither could ever end: " .. circle)
end

-- The child is there: it was started before this run forgot the operation. It goes on if this run asks for it again and
-- it failed, or was to begin again by hand; else what it comes to is the outcome.
local function attach(run, operation, child, round, options)
  if options.detached then
    if not lib.ended(child) then lib.loose.let_go(child, "detached") end
    return lib.record_outcome(run, operation, "completed", 1, cjson.encode(child.id), nil, round)
  end
  local lives = not lib.ended(child)
  local was_let_go = lives and (child.detached or child.abandoned)
  if was_let_go and refuse_circle(run, operation, child) then return end
  lib.loose.await(child)
  if lives then return end
  local state, again = child.state, options.again and wanted_of(run, child)
  if again or options.again and state ~= "completed" then
    if options.retry then lib.set(child, "retry", options.retry) end
    lib.set(child, "retried_at", lib.get(run, "retried_at"))
    return lib.reopening.reopen(child, again or "rule")
  end
  local value = lib.get(child, state == "completed" and "result" or "error")
  lib.record_outcome(run, operation, state, child.attempt, value, nil, round)
  lib.may_go(child)
end

-- Another run stands for the child. Whoever began that one is its parent: this run only waits for it.
local function share(run, operation, other, detached)
  local function record(state, attempts, value)
    lib.set(run, "w:" .. operation, other.id)
    lib.record_outcome(run, operation, state, attempts, value, nil, nil, other.id)
  end
  if detached then return record("completed", 1, cjson.encode(other.id)) end
  if lib.ended(other) then return record(other.state, other.attempt, lib.get(other, "result")) end
  if refuse_circle(run, operation, other) then return end
  lib.set(run, "w:" .. operation, other.id)
  lib.sharing.wait_for(run, operation, other)
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
    if others or too_deep or lib.load_if_any(id) or not may_be_fused(workflow, bundle) then lib.conflict() end
  end
  lib.begin_operation(run, operation, entry, stamp)
  if run.cancel and run.cancel > run.told then
    return refuse(run, operation, "cancelled", "not started: its run is being cancelled")
  end
  if too_deep then
    return refuse(run, operation, "too_deep",
      "invoking " .. workflow .. " goes deeper than " .. max_depth .. " runs: " .. chain_of(run))
  end
  if unknown ~= "" and not lib.registered(workflow) then
    lib.record_outcome(run, operation, "refused", 0, unknown)
    return
  end
  local child, round = lib.load_if_any(id), string.find(id, "~", 1, true) and string.match(id, "~%d+$")
  if child and options.again and not same(child, workflow, data, options.deps) then
    if not lib.ended(child) then lib.loose.let_go(child, "detached") end -- its end is nobody's outcome now
    round = "~" .. options.again
    id, child = run.id .. "/" .. operation .. round, nil
  end
  if options.again then lib.set(run, "x:" .. operation, nil) end
  if round then lib.set(run, "c:" .. operation, string.sub(round, 2)) end
  if child then
    attach(run, operation, child, round, options)
    return
  end
  if lib.beginning.being_deleted(id) then
    if stamp then lib.conflict() end
    return refuse(run, operation, "duplicate_id",
      "not started: the run that had the id " .. id .. " is still being deleted; retry when it is gone")
  end
  if options.dedupe then
    local earlier = lib.sharing.earlier(workflow, options.dedupe)
    if earlier then return share(run, operation, earlier, options.detached) end
  end

  if bundle ~= "" and may_be_fused(workflow, bundle) then
    lib.beginning.begin_fused(id, workflow, data, seed, bundle, result, stamp, options.deps)
    lib.record_outcome(run, operation, "completed", 1, result, stamp, round)
    if stamp then run.told = run.number end
    return
  end
  child = lib.create(id)
  if options.dedupe then lib.sharing.stand_for(child, workflow, options.dedupe, options.within_ms) end
  if options.retry then lib.set(child, "retry", options.retry) end
  if options.deps then lib.set(child, "deps", options.deps) end
  if options.detached then
    lib.loose.let_go(child, "detached")
    lib.record_outcome(run, operation, "completed", 1, cjson.encode(id), nil, round)
  end
  lib.beginning.begin_run(child, workflow, data, seed, {
    queue = options.queue, priority = tonumber(options.priority), delay_ms = tonumber(options.delay_ms),
  })
end
