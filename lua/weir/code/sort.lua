-- table.sort for workflow code: stable, and the same in every process. Lua's own sort chooses pivots by the clock in
-- long lists that split unevenly, so the order of equal elements would differ from process to process.
--
-- A merge sort from the bottom up over a copy of the list: a comparator that raises leaves the list unchanged, and one
-- that contradicts itself does no harm.

local SHORT = 8 -- runs of this length are sorted by insertion

local function less(a, b) return a < b end

-- Sorts list[first] to list[last] in place.
local function insert(list, first, last, before)
  for i = first + 1, last do
    local value, at = list[i], i - 1
    while at >= first and before(value, list[at]) do
      list[at + 1] = list[at]
      at = at - 1
    end
    list[at + 1] = value
  end
end

-- Merges from[first] to from[middle] and from[middle + 1] to from[last], both sorted, into `to`.
local function merge(from, to, first, middle, last, before)
  local left, right = first, middle + 1
  for at = first, last do
    if left > middle then
      table.move(from, right, last, at, to)
      return
    elseif right > last then
      table.move(from, left, middle, at, to)
      return
    elseif before(from[right], from[left]) then
      to[at] = from[right]
      right = right + 1
    else -- equal ones keep their order
      to[at] = from[left]
      left = left + 1
    end
  end
end

local function sorted(list, count, before)
  for first = 1, count, SHORT do insert(list, first, math.min(first + SHORT - 1, count), before) end
  local from, to, width = list, {}, SHORT
  while width < count do
    for first = 1, count, 2 * width do
      merge(from, to, first, math.min(first + width - 1, count), math.min(first + 2 * width - 1, count), before)
    end
    from, to, width = to, from, 2 * width
  end
  return from
end

-- No comparator can yield across a callback of gsub; Lua's own sort refuses a yield as well.
local function without_yield(call)
  string.gsub(".", ".", function() call() end)
end

local function sort(t, before)
  local count, list = #t, {}
  for i = 1, count do list[i] = t[i] end
  if before then
    without_yield(function() list = sorted(list, count, before) end)
  else
    without_yield(function() list = sorted(list, count, less) end)
  end
  for i = 1, count do t[i] = list[i] end
end

-- Whether the elements are all texts or all integers. Equal ones are then identical, so Lua's own sort, which is
-- faster, has only one possible result. (Not so for floats: 0.0 equals -0.0, and NaN has no order.)
local function has_one_order(t)
  local kind = type(t[1])
  if kind ~= "string" and math.type(t[1]) ~= "integer" then return false end
  for i = 2, #t do
    if type(t[i]) ~= kind or math.type(t[i]) == "float" then return false end
  end
  return true
end

-- Errors of `<` have a position in this file, which is replaced by the caller's position.
local HERE = debug.getinfo(1, "S").short_src

---As table.sort.
---@param t table
---@param before? fun(a: any, b: any): boolean
return function(t, before)
  if type(t) ~= "table" then
    error(("bad argument #1 to 'sort' (table expected, got %s)"):format(t == nil and "no value" or type(t)), 2)
  end
  if before == nil then
    if has_one_order(t) then return table.sort(t) end
    local ok, raised = pcall(sort, t)
    if ok then return end
    local text = type(raised) == "string" and raised:sub(1, #HERE) == HERE and raised:match(":%d+: (.*)$")
    error(text or raised, text and 2 or 0)
  end
  if type(before) ~= "function" then
    error(("bad argument #2 to 'sort' (function expected, got %s)"):format(type(before)), 2)
  end
  sort(t, before)
end
