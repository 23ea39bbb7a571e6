-- Trims, cuts and repairs text of any size in linear time. Lua's `%s+$` and `^%s*(.-)%s*$` try again at every blank, so
-- a payload of blanks would keep a worker busy for minutes. Pure.

local strings = {}

---The text without blanks at its end.
---@param value string
---@return string
function strings.trim_end(value)
  return value:match "^.*%S" or "" -- from the end backwards, once
end

---The text without blanks at both ends.
---@param value string
---@return string
function strings.trim(value)
  local first = value:find "%S"
  return first and value:match("^.*%S", first) or ""
end

-- The byte at which the character at `at` begins; if those bytes are no UTF-8, the character before it.
local function boundary(value, at)
  for from = at, math.max(1, at - 3), -1 do
    local byte = value:byte(from)
    if byte < 0x80 or byte >= 0xC0 then return from end
  end
  return at
end

---At most so many of the first bytes of a text; no character is split.
---@param value string
---@param most integer
---@return string
function strings.first(value, most)
  if #value <= most then return value end
  return value:sub(1, boundary(value, most + 1) - 1)
end

---A short form of a text for messages; a long text ends in "…".
---@param value string
---@param most integer? bytes
---@return string
function strings.short(value, most)
  most = most or 80
  return #value <= most and value or strings.first(value, most) .. "…"
end

---Cuts a text; a text that was cut ends with its former length.
---@param value string
---@param most integer bytes that are kept
---@return string
function strings.cut(value, most)
  return #value <= most and value or ("%s… (cut: %d bytes in all)"):format(strings.first(value, most), #value)
end

---The first texts of a list, and how many more there are.
---@param list string[]
---@param most integer
---@return string
function strings.listed(list, most)
  local names = table.concat(list, ", ", 1, math.min(#list, most))
  return #list > most and ("%s and %d more"):format(names, #list - most) or names
end

---Text that JSON can hold: bytes that are not UTF-8 become U+FFFD.
---@param value string
---@return string
function strings.readable(value)
  local parts, from = {}, 1
  local _, bad = utf8.len(value)
  while bad do
    parts[#parts + 1] = value:sub(from, bad - 1)
    from = bad + 1
    _, bad = utf8.len(value, from)
  end
  if from == 1 then return value end
  parts[#parts + 1] = value:sub(from)
  return table.concat(parts, "\u{FFFD}")
end

-- Control characters of the C1 range, and characters that change the direction of text.
local function is_treacherous(code)
  return code < 0x20 or code >= 0x7F and code < 0xA0
    or code >= 0x202A and code <= 0x202E or code >= 0x2066 and code <= 0x2069
end

local REPLACEMENT = "\u{FFFD}"

---The text as one harmless line: line breaks and tabs become blanks; other control characters, and bytes that are not
---UTF-8, become the replacement character.
---@param text string
---@return string
function strings.plain(text)
  -- reads each stretch of blanks once, however long it is
  text = text:gsub("%s%s+", function(blanks) return blanks:find "[\r\n]" and " " or nil end):gsub("[\t\r\n]", " ")
  if not text:find("[^\32-\126]") then return text end
  local parts, from = {}, 1
  while from <= #text do
    local code = utf8.len(text, from, from) and utf8.codepoint(text, from)
    local size = code and #utf8.char(code) or 1
    parts[#parts + 1] = code and not is_treacherous(code) and text:sub(from, from + size - 1) or REPLACEMENT
    from = from + size
  end
  return table.concat(parts)
end

return strings
