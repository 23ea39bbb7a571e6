-- Text for a terminal: its width, and how it is cut, padded and coloured. `plain` and `escaped` make text from outside
-- harmless, so that it cannot move the cursor or break a line. Pure; writes nothing and asks no terminal.

local duration = require "weir.base.duration"
local strings = require "weir.base.strings"

local terminal = {}

---@class weir.Style
---@field colours boolean
---@field columns integer
---@field rows integer

-- Characters that take two columns: East Asian wide ones and emoji.
local WIDE = {
  { 0x1100, 0x115F }, { 0x2E80, 0x303E }, { 0x3041, 0xA4CF }, { 0xA960, 0xA97F },
  { 0xAC00, 0xD7A3 }, { 0xF900, 0xFAFF }, { 0xFE30, 0xFE6F }, { 0xFF00, 0xFF60 },
  { 0xFFE0, 0xFFE6 }, { 0x1F300, 0x1F64F }, { 0x1F680, 0x1F6FF }, { 0x1F900, 0x1F9FF },
  { 0x20000, 0x3FFFD },
}
-- Characters that take none, as they combine with the one before.
local JOINED = {
  { 0x0300, 0x036F }, { 0x0483, 0x0489 }, { 0x0591, 0x05BD }, { 0x0610, 0x061A },
  { 0x064B, 0x065F }, { 0x200B, 0x200F }, { 0x20D0, 0x20F0 }, { 0xFE00, 0xFE0F },
}

local function within(ranges, code)
  for _, range in ipairs(ranges) do
    if code < range[1] then return false end
    if code <= range[2] then return true end
  end
  return false
end

local function columns_of(code)
  if code < 0x300 then return 1 end
  if within(JOINED, code) then return 0 end
  return within(WIDE, code) and 2 or 1
end

terminal.plain = strings.plain

local function as_escape(char) return ("\\u%04x"):format(utf8.codepoint(char)) end

---JSON text whose control characters are escaped, which does not change its value. Line breaks, tabs and colours stay:
---JSON has no such bytes in strings.
---@param text string
---@return string
function terminal.escaped(text)
  if not text:find "[\x7F\xC2\xE2]" then return text end
  return (text:gsub("\x7F", as_escape):gsub("\xC2[\x80-\x9F]", as_escape):gsub("\xE2\x80[\xAA-\xAE]", as_escape)
    :gsub("\xE2\x81[\xA6-\xA9]", as_escape))
end

---The width of plain text in columns.
---@param text string
---@return integer
function terminal.width(text)
  if not text:find("[\128-\255]") then return #text end
  local width = 0
  for _, code in utf8.codes(text) do width = width + columns_of(code) end
  return width
end

---Cuts plain text to so many columns, with "…" at the end.
---@param text string
---@param columns integer
---@return string
function terminal.clip(text, columns)
  if terminal.width(text) <= columns then return text end
  if columns < 1 then return "" end
  local width = 0
  for at, code in utf8.codes(text) do
    width = width + columns_of(code)
    if width > columns - 1 then return text:sub(1, at - 1) .. "…" end
  end
  return text
end

