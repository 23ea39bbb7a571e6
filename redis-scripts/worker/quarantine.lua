-- quarantine: a host is about to run a suspect, and runs no other suspect until the turn is recorded. If the host dies
-- before, this run is to blame.
-- args   run
-- reply  quarantined

function verbs.quarantine()
  local run = lib.next_arg()
  lib.write("HSET", "host:" .. string.match(lib.worker, "^%d+"), "quarantine", run)
  return { "quarantined" }
end
