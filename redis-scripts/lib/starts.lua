-- starts: creates runs: runs that begin, and inlined runs, which have ended already. No run gets the id of a run whose
-- tree is still being deleted.

local runs, ends = lib.runs, lib.ends
local call, push, set = redis.call, lib.push, runs.set
local starts = {}
lib.starts = starts

local deletions -- how many trees are being deleted, read once a batch

--- Whether the tree of this run is being deleted, since this batch or an earlier one.
function starts.being_deleted(id)
  if lib.plan.deleting[id] ~= nil then return true end
  deletions = deletions or call("ZCARD", lib.key("deleting"))
  return deletions > 0 and call("ZSCORE", lib.key("deleting"), id) ~= false
end

local deleted_starts -- how many there are, read once a batch

--- Whether this start is sent again, and its run has ended and was deleted.
function starts.is_repeated(id, seed)
  deleted_starts = deleted_starts or call("ZCARD", lib.key("deleted_starts"))
  return deleted_starts > 0 and call("ZSCORE", lib.key("deleted_starts"), id .. "\t" .. seed) ~= false
end

--- Return the `n` options of a start by a client.
function starts.start_options(n)
  local options = lib.next_options(n)
  options.priority, options.delay_ms = tonumber(options.priority), tonumber(options.delay_ms)
  return options
end

--- Plan that a run waits for its workflow, which no host has, in a queue of its own.
function starts.await_workflow(record, workflow, queue)
  local unknown = "?" .. workflow
  if queue and queue ~= unknown then set(record, "asked_queue", queue) end
  set(record, "queue", unknown)
end

--- Begin a new run. `options`: queue, priority, delay_ms, tags, bundle; each may be nil. bundle: of the parent, which
--- has the workflow. The run runs on it when no host has the workflow any more.
function starts.begin_run(record, workflow, data, seed, options)
  local entry = lib.registry.find(workflow)
  local queue = options.queue or (entry and entry.queue) or "default"
  local priority = options.priority or (entry and entry.priority) or 0
  local timeout = entry and entry.timeout_ms
  local delay = options.delay_ms or 0
  set(record, "workflow", workflow)
  runs.count_unfinished(workflow, 1)
  lib.plan.tally.started = lib.plan.tally.started + 1
  local changed = record.changed
  set(record, "data", data)
  changed.seed, changed.created_at = seed, lib.stamp
  if not entry and not options.bundle then
    starts.await_workflow(record, workflow, options.queue)
  else
    if not entry then runs.set_bundle(record, options.bundle) end
    if queue ~= "default" then set(record, "queue", queue) end
  end
  if priority ~= 0 then set(record, "priority", priority) end
  if options.tags then set(record, "tags", options.tags) end
  if timeout then
    runs.set_rare(record, "deadline", lib.now() + delay + timeout)
  end
  if not string.find(record.id, "/", 1, true) then lib.plan.roots[record.id] = lib.stamp end
  if delay > 0 then
    runs.move(record, "scheduled")
    lib.plan.delayed[record.id] = lib.now() + delay
    lib.publish_due(lib.now() + delay)
  else
    ends.make_ready(record)
  end
end

-- Plans the write of a long value. Returns the text that r:<run> has for a value.
local function write_value(id, field, value)
  if #value <= lib.COMPACT then return value end
  lib.write("HSET", "v:" .. id, field, value)
  return lib.ELSEWHERE
end

--- Create an inlined run, which has ended already. Nothing in it will change, so it is written at once as a list,
--- without a record.
function starts.begin_inlined(id, workflow, data, seed, bundle, result, stamp, deps)
  stamp = stamp or lib.stamp
  data, result = write_value(id, "data", data), write_value(id, "result", result)
  deps = deps and write_value(id, "deps", deps)
  lib.plan.records[id] = nil
  local tally = lib.plan.tally
  tally.started, tally.completed = tally.started + 1, tally.completed + 1
  lib.expiry.schedule(id, workflow)
  push(lib.plan.calls, {
    "HSET", lib.key("r:" .. id), "state", "completed", "workflow", workflow, "data", data, "seed", seed,
    "created_at", stamp, "started_at", stamp, "finished_at", stamp, "bundle", bundle, "result", result,
    deps and "deps", deps,
  })
end
