-- loose: children that live and that nobody waits for, detached or abandoned. All above such a child stays as long, so
-- each run above counts them.

local loose = {}
lib.loose = loose

--- A child lives that nobody waits for, or ended. `change`: 1 when it begins, -1 at its end.
function loose.count(child, change)
  local id = lib.parent_of(child.id)
  while id do
    local above = lib.load(id)
    if above then
      local count = (above.loose or 0) + change
      lib.set_special(above, "loose", count > 0 and count or nil)
      lib.may_go(above)
    end
    id = lib.parent_of(id)
  end
end

--- Nobody waits any longer for a child that lives. `how`: "detached" or "abandoned".
function loose.let_go(child, how)
  if not child.detached and not child.abandoned then loose.count(child, 1) end
  lib.set_special(child, how, "1")
end

--- Somebody waits for a child again.
function loose.await(child)
  if not child.detached and not child.abandoned then return end
  if not lib.ended(child) then loose.count(child, -1) end
  lib.set_special(child, "detached", nil)
  lib.set_special(child, "abandoned", nil)
end
