-- os.time and os.date for workflow code, in UTC: hosts may differ in their time zones, and a replay must not.

local calendar = {}

local DEFAULT = { hour = 12, min = 0, sec = 0 }

local function field(t, name)
  local value = t[name]
  if value == nil then
    return DEFAULT[name] or error(("field '%s' missing in date table"):format(name), 3)
  end
  local whole = math.tointeger(tonumber(value))
  if not whole then error(("field '%s' is not an integer"):format(name), 3) end
  if whole < -2^31 or whole >= 2^31 then error(("field '%s' is out-of-bound"):format(name), 3) end
  return whole
end

-- Days from 1970-01-01 to the first of a month; a month below 1 or above 12 lies in another year. The computation uses
-- years that begin in March, so that the leap day is the last day.
local function days_to(year, month)
  local months = year * 12 + month - 3
  local from_march, in_year = months // 12, months % 12
  return from_march * 365 + from_march // 4 - from_march // 100 + from_march // 400 + (in_year * 153 + 2) // 5 - 719468
end

---As os.time of a table; it normalizes the fields.
---@param t table
---@return integer
function calendar.time(t)
  if type(t) ~= "table" then
    error(("bad argument #1 to 'time' (table expected, got %s)"):format(type(t)), 2)
  end
  local year, month, day = field(t, "year"), field(t, "month"), field(t, "day")
  local hour, minute, second = field(t, "hour"), field(t, "min"), field(t, "sec")
  local time = ((days_to(year, month) + day - 1) * 24 + hour) * 3600 + minute * 60 + second
  for name, value in next, os.date("!*t", time) do t[name] = value end
  return time
end

---As os.date.
---@param format string?
---@param time integer
---@return string|osdate
function calendar.date(format, time)
  format = format or "%c"
  if type(format) == "string" and format:sub(1, 1) ~= "!" then format = "!" .. format end
  return os.date(format, time)
end

return calendar
