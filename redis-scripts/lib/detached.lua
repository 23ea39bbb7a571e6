-- detached: live children that no operation waits for. All runs above such a child stay stored as long as it lives, so
-- each run above counts these children.
--
-- The field `detached` of a child says why: "1", no operation takes its outcome (its invoke asked for that, or a reset
-- began another generation); "timeout", its invoke timed out, and a cancel of its parent still reaches it.

local runs = lib.runs
local detached = {}
lib.detached = detached

--- Count a live detached child in each run above it. `change`: 1 to add the child, -1 to remove it.
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

--- Record that no operation waits for a live child any longer. `why`: "1" or "timeout".
function detached.detach(child, why)
  if not child.detached then detached.count(child, 1) end
  if child.detached ~= "1" then runs.set_rare(child, "detached", why) end
end

--- Record that an operation waits for a child again.
function detached.reattach(child)
  if not child.detached then return end
  if not runs.ended(child) then detached.count(child, -1) end
  runs.set_rare(child, "detached", nil)
end
