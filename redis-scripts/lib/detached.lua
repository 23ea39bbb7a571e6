-- detached: live children that no operation waits for, detached or abandoned. All runs above such a child stay as long
-- as it lives, so each run above counts these children.

local runs = lib.runs
local detached = {}
lib.detached = detached

--- Count a live child that no operation waits for in each run above it. `change`: 1 to add the child, -1 to remove it.
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

--- Record that no operation waits for a live child any longer. `how`: "detached" or "abandoned".
function detached.detach(child, how)
  if not child.detached and not child.abandoned then detached.count(child, 1) end
  runs.set_rare(child, how, "1")
end

--- Record that an operation waits for a child again.
function detached.reattach(child)
  if not child.detached and not child.abandoned then return end
  if not runs.ended(child) then detached.count(child, -1) end
  runs.set_rare(child, "detached", nil)
  runs.set_rare(child, "abandoned", nil)
end
