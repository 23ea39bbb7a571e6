-- Random numbers that a replay draws again: the n-th number of a named stream is a pure function of the run's seed, so
-- no journal entry is needed.

local random = {}

local function mixed(x)
  x = (x ~ (x >> 30)) * 0xbf58476d1ce4e5b9
  x = (x ~ (x >> 27)) * 0x94d049bb133111eb
  return x ~ (x >> 31)
end

---A 64-bit number.
---@param seed integer
---@param stream string
---@param n integer
---@return integer
function random.bits(seed, stream, n)
  local hash = 0xcbf29ce484222325
  for i = 1, #stream do hash = (hash ~ stream:byte(i)) * 0x100000001b3 end
  return mixed(mixed(seed ~ hash) + n * 0x9e3779b97f4a7c15)
end

---A float in [0, 1).
function random.fraction(bits)
  return (bits >> 11) * (0.5 ^ 53)
end

---As math.random; `bits()` must return another number at each call.
function random.random(bits, m, n)
  if m == nil then return random.fraction(bits()) end
  if n == nil and m == 0 then return bits() end
  if n == nil then m, n = 1, m end
  local low, high = math.tointeger(m), math.tointeger(n)
  if not low or not high then error("random: the bounds must be integers", 3) end
  if low > high then error("random: the interval is empty", 3) end
  local span = high - low
  local mask = span
  for shift = 0, 5 do mask = mask | (mask >> (1 << shift)) end
  local drawn
  repeat drawn = bits() & mask until drawn == span or math.ult(drawn, span)
  return low + drawn
end

---A version 4 UUID.
function random.uuid(bits)
  local a, b = bits(), bits()
  a = a & 0xffffffffffff0fff | 0x4000
  b = b & 0x3fffffffffffffff | math.mininteger
  return ("%08x-%04x-%04x-%04x-%012x"):format(a >> 32, a >> 16 & 0xffff, a & 0xffff, b >> 48 & 0xffff,
    b & 0xffffffffffff)
end

return random
