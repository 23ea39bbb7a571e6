-- Exact JSON: a decoded value equals the encoded one. A value that JSON cannot hold is refused, with its place and the
-- reason.
-- Integers stay int64, floats floats, [] an array, {} an object; keys are written sorted.
-- host/lua/json.c is the same codec in C, message for message; it takes over where the host offers it.
-- Metatables other than the array mark are ignored: only raw fields are written.

local json = {
  ---The depth of texts that weir itself writes: records, with payloads of the greatest depth in them.
  DEEPEST = 544,
}

local NESTING = 512 -- host/lua/json_text.h has the same limits
local PATH_BYTES = 120

-- Authors get json without debug, so they can neither forge nor change the mark or null.
local raw_metatable = debug.getmetatable

---JSON null: a value of its own, truthy, and not to be looked into.
---@class weir.Null
json.null = setmetatable({}, {
  __name = "null",
  __metatable = "null",
  __tostring = function() return "null" end,
  __index = function(_, key)
    error(("attempt to index null (field '%s')"):format(tostring(key)), 2)
  end,
  __newindex = function() error("attempt to write to null", 2) end,
})

-- The mark of an array. Without fields, so that no run can change the arrays of others.
json.array_metatable = setmetatable({}, {
  __metatable = "array",
  __newindex = function() error("attempt to write to the mark of arrays", 2) end,
})

local null, array_metatable = json.null, json.array_metatable

---Mark a table as an array, so that it is `[]` also when it is empty.
---@generic T: table
---@param t T
---@return T t itself
function json.array(t)
  if type(t) ~= "table" or t == null then error("weir.array needs a table", 2) end
  return setmetatable(t, array_metatable)
end

---Whether a table is written as an array: it carries the mark or begins at index 1.
---@param value any
---@return boolean
function json.is_array(value)
  return type(value) == "table"
    and (raw_metatable(value) == array_metatable or rawget(value, 1) ~= nil)
end

-- Encoding: each `write` returns nothing, or the reason why the value cannot be JSON. `path` holds
-- the keys that lead to the value being written; it is turned to text only for a refusal.

local ESCAPES = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f",
  ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
}
for byte = 0, 31 do
  local char = string.char(byte)
  ESCAPES[char] = ESCAPES[char] or ("\\u%04x"):format(byte)
end

---Whether two are the same as JSON values: 5 and 5.0 are one number.
---@param a any
---@param b any
---@return boolean
function json.same(a, b)
  if a == b then return true end
  if type(a) ~= "table" or type(b) ~= "table" or a == json.null or b == json.null then return false end
  if json.is_array(a) ~= json.is_array(b) then return false end
  for key, value in pairs(a) do
    if not json.same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

local function quoted(text)
  return '"' .. text:gsub('[\0-\31"\\]', ESCAPES) .. '"'
end

local function place(path, depth)
  local text = ""
  for i = 1, depth do
    local key = path[i]
    local segment
    if math.type(key) then
      segment = "[" .. key .. "]"
    elseif key:find("^[A-Za-z_][A-Za-z0-9_]*$") then
      segment = "." .. key
    else
      segment = "[" .. quoted(key) .. "]"
    end
    if #text + #segment > PATH_BYTES then return text .. "..." end
    text = text .. segment
  end
  return text
end

local SMALLEST_NORMAL = 0x1p-1022

-- The shortest digits that read back the same. With 15 digits or fewer %g already gives the
-- shortest; only below the normal doubles, where there are fewer to tell apart, is that not so.
local function float_text(value)
  local digits = math.abs(value) < SMALLEST_NORMAL and 1 or 15
  local text = ("%." .. digits .. "g"):format(value)
  while tonumber(text) ~= value do
    digits = digits + 1
    text = ("%." .. digits .. "g"):format(value)
  end
  if digits == 17 and ("%a"):format(value):find("0x1p", 1, true) then
    -- Doubles are twice as near below a power of two as above it, so that the nearest 16 digits may
    -- belong to the neighbour below while the next ones up still read back the same.
    local above = ("%.15e"):format(value):gsub("%de", function(last)
      return ("%de"):format(tonumber(last:sub(1, 1)) + 1)
    end)
    if tonumber(above) == value then text = above end
  end
  return text:find("[.e]") and text or text .. ".0"
end

