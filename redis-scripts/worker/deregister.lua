-- deregister: a host leaves and gives back its runs, a bounded number a call. It counts as a crash of none of them.
-- args   host
-- moves  running -> ready
-- reply  deregistered more("1"|"0")

function verbs.deregister()
  local host = lib.take()
  local done = lib.recovery.reclaim_host(host, false, 0)
  return { "deregistered", done and "0" or "1" }
end
