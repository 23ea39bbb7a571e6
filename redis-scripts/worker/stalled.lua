-- stalled: a worker of the calling host is in a long turn. Redis notes which run has it, does not count on the worker,
-- and gives to all what was promoted for it. Groups of `requeue` behind it bring what waits there.
-- args   host  report  thread  run  turn  turn_ms      report: counts what this host reports
-- moves  nothing; ready runs go from the worker's own queue to everybody's
-- reply  stalled | told          told: this report was here before, and its groups say nothing new

function verbs.stalled()
  local host, report, thread, id, turn, turn_ms = lib.take_many(6)
  local about, worker = "host:" .. host, host .. "." .. thread
  if tonumber(redis.call("HGET", lib.key(about), "reports") or 0) >= tonumber(report) then
    lib.plan.stalled = nil
    return { "told" }
  end
  lib.plan.stalled = worker
  lib.write("HSET", about, "reports", report,
    "turn:" .. thread, table.concat({ id, turn, string.format("%d", lib.now() - turn_ms) }, "\t"))
  lib.write("HDEL", "idle", worker)
  lib.recovery.requeue_stalled(worker, "-inf", "+inf")
  return { "stalled" }
end
