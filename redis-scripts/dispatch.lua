-- dispatch: runs the groups of a batch and chooses the runs of the caller, then writes what they planned, then replies.
-- Joined behind all others.
--
-- ARGV   worker  capacity  nqueues  queue…   then groups: verb n arg1 … argn
-- reply  1 ok | lease_lost  2 now_ms  3 commit  4 a reply for each group  5 claims  6 next wake-up of all, when asked
--
-- Redis refuses the first write when it may not write (-OOM, -READONLY, -MISCONF); then nothing was written. The writes
-- that follow cannot fail. A batch that frees memory is accepted also when Redis has none left.

local call, key = redis.call, lib.key
local worker, now = lib.worker, lib.now()

-- The number of the last batch that changed something.
local function last_commit() return tonumber(call("HGET", key("meta"), "commit") or 0) end

-- A host that lost its lease may not write: its runs may be elsewhere by now. The number tells it whether Redis has
-- lost all else, too.
local lease = worker == "" or call("ZSCORE", key("leases"), string.match(worker, "^%d+"))
if not lease or lease == "0" then return { "lease_lost", now, last_commit(), {}, {}, "" } end

-- Whether this batch may change something.
local function has_writes()
  local plan = lib.plan
  return lib.capacity > 0 or #plan.changed > 0 or #plan.calls > 0 or next(plan.delayed) ~= nil
end

-- Plans the groups and the claims. When a claim meets a record that cannot be read, the batch is planned again without
-- that run.
local function make_plan()
  while true do
    local replies = lib.groups.run()
    if not has_writes() then return replies end
    local claimed = lib.claims.choose()
    if claimed then return replies, claimed end
  end
end

-- At maxmemory Redis rejects a script's first write if it may allocate, but no later one. Batches that free memory
-- therefore start with a harmless HDEL; otherwise a full Redis could not be emptied.
local function begin_writing()
  lib.rights.check()
  lib.claims.check_types()
  if lib.plan.frees_memory then call("HDEL", key("meta"), "none") end
  return call("HINCRBY", key("meta"), "commit", 1)
end

-- A run as the caller reads it. A cold one comes with its first page. When a value of that cannot be read, it comes
-- without: the caller then loads the run, and the error meets this run alone.
local function claim_of(run)
  if run.warm then return run.reply end
  local ok, page = pcall(lib.pages.cold, run, "0")
  return ok and page or lib.pages.header(run, "0")
end

local replies, claimed = make_plan()
local claims = {} -- the caller's new runs
local commit
if claimed then
  commit = begin_writing()
  lib.claims.write()
  lib.commit.write()
  for i, run in ipairs(claimed) do claims[i] = claim_of(run) end
else
  commit = last_commit()
end

local due = ""
if lib.want_due then
  local head = call("ZRANGE", key("delayed"), 0, 0, "WITHSCORES")
  if head[2] and head[2] ~= "inf" then due = head[2] end
end
return { "ok", now, commit, replies, claims, due }
