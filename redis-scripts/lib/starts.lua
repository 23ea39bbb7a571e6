-- starts: runs that are not there yet: those that are started, and those that were run before they were written.
-- No run begins under an id whose tree is still being deleted.

local runs, ends = lib.runs, lib.ends
local call, push, set = redis.call, lib.push, runs.set
local starts = {}
lib.starts = starts

local deletions -- how many trees are being deleted, read once a batch

--- Whether the tree below this run is being deleted, by this batch or by those before it.
function starts.being_deleted(id)
  if lib.plan.deleting[id] ~= nil then return true end
  deletions = deletions or call("ZCARD", lib.key("deleting"))
  return deletions > 0 and call("ZSCORE", lib.key("deleting"), id) ~= false
end

local remembered -- how many starts are, read once a batch

--- Whether this very start was done before: its run has ended since and gone.
function starts.went_already(id, seed)
  remembered = remembered or call("ZCARD", lib.key("gone"))
  return remembered > 0 and call("ZSCORE", lib.key("gone"), id .. "\t" .. seed) ~= false
end

--- The `n` options that a start from outside has.
function starts.start_options(n)
  local options = lib.take_options(n)
  options.priority, options.delay_ms = tonumber(options.priority), tonumber(options.delay_ms)
  return options
end

--- A new run: fields every run begins with. `options`: queue, priority, delay_ms, tags (all may be nil).
function starts.begin_run(record, workflow, data, seed, options)
  local entry = lib.registry.find(workflow)
  local queue = options.queue or (entry and entry.queue) or "default"
  local priority = options.priority or (entry and entry.priority) or 0
  local timeout = entry and entry.timeout_ms
  local delay = options.delay_ms or 0
  set(record, "workflow", workflow)
  local changed = record.changed
  changed.data, changed.seed, changed.created_at = data, seed, lib.stamp
  if not entry then
    if options.queue then set(record, "asked_queue", queue) end
    queue = "?" .. workflow
  end
  if queue ~= "default" then set(record, "queue", queue) end
  if priority ~= 0 then set(record, "priority", priority) end
  if options.tags then set(record, "tags", options.tags) end
  if timeout then
    runs.set_rare(record, "deadline", lib.now() + delay + timeout)
  end
  if not string.find(record.id, "/", 1, true) then lib.plan.roots[record.id] = lib.stamp end
  if delay > 0 then
    runs.move(record, "scheduled")
    lib.plan.delayed[record.id] = lib.now() + delay
    push(lib.plan.published, "due")
    push(lib.plan.published, lib.now() + delay)
  else
    ends.make_ready(record)
  end
end

--- A new run that has ended already: it was run before it was written. Nothing of it will change, so that it is written
--- as a list at once and needs no record.
function starts.begin_inlined(id, workflow, data, seed, bundle, result, stamp, deps)
  stamp = stamp or lib.stamp
  if #data > lib.COMPACT then
    lib.write("HSET", "v:" .. id, "data", data)
    data = lib.ELSEWHERE
  end
  if #result > lib.COMPACT then
    lib.write("HSET", "v:" .. id, "result", result)
    result = lib.ELSEWHERE
  end
  if deps and #deps > lib.COMPACT then
    lib.write("HSET", "v:" .. id, "deps", deps)
    deps = lib.ELSEWHERE
  end
  lib.plan.records[id] = nil
  lib.expiry.schedule(id, workflow)
  push(lib.plan.calls, {
    "HSET", lib.key("r:" .. id), "state", "completed", "workflow", workflow, "data", data, "seed", seed,
    "created_at", stamp, "started_at", stamp, "finished_at", stamp, "bundle", bundle, "result", result,
    deps and "deps", deps,
  })
end
