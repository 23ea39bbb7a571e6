-- A binary heap: `pop` returns the value with the smallest key; equal keys come out in the order in which they went in.
-- Keys, orders and values stand in one list, three slots an entry, so that `push` allocates no table.

---@class weir.Heap
---@field size integer
---@field pushed integer how many values ever went in
---@field list any[] key, order, value, key, order, value …
local heap = {}
heap.__index = heap

---@return weir.Heap
function heap.new() return setmetatable({ size = 0, pushed = 0, list = {} }, heap) end

-- Entry `at` takes the slots 3 * at - 2, 3 * at - 1 and 3 * at.
local function put(list, at, key, order, value)
  list[3 * at - 2], list[3 * at - 1], list[3 * at] = key, order, value
end

local function move(list, from, to)
  put(list, to, list[3 * from - 2], list[3 * from - 1], list[3 * from])
end

function heap:push(key, value)
  local at, order, list = self.size + 1, self.pushed + 1, self.list
  self.size, self.pushed = at, order
  while at > 1 do
    local up = at // 2
    if list[3 * up - 2] <= key then break end -- equal keys keep their order
    move(list, up, at)
    at = up
  end
  put(list, at, key, order, value)
end

---@return any? value of the smallest key
---@return number? key
function heap:peek()
  local list = self.list
  return list[3], list[1]
end

-- Whether entry `at` comes out before an entry of this key and order.
local function comes_before(list, at, key, order)
  local its_key = list[3 * at - 2]
  return its_key < key or its_key == key and list[3 * at - 1] < order
end

---@return any value of the smallest key
---@return number key
function heap:pop()
  local list, size = self.list, self.size
  local value, key = list[3], list[1]
  local last_key, last_order, last_value = list[3 * size - 2], list[3 * size - 1], list[3 * size]
  put(list, size, nil, nil, nil)
  size = size - 1
  self.size = size
  if size == 0 then return value, key end

  local at = 1
  while 2 * at <= size do
    local down = 2 * at
    if down < size and comes_before(list, down + 1, list[3 * down - 2], list[3 * down - 1]) then down = down + 1 end
    if not comes_before(list, down, last_key, last_order) then break end
    move(list, down, at)
    at = down
  end
  put(list, at, last_key, last_order, last_value)
  return value, key
end

return heap
