-- `pairs` and `next` in an order that is the same in every process: integers ascending, then strings by bytes. Lua's
-- own order differs from process to process, and a replay must not. Keys of other types have no such order, so they are
-- refused, unless `setup` allows them. host/lua/order.c does the same in C and is used where the host offers it.

local pure = {}

local may_be_unordered = function(_) return false end

---@param predicate fun(t: table): boolean whether the code that runs now may walk this table, whatever its keys
function pure.setup(predicate)
  may_be_unordered = predicate
end

local function orderable(key)
  return type(key) == "string" or math.type(key) == "integer"
end

local function before(a, b)
  local a_is_number, b_is_number = math.type(a) ~= nil, math.type(b) ~= nil
  if a_is_number ~= b_is_number then return a_is_number end
  return a < b
end

local function refusal(verb, key)
  return ("%s: keys of type %s cannot be ordered; use integers or strings")
    :format(verb, math.type(key) or type(key))
end

---@param t any a table, or what has __pairs
---@return function iterator
---@return any t
---@return any first
function pure.pairs(t)
  local metatable = debug.getmetatable(t)
  local custom = metatable and rawget(metatable, "__pairs")
  if custom then
    local iterator, state, first = custom(t)
    return iterator, state, first
  end
  if type(t) ~= "table" then
    error(("bad argument #1 to 'pairs' (table expected, got %s)")
      :format(t == nil and "nil" or type(t)), 2)
  end
  local keys = {}
  for key in next, t do
    if not orderable(key) then
      if may_be_unordered(t) then return next, t, nil end
      error(refusal("pairs", key), 2)
    end
    keys[#keys + 1] = key
  end
  table.sort(keys, before)
  local position = 0
  return function()
    local key, value
    repeat
      position = position + 1
      key = keys[position]
      if key == nil then return nil end
      value = rawget(t, key)
    until value ~= nil -- the loop's body may have cleared fields that were still to come
    return key, value
  end, t, nil
end

---The key after `key` in order, and its value; nil after the last key. Keys without an order come last, where they are
---allowed.
---@param t table
---@param key any
function pure.next(t, key)
  if type(t) ~= "table" then
    error(("bad argument #1 to 'next' (table expected, got %s)")
      :format(t == nil and "nil" or type(t)), 2)
  end
  local found, other = nil, nil
  if key == nil or orderable(key) then
    for candidate in next, t do
      if not orderable(candidate) then
        if other == nil then other = candidate end
      elseif key == nil or before(key, candidate) then
        if found == nil or before(candidate, found) then found = candidate end
      end
    end
  else
    other = key
  end
  if other ~= nil and not may_be_unordered(t) then error(refusal("next", other), 2) end
  if found ~= nil then return found, rawget(t, found) end
  if other == nil then return nil end
  if other ~= key then return other, rawget(t, other) end
  repeat key = next(t, key) until key == nil or not orderable(key)
  if key == nil then return nil end
  return key, rawget(t, key)
end

local has_native, native = pcall(require, "weir.native.order")
local chosen = has_native and native or pure

return { pairs = chosen.pairs, next = chosen.next, setup = chosen.setup, pure = pure }
