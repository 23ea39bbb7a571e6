-- alone: a host is about to resume a suspect, and no other suspect until that is recorded: if it dies, it died of this
-- run.
-- args   run
-- reply  alone

function verbs.alone()
  local run = lib.take()
  lib.write("HSET", "host:" .. string.match(lib.worker, "^%d+"), "alone", run)
  return { "alone" }
end
