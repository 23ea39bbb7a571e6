-- Converts durations from the forms that people write ("30s", "1.5h", a number of seconds) to integer milliseconds, in
-- which all modules of weir count, and back. Pure; never raises.

local duration = {}

local UNITS = { ms = 1, s = 1000, m = 60 * 1000, h = 3600 * 1000, d = 86400 * 1000 }

-- Longer than any wait that people need, and short enough that an instant plus a duration never overflows.
local LONGEST_MS = 36525 * UNITS.d
duration.LONGEST_MS = LONGEST_MS

local MOST_BYTES = 64 -- of text; a longer one is some other data

local ADVICE = '; write "250ms", "30s", "5m", "2h", "1d" or a number of seconds'

local function rounded(ms)
  if ms ~= ms then return nil, "a duration cannot be NaN" end
  if ms < 0 then return nil, "a duration cannot be negative" end
  if ms > LONGEST_MS then return nil, "a duration cannot be longer than 100 years" end
  return math.floor(ms + 0.5)
end

---Milliseconds of a duration.
---@param value string|number text with units ("250ms" "30s" "5m" "2h" "1d" "1h 30m"), or seconds
---@return integer? ms
---@return string? message why the value is not a duration
function duration.ms(value)
  if math.type(value) then return rounded(value * 1000.0) end
  if type(value) ~= "string" then return nil, "a duration cannot be a " .. type(value) .. ADVICE end
  if #value > MOST_BYTES then
    return nil, ("a duration has at most %d bytes, not %d"):format(MOST_BYTES, #value) .. ADVICE
  end
  if value:find("^%s*%-%s*%d") then return rounded(-1) end
  local total, position = 0, 1
  repeat
    local number, unit, following = value:match("^%s*(%d+%.?%d*)%s*(%a+)%s*()", position)
    if not UNITS[unit] or number:sub(-1) == "." then
      return nil, ('"%s" is no duration'):format(value) .. ADVICE
    end
    total, position = total + tonumber(number) * 1.0 * UNITS[unit], following -- 1.0: never wraps
  until position > #value
  return rounded(total)
end

---Short text for people: exact below a minute, above it the two largest units.
---@param ms integer
---@return string
function duration.text(ms)
  local function two(large, small)
    local count, rest = ms // UNITS[large], ms % UNITS[large] // UNITS[small]
    return rest == 0 and count .. large or count .. large .. " " .. rest .. small
  end
  if ms < UNITS.s then return ms .. "ms" end
  if ms < UNITS.m then return ("%.5g"):format(ms / UNITS.s) .. "s" end
  if ms < UNITS.h then return two("m", "s") end
  if ms < UNITS.d then return two("h", "m") end
  return two("d", "h")
end

return duration
