-- detached: children that live and that nobody waits for, detached or abandoned. All above such a child stays as long,
-- so each run above counts them.

local runs = lib.runs
local detached = {}
lib.detached = detached

--- A child lives that nobody waits for, or ended. `change`: 1 when it begins, -1 at its end.
function detached.count(child, change)
  local id = runs.parent_of(child.id)
  while id do
    local above = runs.load(id)
    if above then
      local count = (above.live_detached or 0) + change
      runs.set_rare(above, "live_detached", count > 0 and count or nil)
      lib.expiry.schedule_if_final(above)
    end
    id = runs.parent_of(id)
  end
end

--- Nobody waits any longer for a child that lives. `how`: "detached" or "abandoned".
function detached.detach(child, how)
  if not child.detached and not child.abandoned then detached.count(child, 1) end
  runs.set_rare(child, how, "1")
end

--- Somebody waits for a child again.
function detached.reattach(child)
  if not child.detached and not child.abandoned then return end
  if not runs.ended(child) then detached.count(child, -1) end
  runs.set_rare(child, "detached", nil)
  runs.set_rare(child, "abandoned", nil)
end
