-- A binary heap: the smallest key comes out first, in the order of going in where keys are equal.
-- Three lists side by side, so that nothing is allocated for what goes in.

local heap = {}
heap.__index = heap

function heap.new() return setmetatable({ size = 0, pushed = 0, keys = {}, orders = {}, values = {} }, heap) end

-- Move the entry at `from` to `to`, which is free.
local function move(self, from, to)
  self.keys[to], self.orders[to], self.values[to] = self.keys[from], self.orders[from], self.values[from]
end

function heap:push(key, value)
  local at, order, keys = self.size + 1, self.pushed + 1, self.keys
  self.size, self.pushed = at, order
  while at > 1 do
    local up = at // 2
    if keys[up] <= key then break end -- what went in first comes first
    move(self, up, at)
    at = up
  end
  keys[at], self.orders[at], self.values[at] = key, order, value
end

---@return any? value of the smallest key
---@return number? key
function heap:peek()
  return self.values[1], self.keys[1]
end

---@return any value of the smallest key
---@return number key
function heap:pop()
  local keys, orders, values, size = self.keys, self.orders, self.values, self.size
  local value, key = values[1], keys[1]
  local last_key, last_order, last_value = keys[size], orders[size], values[size]
  keys[size], orders[size], values[size] = nil, nil, nil
  size = size - 1
  self.size = size
  if size == 0 then return value, key end

  local function before(a, b_key, b_order)
    return keys[a] < b_key or keys[a] == b_key and orders[a] < b_order
  end
  local at = 1
  while 2 * at <= size do
    local down = 2 * at
    if down < size and before(down + 1, keys[down], orders[down]) then down = down + 1 end
    if not before(down, last_key, last_order) then break end
    move(self, down, at)
    at = down
  end
  keys[at], orders[at], values[at] = last_key, last_order, last_value
  return value, key
end

return heap
