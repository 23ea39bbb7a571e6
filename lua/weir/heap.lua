-- A binary heap: the smallest key comes out first, in the order of going in where keys are equal.

local heap = {}
heap.__index = heap

function heap.new() return setmetatable({ size = 0, pushed = 0 }, heap) end

local function before(a, b)
  if a.key ~= b.key then return a.key < b.key end
  return a.order < b.order
end

function heap:push(key, value)
  local at = self.size + 1
  self.size, self.pushed = at, self.pushed + 1
  local node = { key = key, order = self.pushed, value = value }
  while at > 1 do
    local up = at // 2
    if not before(node, self[up]) then break end
    self[at] = self[up]
    at = up
  end
  self[at] = node
end

---@return any? value of the smallest key
---@return number? key
function heap:peek()
  local top = self[1]
  if top then return top.value, top.key end
end

function heap:pop()
  local top, node, size = self[1], self[self.size], self.size - 1
  self[self.size] = nil
  self.size = size
  if size > 0 then
    local at = 1
    while true do
      local down = 2 * at
      if down > size then break end
      if down < size and before(self[down + 1], self[down]) then down = down + 1 end
      if not before(self[down], node) then break end
      self[at] = self[down]
      at = down
    end
    self[at] = node
  end
  return top.value, top.key
end

return heap
