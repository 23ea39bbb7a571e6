-- delete: a client removes an ended run with all its descendants. The first call makes the run invisible; a large tree
-- takes more calls.
-- args   run  ["resume"]     resume: only continue a deletion that is under way, because the id may belong to a new run
--                            by now
-- moves  nothing
-- reply  deleted         the whole tree is gone
--        deleting        some of the tree is left: call again, or leave it to the hosts, whose `sweep` continues
--        live state      the run has not ended
--        live_below      a detached child below it has not ended
--        in_use state    a child that stays with its root: it did not complete, or its parent has no outcome of it
--        in_use waiters  runs that share its outcome are still being told its end
--        missing

local runs = lib.runs
local retention = lib.retention

function verbs.delete()
  local id = lib.next_arg()
  local resumes = lib.next_is "resume"

  local above = retention.deleting_above(id)
  if above then return { retention.continue(above) and "deleted" or "deleting" } end
  if resumes then return { "deleted" } end
  local run = runs.load(id)
  if not run then return { "missing" } end
  if not runs.ended(run) then return { "live", run.state } end
  if run.live_detached then return { "live_below" } end
  if run.waiters then return { "in_use", "waiters" } end
  local parent_id = runs.parent_of(id)
  if parent_id and runs.load(parent_id) and not retention.is_taken(run) then return { "in_use", run.state } end
  return { retention.delete_tree(id) and "deleted" or "deleting" }
end
