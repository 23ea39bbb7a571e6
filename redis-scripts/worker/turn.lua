-- turn: what a run has to say after its Lua ran until every branch was waiting: effects, then how it goes on.
-- args   run  turn  known  [speculate number at count]  effect…
--        known: the highest outcome number the worker was told
--        speculate: the run went on although the outcomes of its first `count` inlined children were not recorded yet.
--        It knew all outcomes up to `number`, so theirs have to be the next ones; `at` is the instant it took for
--        theirs.
-- moves  as its effects say: running -> waiting | retrying | completed | failed | cancelled
-- reply  running outcome…     go on at once with these
--        suspended wake|""    kept until something comes; wake in ms
--        done                 nothing more to do for this worker
--        not_owner            the run is not this worker's, nothing was written
--        conflict             it speculated and something else came first; nothing was written: back to the journal
-- A turn that is sent again, its reply having been lost, is known by its number: it is answered by where the run
-- stands now, and nothing is done twice.

local runs = lib.runs
local ENDED_HERE = { completed = true, failed = true, cancelled = true, retrying = true }

local function where_it_stands(record, known)
  if record.state == "waiting" then return { "suspended", record.wake or "" } end
  if record.state == "running" then return runs.outcomes(record, known, { "running" }) end
  return { "done" }
end

function verbs.turn()
  local id, turn, known = lib.take_many(3)
  turn, known = tonumber(turn), tonumber(known)

  local record = runs.load(id, "workflow") -- asked for when it ends
  if not record then return { "not_owner" } end
  record.told = known
  local ours = record.owner == lib.worker
  if record.turn == turn + 1 and (ours or ENDED_HERE[record.state]) then
    if record.state == "ready" then return { "suspended", "" } end
    local wake = record.state == "waiting" and redis.call("ZSCORE", lib.key("delayed"), id)
    if wake ~= "inf" then record.wake = wake or nil end
    return where_it_stands(record, known)
  end
  if not ours or record.state ~= "running" or record.turn ~= turn then return { "not_owner" } end

  if record.deadline then lib.cancellation.expire(record) end
  if lib.take_word("speculate") then
    local number, at, count = lib.take_many(3)
    if tonumber(number) ~= record.number or lib.wrong then return { "conflict" } end
    record.speculated, record.speculated_at = tonumber(count), at
    record.told = record.number
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
    effects[lib.take()](record)
  end

  return where_it_stands(record, known)
end
