-- expiry: plans when an ended run is deleted: `retain` of its workflow after its end. retention.lua deletes it.

local runs = lib.runs
local expiry = {}
lib.expiry = expiry

local RETAIN_MS = 7 * 86400000 -- of a workflow that no host has announced
local LISTS = 64 -- how many lists a `retain` is divided into

--- Return for how long the runs of a workflow are kept after their end.
function expiry.retain_of(workflow)
  local entry = lib.registry.find(workflow)
  return entry and entry.retain_ms or RETAIN_MS
end

-- Runs that expire at about the same time share a list. Its instant is a multiple of a power of two of seconds.
local function instant_of(due, retain_ms)
  if retain_ms == 0 then return due - due % 1000 end
  local width = 1000
  while 2 * width * LISTS <= retain_ms do width = 2 * width end
  return math.ceil(due / width) * width
end

--- Plan that a run expires `retain_ms` after `ended_at`.
function expiry.schedule_at(id, ended_at, retain_ms)
  local instant = instant_of(ended_at + retain_ms, retain_ms)
  local lists = lib.plan.expiry
  lists[instant] = lists[instant] or {}
  lib.push(lists[instant], id)
end

--- Plan that a run of this workflow, which ends now, expires.
function expiry.schedule(id, workflow)
  local lists, expiry_of = lib.plan.expiry, lib.plan.expiry_of
  local list = expiry_of[workflow]
  if not list then
    local retain_ms = expiry.retain_of(workflow)
    local instant = instant_of(lib.now() + retain_ms, retain_ms)
    list = lists[instant] or {}
    lists[instant], expiry_of[workflow] = list, list
  end
  list[#list + 1] = id
end

--- Plan that a run expires if it is final: a root in any end state, a child that completed. Other children stay with
--- their root. No run expires while a descendant lives.
function expiry.schedule_if_final(record)
  if not runs.ended(record) or record.live_detached or record.waiters then return end
  if record.state == "completed" or not string.find(record.id, "/", 1, true) then
    expiry.schedule(record.id, runs.get(record, "workflow"))
  end
end
