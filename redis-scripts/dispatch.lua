-- dispatch: run the groups of a batch, then write the changes that they planned, then reply. Joined behind all others.
--
-- ARGV   worker  capacity  nqueues  queue…   then groups: verb n arg1 … argn
-- reply  1 ok | lease_lost  2 now_ms  3 commit  4 a reply for each group  5 claims  6 next wake-up of all, when asked
--
-- Redis refuses the first write when it may not write (-OOM, -READONLY, -MISCONF); then nothing was written. The writes
-- that follow cannot fail. A batch that frees memory is accepted also when Redis has none left.

local call, key = redis.call, lib.key
local worker, now = lib.worker, lib.now()

-- A host that lost its lease may not write: its runs may be elsewhere by now.
local lease = worker == "" or call("ZSCORE", key("leases"), string.match(worker, "^%d+"))
if not lease or lease == "0" then return { "lease_lost", now, 0, {}, {}, "" } end

local replies = lib.groups.run()
local plan = lib.plan

-- At maxmemory Redis rejects a script's first write if it may allocate, but no later one. Batches that free memory
-- therefore start with a harmless HDEL; otherwise a full Redis could not be emptied.
local function begin_writing()
  lib.rights.check()
  if plan.frees_memory then call("HDEL", key("meta"), "none") end
  return call("HINCRBY", key("meta"), "commit", 1)
end

-- The runs that the caller is given, as it reads them.
local function write_and_claim()
  local given = {}
  local claimed = lib.claims.place()
  lib.commit.write()
  for i, run in ipairs(claimed) do
    if run.warm then
      given[i] = lib.runs.outcomes(run, run.known, { "warm", run.id, run.turn })
    else
      given[i] = lib.pages.cold(run, "0")
    end
  end
  return given
end

local commit, given -- the number of the last batch that changed something; the caller's new runs
if lib.capacity > 0 or #plan.changed > 0 or #plan.calls > 0 or next(plan.delayed) ~= nil then
  commit = begin_writing()
  given = write_and_claim()
else
  commit, given = tonumber(call("HGET", key("meta"), "commit") or 0), {}
end

local due = ""
if lib.want_due then
  local head = call("ZRANGE", key("delayed"), 0, 0, "WITHSCORES")
  if head[2] and head[2] ~= "inf" then due = head[2] end
end
return { "ok", now, commit, replies, given, due }
