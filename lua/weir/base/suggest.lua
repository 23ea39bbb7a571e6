-- Finds the name that a misspelled name was probably meant to be, for "did you mean …?". It compares by edit distance;
-- two swapped neighbours count once, capitals do not count. Pure; nil if no name is near enough.
--
-- Names come from payloads, so the work is bounded: long names are not compared, and a search in a long list ends
-- early.

local nearest = {}

local MOST_BYTES = 64 -- of a name: longer ones are not compared
local MOST_CELLS = 200000 -- of all tables of one search, some 20 ms

-- The distance between two strings, or nil as soon as it must be more than `limit`. Cells further from the diagonal
-- than `limit` hold more than `limit`, so they are not computed.
local function distance(a, b, limit)
  local before, previous, current = {}, {}, {}
  for j = 0, math.min(#b, limit) do previous[j] = j end
  for i = 1, #a do
    local lowest = limit + 1
    local first, last = math.max(1, i - limit), math.min(#b, i + limit)
    current[first - 1] = first == 1 and i or limit + 1
    if first == 1 then lowest = i end
    if last > i - 1 + limit then previous[last] = limit + 1 end
    for j = first, last do
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

---The entry of `list` that is nearest to `name`; of several that are equally near, the first by bytes.
---@param name string
---@param list string[]
---@return string?
function nearest.find(name, list)
  if #name > MOST_BYTES then return nil end
  local wanted, cells = name:lower(), 0
  local best, limit = nil, math.max(1, #name // 3)
  for _, candidate in ipairs(list) do
    if math.abs(#candidate - #name) <= limit then
      cells = cells + #name * (2 * limit + 1)
      if cells > MOST_CELLS then return best end
      local found = distance(wanted, candidate:lower(), limit)
      if found and (not best or found < limit or candidate < best) then
        best, limit = candidate, found
      end
    end
  end
  return best
end

return nearest
