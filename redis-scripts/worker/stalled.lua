-- stalled: a worker of the calling host is in a long turn. Redis records which run has it, no longer counts on the
-- worker, and releases the runs that were promoted for it. Groups of `requeue` behind this one release the runs that
-- the worker was given and has not begun.
-- args   host  report  thread  run  turn  turn_ms      report: counts the reports of this host
-- moves  nothing; ready runs go from `ready:@<worker>` to their queues
-- reply  stalled
--        reported        this report was received before; it and the groups behind it change nothing

function verbs.stalled()
  local host, report, thread, id, turn, turn_ms = lib.next_args(6)
  local about, worker = "host:" .. host, host .. "." .. thread
  local reports, queues = unpack(redis.call("HMGET", lib.key(about), "reports", "queues"))
  if tonumber(reports or 0) >= tonumber(report) then
    lib.plan.stalled = nil
    return { "reported" }
  end
  lib.plan.stalled = worker
  lib.write("HSET", about, "reports", report,
    "turn:" .. thread, table.concat({ id, turn, string.format("%d", lib.now() - turn_ms) }, "\t"))
  lib.wakeups.remove(worker, queues)
  lib.recovery.release_promoted(worker, "-inf", "+inf", true)
  return { "stalled" }
end
