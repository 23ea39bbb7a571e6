-- delete: remove an ended run and all below it, by hand. The first call makes it invisible; a large tree takes more.
-- args   run  ["on"]     on: only go on with a deletion that was begun; the id may have gone to a new run meanwhile
-- moves  nothing: ended runs go
-- reply  deleted         all of it is gone
--        deleting        there is more of it: call again, or leave it to the hosts, whose `sweep` goes on with it
--        live state      the run has not ended
--        below           something below it lives that it does not wait for: a detached or an abandoned child
--        needed state    a child that stays with its root: it did not complete, or its parent has no outcome of it.
--                        waiters: its end is still being told to runs that share it
--        missing

local runs = lib.runs
local retention = lib.retention

function verbs.delete()
  local id = lib.take()
  local on = lib.take_word "on"

  local above = retention.deleting_above(id)
  if above then return { retention.go_on_deleting(above) and "deleted" or "deleting" } end
  if on then return { "deleted" } end
  local run = runs.load(id)
  if not run then return { "missing" } end
  if not runs.ended(run) then return { "live", run.state } end
  if run.live_detached then return { "below" } end
  if run.waiters then return { "needed", "waiters" } end
  local parent_id = runs.parent_of(id)
  if parent_id and runs.load(parent_id) and not retention.is_taken(run) then return { "needed", run.state } end
  return { retention.delete_tree(id) and "deleted" or "deleting" }
end
