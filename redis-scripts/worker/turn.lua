-- turn: the effects of a run, whose Lua has run until every branch waits. The last effect says how the run goes on.
-- args   run  turn  acked  [speculate number at count]  effect…
--        acked: the number of the last outcome that the worker has received
--        speculate: the run went on before the outcomes of its first `count` inlined children were recorded. It had
--        received all outcomes up to `number`, so those of the children have to be the next ones. `at`: the instant at
--        which the run assumed that they were recorded
-- moves  as its effects say: running -> waiting | retrying | completed | failed | cancelled
-- reply  running outcome…     the run goes on at once with these outcomes
--        suspended wake|""    the run waits for an outcome, or until the instant `wake` in ms
--        done                 the worker has nothing more to do for the run
--        not_owner            the worker does not own the run; nothing was written
--        conflict             another outcome was recorded before those that the run speculated on; nothing was
--                             written, and the run is replayed from its journal
-- The worker sends a turn again when the reply was lost. Redis knows such a turn by its number: it replies with the
-- present state of the run, and does nothing twice.

local runs = lib.runs
local ENDED_HERE = { completed = true, failed = true, cancelled = true, retrying = true }

local function where_it_stands(record, acked)
  if record.state == "waiting" then return { "suspended", record.wake or "" } end
  if record.state == "running" then return runs.outcomes(record, acked, { "running" }) end
  return { "done" }
end

function verbs.turn()
  local id, turn, acked = lib.next_args(3)
  turn, acked = tonumber(turn), tonumber(acked)

  local record = runs.load(id, "workflow") -- its end asks for the workflow
  if not record then return { "not_owner" } end
  local ours = record.owner == lib.worker
  if record.turn == turn + 1 and (ours or ENDED_HERE[record.state]) then
    if record.state == "ready" then return { "suspended", "" } end
    local wake = record.state == "waiting" and redis.call("ZSCORE", lib.key("delayed"), id)
    if wake ~= "inf" then record.wake = wake or nil end
    return where_it_stands(record, acked)
  end
  if not ours or record.state ~= "running" or record.turn ~= turn then return { "not_owner" } end
  record.acked = acked

  if record.deadline then lib.cancellation.expire(record) end
  if lib.next_is("speculate") then
    local number, at, count = lib.next_args(3)
    if tonumber(number) ~= record.last_number or lib.speculation_failed then return { "conflict" } end
    record.speculated, record.speculated_at = tonumber(count), at
    record.acked = record.last_number
  end
  record.turn = turn + 1
  runs.set(record, "turn", lib.text[turn + 1])
  if (record.crashes or 0) > 0 then
    runs.set_rare(record, "crashes", 0)
    if record.stuck then runs.set_rare(record, "stuck", nil) end
    local host = "host:" .. string.match(lib.worker, "^%d+")
    if redis.call("HGET", lib.key(host), "quarantine") == id then lib.write("HDEL", host, "quarantine") end
  end
  while lib.more() do
    effects[lib.next_arg()](record)
  end

  return where_it_stands(record, acked)
end
