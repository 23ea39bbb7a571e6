-- in_flight: reads a page of the runs that have begun and wait: they have a journal to replay. They are waiting or
-- retrying; the latest wake-up comes first.
-- args   from  count  not_bundle|""  workflow…     from: 0, then how many members were looked at before; no workflow:
--        all of them
-- reply  in_flight size (run workflow state bundle created_at)…     size: all members of `delayed`, ready ones too
-- A run that wakes meanwhile moves the others by one place: a walk may miss a run or bring it twice.

local call, push, runs = redis.call, lib.push, lib.runs
local WAITS = { waiting = true, retrying = true }

function verbs.in_flight()
  local from, count, not_bundle = lib.next_args(3)
  local wanted, all = {}, true
  while lib.more() do
    wanted[lib.next_arg()] = true
    all = false
  end
  from = tonumber(from)
  local reply = { "in_flight", call("ZCARD", lib.key("delayed")) }
  local function look(run)
    if not run or not WAITS[run.state] or not run.bundle or run.bundle == not_bundle then return end
    local workflow = runs.get(run, "workflow")
    if not all and not wanted[workflow] then return end
    for _, value in ipairs({ run.id, workflow, run.state, run.bundle, runs.get(run, "created_at") }) do
      push(reply, value)
    end
  end
  for _, id in ipairs(call("ZREVRANGE", lib.key("delayed"), from, from + tonumber(count) - 1)) do
    runs.handle(id, look, "workflow")
  end
  return reply
end
