-- The nearest name to a mistyped one, for "did you mean ...": edit distance with neighbours swapped
-- counting once, capitals not counting. Pure; nil where nothing is near enough to be meant.

local nearest = {}

-- Distance between two strings, or nil as soon as it must be more than `limit`.
local function distance(a, b, limit)
  if math.abs(#a - #b) > limit then return nil end
  local before, previous, current = {}, {}, {}
  for j = 0, #b do previous[j] = j end
  for i = 1, #a do
    local lowest = i
    current[0] = i
    for j = 1, #b do
      local replaced = previous[j - 1] + (a:byte(i) == b:byte(j) and 0 or 1)
      local cost = math.min(previous[j] + 1, current[j - 1] + 1, replaced)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        cost = math.min(cost, before[j - 2] + 1)
      end
      current[j] = cost
      lowest = math.min(lowest, cost)
    end
    if lowest > limit then return nil end
    before, previous, current = previous, current, before
  end
  return previous[#b] <= limit and previous[#b] or nil
end

---The entry of `list` that `name` was most likely meant to be; the first by bytes among equals.
---@param name string
---@param list string[]
---@return string?
function nearest.find(name, list)
  local wanted = name:lower()
  local best, limit = nil, math.max(1, #name // 3)
  for _, candidate in ipairs(list) do
    local found = distance(wanted, candidate:lower(), limit)
    if found and (not best or found < limit or candidate < best) then
      best, limit = candidate, found
    end
  end
  return best
end

return nearest
