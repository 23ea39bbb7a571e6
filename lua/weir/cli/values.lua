-- The values of flags as people write them: on the command line, in a variable or in the config file. All take the same
-- words and are refused with the same sentences.

local duration = require "weir.base.duration"

local values = {}

local SHIFTS = { [""] = 0, K = 10, M = 20, G = 30, KiB = 10, MiB = 20, GiB = 30 }

local read = {}

function read.text(_, text)
  if text == "" then return nil, "may not be empty" end
  return text
end

function read.switch(_, text)
  if text == "true" or text == "1" then return true end
  if text == "false" or text == "0" then return false end
  return nil, "true or false, not " .. text
end

function read.choice(flag, text)
  for word in flag.argument:gmatch "[^|]+" do
    if word == text then return text end
  end
  return nil, ("one of %s, not %s"):format(flag.argument, text)
end

function read.list(_, text)
  local list = {}
  for item in text:gmatch "[^,]+" do list[#list + 1] = item end
  if not list[1] then return nil, "may not be empty" end
  return list
end

function read.number(flag, text)
  local number = text:find "^[+-]?%d+$" and math.tointeger(tonumber(text))
  if number and number >= flag.least and number <= flag.most then return number end
  return nil, ("an integer from %d to %d, not %s"):format(flag.least, flag.most, text)
end

function read.size(_, text)
  local digits, unit = text:match "^(%d+)(%a*)$"
  local count, shift = digits and math.tointeger(tonumber(digits)), SHIFTS[unit]
  if not count or count < 1 or not shift or count > math.maxinteger >> shift then
    return nil, "a size such as 64KiB or 16MiB"
  end
  return count << shift
end

function read.duration(_, text)
  return duration.ms(tonumber(text) or text) -- a bare number: seconds
end

function read.url(_, text, check_url)
  local message = check_url(text)
  if message then return nil, message end
  return text
end

function read.each(_, text) return text end

---Reads the value of a flag.
---@param flag weir.Flag
---@param text string
---@param check_url fun(text: string): string? why it is not the URL of a Redis
---@return any value nil: it is wrong
---@return string? message why
function values.read(flag, text, check_url) return read[flag.kind](flag, text, check_url) end

---The value of a flag that was not given.
---@param flag weir.Flag
---@return any
function values.none(flag)
  if flag.kind == "switch" then return false end
  if flag.kind == "each" then return {} end
  return nil
end

return values
