-- in_flight: a page of the runs that wait and that an attempt has begun: those with a journal to replay. They are
-- waiting or retrying; the latest wake-up comes first.
-- args   from  count  not_bundle|""  workflow…     from: 0, then how many members were looked at before; no workflow:
--        all of them
-- reply  in_flight size (run workflow state bundle created_at)…     size: all members of `delayed`, ready ones too
-- A run that wakes meanwhile moves the others by one place: a walk may miss a run or bring it twice.

local call, key = redis.call, lib.key
local WAITS = { waiting = true, retrying = true }

function verbs.in_flight()
  local from, count, not_bundle = lib.next_args(3)
  local wanted, all = {}, true
  while lib.more() do
    wanted[lib.next_arg()] = true
    all = false
  end
  from = tonumber(from)
  local reply = { "in_flight", call("ZCARD", key("delayed")) }
  for _, id in ipairs(call("ZREVRANGE", key("delayed"), from, from + tonumber(count) - 1)) do
    local v = call("HMGET", key("r:" .. id), "workflow", "state", "bundle", "created_at")
    if v[3] and v[3] ~= not_bundle and WAITS[v[2]] and (all or wanted[v[1]]) then
      local at = #reply
      reply[at + 1], reply[at + 2], reply[at + 3], reply[at + 4], reply[at + 5] = id, v[1], v[2], v[3], v[4]
    end
  end
  return reply
end
