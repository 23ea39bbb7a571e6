-- quarantine: a host is about to resume a suspect, and resumes no other suspect until the turn is recorded. If the host
-- dies before, this run is to blame.
-- args   run
-- reply  quarantined

function verbs.quarantine()
  local run = lib.take()
  lib.write("HSET", "host:" .. string.match(lib.worker, "^%d+"), "quarantine", run)
  return { "quarantined" }
end
