-- deregister: a host leaves and releases its runs, a bounded number a call. That counts as no crash of these runs.
-- args   host
-- moves  running -> ready
-- reply  deregistered more("1"|"0")

function verbs.deregister()
  local host = lib.next_arg()
  local done = lib.recovery.reclaim_host(host, false, 0)
  return { "deregistered", done and "0" or "1" }
end
