-- `tostring` and `string.format` for workflow code. They show a table, function, coroutine or userdata by a number
-- instead of its address, which differs from process to process. Each run (or bundle, while its files load) counts for
-- itself, in the order in which the code asks, so a replay gives the same numbers.

local names = {}

local SCALAR = { ["nil"] = true, boolean = true, number = true, string = true }

-- The run or bundle that numbers values now; nil: addresses are shown, as in steps.
---@type fun(): { numbers: table<any, integer>?, numbered: integer? }?
local function owner_of_numbers() return nil end

---@param find_owner fun(): table? the run or environment that runs now; its fields `numbers` and `numbered` are used
function names.setup(find_owner) owner_of_numbers = find_owner end

-- The number of a collected value is not used again, so workflow code cannot notice a garbage collection.
local function number_of(owner, value)
  local numbers = owner.numbers
  if not numbers then
    numbers = setmetatable({}, { __mode = "k" })
    owner.numbers = numbers
  end
  local number = numbers[value]
  if not number then
    number = (owner.numbered or 0) + 1
    owner.numbered, numbers[value] = number, number
  end
  return number
end

local function shown(owner, value)
  if io.type(value) then
    return io.type(value) == "file" and ("file (%d)"):format(number_of(owner, value)) or "file (closed)"
  end
  local metatable = debug.getmetatable(value)
  if metatable then
    if rawget(metatable, "__tostring") ~= nil then return tostring(value) end
    local name = rawget(metatable, "__name")
    if type(name) == "string" then return ("%s: %d"):format(name, number_of(owner, value)) end
  end
  return ("%s: %d"):format(type(value), number_of(owner, value))
end

---As tostring.
function names.tostring(value)
  if SCALAR[type(value)] then return tostring(value) end
  local owner = owner_of_numbers()
  return owner and shown(owner, value) or tostring(value)
end

local function are_scalar(count, first, second, third, ...)
  if not (SCALAR[type(first)] and SCALAR[type(second)] and SCALAR[type(third)]) then return false end
  return count <= 3 or are_scalar(count - 3, ...)
end

-- The format and its arguments; values with an address are replaced by their names.
local function named(owner, text, arguments)
  local at = 0
  text = text:gsub("%%([-+ #0]*)(%d*%.?%d*)(.?)", function(flags, width, kind)
    if kind == "%" then return nil end
    at = at + 1
    local value = arguments[at]
    if kind == "s" and not SCALAR[type(value)] then
      arguments[at] = shown(owner, value)
    elseif kind == "p" and type(value) == "string" or kind == "p" and not SCALAR[type(value)] then
      arguments[at] = ("0x%x"):format(number_of(owner, value))
      return "%" .. flags:gsub("[^-]", "") .. width .. "s"
    end
  end)
  return text
end

local find, format, pcall, select, type = string.find, string.format, pcall, select, type

-- Errors of `format` have no position when pcall calls it, so that of the caller's caller is put in front.
local function fail(text)
  if type(text) == "string" then text = text:gsub("'string%.format'", "'format'") end
  error(text, type(text) == "string" and 3 or 0)
end

local function format_others(text, count, ...)
  local is_plain = type(text) ~= "string" or are_scalar(count, ...) and not find(text, "p", 1, true)
  local owner = not is_plain and owner_of_numbers()
  if not owner then return pcall(format, text, ...) end
  local arguments = table.pack(...)
  text = named(owner, text, arguments)
  return pcall(format, text, table.unpack(arguments, 1, count))
end

-- Loops of workflow code format a few scalars most often: for those no other function of this file is called.
---As string.format.
function names.format(text, ...)
  local ok, formatted
  local first, second, third = ...
  local count = select("#", ...)
  if count <= 3 and SCALAR[type(first)] and SCALAR[type(second)] and SCALAR[type(third)]
    and type(text) == "string" and not find(text, "p", 1, true) then
    ok, formatted = pcall(format, text, ...)
  else
    ok, formatted = format_others(text, count, ...)
  end
  if ok then return formatted end
  fail(formatted)
end

return names
