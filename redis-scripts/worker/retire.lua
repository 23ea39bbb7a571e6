-- retire: a host leaves and gives back what it holds, a bounded number of runs a call. That counts as nobody's death.
-- args   host
-- moves  running -> ready
-- reply  retired more("1"|"0")

function verbs.retire()
  local host = lib.take()
  local done = lib.reaping.reap(host, false, 0)
  return { "retired", done and "0" or "1" }
end