---Cuts text that may be in colours to so many columns.
---@param text string
---@param columns integer
---@return string
function terminal.clip_painted(text, columns)
  local parts, left = {}, columns
  for plain, colour in text:gmatch "([^\27]*)(\27?%[?[%d;]*m?)" do
    local shown = terminal.clip(plain, left)
    parts[#parts + 1], parts[#parts + 2] = shown, colour
    left = shown == plain and left - terminal.width(plain) or 0
  end
  return table.concat(parts)
end

---Fills plain text up to so many columns with blanks, behind it or before it.
---@param text string
---@param columns integer
---@param right boolean? aligned right
---@return string
function terminal.pad(text, columns, right)
  local blanks = (" "):rep(columns - terminal.width(text))
  return right and blanks .. text or text .. blanks
end

---A span with three significant digits.
---@param ms integer
---@return string "870ms" "1.24s" "12.4s" "2m 5s" "3h 12m"
function terminal.span(ms)
  if ms < 0 then ms = 0 end
  if ms < 1000 then return ms .. "ms" end
  if ms < 9995 then return ("%.2fs"):format(ms / 1000) end
  if ms < 59950 then return ("%.1fs"):format(ms / 1000) end
  return duration.text(ms < 60000 and 60000 or ms)
end

---An instant by the clock of this machine: "2026-11-21 12:40:01".
---@param at_ms integer
---@return string
function terminal.instant(at_ms)
  return tostring(os.date("%Y-%m-%d %H:%M:%S", at_ms // 1000))
end

---An integer as people read it: "12,000".
---@param n integer
---@return string
function terminal.number(n)
  return (tostring(n):reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""))
end

local PLURALS = { child = "children" }

---A count with its noun: "1 run", "12,000 runs".
---@param n integer
---@param noun string
---@return string
function terminal.count(n, noun)
  return ("%s %s"):format(terminal.number(n), n == 1 and noun or PLURALS[noun] or noun .. "s")
end

---A share as a bar of so many columns: "[####------]".
---@param share number 0 to 1
---@param columns integer
---@return string
function terminal.bar(share, columns)
  local inside = math.max(1, columns - 2)
  local full = math.floor(math.min(1, math.max(0, share)) * inside)
  return "[" .. ("#"):rep(full) .. ("-"):rep(inside - full) .. "]"
end

---@param bytes integer
---@return string
function terminal.size(bytes)
  local units, unit = { "bytes", "KiB", "MiB", "GiB", "TiB" }, 1
  local amount = bytes * 1.0
  while amount >= 1024 and units[unit + 1] do
    amount, unit = amount / 1024, unit + 1
  end
  return (unit == 1 and "%d %s" or "%.1f %s"):format(unit == 1 and bytes or amount, units[unit])
end

local CODES = { bold = "1", dim = "2", red = "31", green = "32", yellow = "33", cyan = "36", reverse = "7" }

---Text in a colour, where there are colours.
---@param style weir.Style
---@param colour string? "bold" "dim" "red" "green" "yellow" "cyan" "reverse"
---@param text string
---@return string
function terminal.paint(style, colour, text)
  if not style.colours or not colour or text == "" then return text end
  return "\27[" .. CODES[colour] .. "m" .. text .. "\27[0m"
end

local NARROWEST = 8 -- columns of a cell that is cut

---Pads cells, so that each column is as wide as its widest cell. If they do not fit, the elastic column is cut; if that
---is not enough, the spare columns are left out. Empty columns are left out, too.
---@param rows string[][] plain texts
---@param columns integer
---@param elastic integer the column that is cut
---@param spare integer[]? the columns that may be left out, in this order
---@param least integer? width that the elastic column keeps as long as spare columns are left
---@return string[][] rows padded, but for the last column
function terminal.columns(rows, columns, elastic, spare, least)
  local widths, excess = {}, -2 - columns
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do widths[i] = math.max(widths[i] or 0, terminal.width(cell)) end
  end
  for _, width in ipairs(widths) do excess = excess + (width > 0 and width + 2 or 0) end
  for _, i in ipairs(spare or {}) do
    if excess > math.max(0, widths[elastic] - (least or NARROWEST)) and widths[i] > 0 then
      widths[i], excess = 0, excess - widths[i] - 2
    end
  end
  if excess > 0 then widths[elastic] = math.max(math.min(NARROWEST, widths[elastic]), widths[elastic] - excess) end
  local padded = {}
  for n, row in ipairs(rows) do
    padded[n] = {}
    for i, cell in ipairs(row) do
      cell = terminal.clip(cell, widths[i])
      if widths[i] > 0 then table.insert(padded[n], i == #row and cell or terminal.pad(cell, widths[i])) end
    end
  end
  return padded
end

return terminal