-- Returns the JSON kind that the keys of a table give it: "object" and its sorted keys, "array" and
-- its length, or false and the reason. The answer never depends on the order in which keys are met.
local function shape(t)
  local names, count, lowest, highest, odd = {}, 0, 1, 0, nil
  for key in next, t do
    local kind = math.type(key) or type(key)
    if kind == "string" then
      names[#names + 1] = key
    elseif kind == "integer" then
      count, lowest, highest = count + 1, math.min(lowest, key), math.max(highest, key)
    elseif not odd or kind < odd then
      odd = kind
    end
  end
  local marked = raw_metatable(t) == array_metatable
  if odd then return false, "a key of type " .. odd end
  if #names > 0 then
    if marked then return false, "an array with string keys" end
    if count > 0 then return false, "a table with string and integer keys" end
    table.sort(names) -- by bytes: weir never leaves the C locale
    return "object", names
  end
  if lowest < 1 then return false, ("an array with index %d"):format(lowest) end
  if highest ~= count then
    local hole = 1
    while rawget(t, hole) ~= nil do hole = hole + 1 end
    return false, ("a sparse array (nothing at index %d)"):format(hole)
  end
  if marked or count > 0 then return "array", count end
  return "object", names
end

local write

local function write_table(out, value, path, depth)
  if depth == path.nesting then return ("a table nested deeper than %d"):format(depth), depth end
  local kind, keys = shape(value)
  if not kind then return keys, depth end
  out[#out + 1] = kind == "array" and "[" or "{"
  for i = 1, kind == "array" and keys or #keys do
    if i > 1 then out[#out + 1] = "," end
    local key = i
    if kind == "object" then
      key = keys[i]
      if not utf8.len(key) then return "a key that is not UTF-8", depth end
      out[#out + 1] = quoted(key)
      out[#out + 1] = ":"
    end
    path[depth + 1] = key
    local reason, reached = write(out, rawget(value, key), path, depth + 1)
    if reason then return reason, reached end
  end
  out[#out + 1] = kind == "array" and "]" or "}"
end

function write(out, value, path, depth)
  local kind = math.type(value) or type(value)
  local text
  if kind == "string" then
    if not utf8.len(value) then return "a string that is not UTF-8", depth end
    text = quoted(value)
  elseif kind == "integer" or kind == "boolean" then
    text = tostring(value)
  elseif kind == "float" then
    if value ~= value then return "NaN", depth end
    if value - value ~= 0 then return "an infinite number", depth end
    text = float_text(value)
  elseif rawequal(value, null) then
    text = "null"
  elseif kind == "table" then
    return write_table(out, value, path, depth)
  else
    return kind == "nil" and "nil" or "a " .. kind, depth
  end
  out[#out + 1] = text
end

local function nesting_of(nesting)
  return math.type(nesting) == "integer" and nesting >= 1 and nesting <= json.DEEPEST and nesting or NESTING
end

local function try_encode(value, nesting)
  local out, path = {}, { nesting = nesting_of(nesting) }
  local reason, depth = write(out, value, path, 0)
  if not reason then return table.concat(out) end
  local where = depth > 0 and "at " .. place(path, depth) .. ": " or ""
  return nil, where .. reason .. " cannot be JSON"
end

-- Decoding: each `read` returns the value and where the text goes on, or nil and the reason. No
-- JSON value is nil, so nil says enough.

local read

local function fault(reason, at)
  return nil, ("%s at byte %d"):format(reason, at)
end

local function skip(text, at)
  return text:match("^[ \t\n\r]*()", at)
end

local ESCAPED = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}

local function code_unit(text, at)
  local digits = text:match("^\\u(%x%x%x%x)", at)
  return digits and tonumber(digits, 16)
end

local function read_escape(text, at)
  local plain = ESCAPED[text:sub(at + 1, at + 1)]
  if plain then return plain, at + 2 end
  local code = code_unit(text, at)
  if not code then return fault("an unknown escape", at) end
  if code < 0xD800 or code > 0xDFFF then return utf8.char(code), at + 6 end
  local low = code_unit(text, at + 6)
  if code > 0xDBFF or not low or low < 0xDC00 or low > 0xDFFF then
    return fault("a lone surrogate", at)
  end
  return utf8.char(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)), at + 12
end

local function read_string(text, open)
  local parts, from = {}, open + 1
  while true do
    local stop = text:find('[\0-\31"\\]', from) or #text + 1
    local length, bad = utf8.len(text, from, stop - 1)
    if not length then return fault("not UTF-8", bad) end
    local part = text:sub(from, stop - 1)
    local char = text:sub(stop, stop)
    if char == '"' then
      parts[#parts + 1] = part
      return table.concat(parts), stop + 1
    end
    if char == "" then return fault("a string without an end", open) end
    if char ~= "\\" then return fault("a control character in a string", stop) end
    local escaped, after = read_escape(text, stop)
    if not escaped then return nil, after end
    parts[#parts + 1] = part
    parts[#parts + 1] = escaped
    from = after
  end
end

local function read_number(text, from)
  local first = text:match("^%-?()", from)
  local at = text:match("^0()", first) or text:match("^[1-9]%d*()", first)
  if not at then return fault("expected a digit", first) end
  local whole = at
  if text:sub(at, at) == "." then
    local digits = at + 1
    at = text:match("^%d+()", digits)
    if not at then return fault("expected a digit", digits) end
  end
  local exponent = text:match("^[eE][+-]?()", at)
  if exponent then
    at = text:match("^%d+()", exponent)
    if not at then return fault("expected a digit", exponent) end
  end
  local value = tonumber(text:sub(from, at - 1))
  if at == whole and math.type(value) ~= "integer" then
    return fault("an integer past 64 bits", from)
  end
  if value - value ~= 0 then return fault("a number past the range of doubles", from) end
  return value, at
end

-- `room` is how many levels may still follow.
local function read_array(text, at, room)
  local array, count = setmetatable({}, array_metatable), 0
  at = skip(text, at + 1)
  if text:sub(at, at) == "]" then return array, at + 1 end
  while true do
    local value, after = read(text, at, room)
    if value == nil then return nil, after end
    count = count + 1
    array[count] = value
    at = skip(text, after)
    local char = text:sub(at, at)
    if char == "]" then return array, at + 1 end
    if char ~= "," then return fault("expected ',' or ']'", at) end
    at = skip(text, at + 1)
  end
end

local function read_object(text, at, room)
  local object = {}
  at = skip(text, at + 1)
  if text:sub(at, at) == "}" then return object, at + 1 end
  while true do
    if text:sub(at, at) ~= '"' then return fault("expected a key", at) end
    local key, after = read_string(text, at)
    if not key then return nil, after end
    if object[key] ~= nil then return fault("a key for the second time", at) end
    at = skip(text, after)
    if text:sub(at, at) ~= ":" then return fault("expected ':'", at) end
    local value
    value, after = read(text, skip(text, at + 1), room)
    if value == nil then return nil, after end
    object[key] = value
    at = skip(text, after)
    local char = text:sub(at, at)
    if char == "}" then return object, at + 1 end
    if char ~= "," then return fault("expected ',' or '}'", at) end
    at = skip(text, at + 1)
  end
end

local deepest -- of the text that is read, for the message

function read(text, at, room)
  local char = text:sub(at, at)
  if char == '"' then return read_string(text, at) end
  if char == "{" or char == "[" then
    if room == 0 then return fault(("nested deeper than %d"):format(deepest), at) end
    return (char == "{" and read_object or read_array)(text, at, room - 1)
  end
  if char == "-" or char:find("^[0-9]") then return read_number(text, at) end
  if text:find("^true", at) then return true, at + 4 end
  if text:find("^false", at) then return false, at + 5 end
  if text:find("^null", at) then return null, at + 4 end
  return fault("expected a value", at)
end

local function try_decode(text, nesting)
  if type(text) ~= "string" then return nil, "JSON text is a string, not a " .. type(text) end
  deepest = nesting_of(nesting)
  local value, after = read(text, skip(text, 1), deepest)
  if value == nil then return nil, after end
  after = skip(text, after)
  if after <= #text then return fault("expected the end", after) end
  return value
end

json.pure = { try_encode = try_encode, try_decode = try_decode }

local codec = json.pure
if package.preload["weir.native.json"] then
  codec = require("weir.native.json").setup(null, array_metatable)
end

---JSON text of a value; a payload may be 512 levels deep, other texts as deep as is said, up to DEEPEST.
---@type fun(value: any, nesting: integer?): string?, string?
---@return string? text nil when the value cannot be JSON
---@return string? message the place and the reason
json.try_encode = codec.try_encode

---The value of a JSON text; as deep as for `try_encode`.
---@type fun(text: string, nesting: integer?): any, string?
---@return any value nil when this is no JSON (null is json.null)
---@return string? message the reason and the place
json.try_decode = codec.try_decode

local to_failure = function(message) return message end

---@param make fun(message: string): any what `encode` and `decode` raise
function json.setup(make) to_failure = make end

local function refuse(message) error(to_failure(message), 0) end

---JSON text of a value; raises `payload_invalid`.
---@param value any
---@param nesting integer?
---@return string
function json.encode(value, nesting)
  local text, message = codec.try_encode(value, nesting)
  return text or refuse(message)
end

---The value of a JSON text; raises `payload_invalid`.
---@param text string
---@param nesting integer?
---@return any
function json.decode(text, nesting)
  local value, message = codec.try_decode(text, nesting)
  if value == nil then refuse(message) end
  return value
end

return json
