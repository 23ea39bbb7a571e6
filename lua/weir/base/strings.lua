-- Text of any size: trimmed, cut and made valid in time that grows with its length and no faster. Lua's own
-- `%s+$` and `^%s*(.-)%s*$` try again at every blank, so a payload of blanks would keep a worker busy for minutes.
-- Pure.

local strings = {}

---Text without the blanks behind it.
---@param value string
---@return string
function strings.trim_end(value)
  return value:match "^.*%S" or "" -- from the end backwards, once
end

---Text without the blanks around it.
---@param value string
---@return string
function strings.trim(value)
  local first = value:find "%S"
  return first and value:match("^.*%S", first) or ""
end

-- Where the character begins that stands at byte `at`, or the one before it if those bytes are no UTF-8.
local function boundary(value, at)
  for from = at, math.max(1, at - 3), -1 do
    local byte = value:byte(from)
    if byte < 0x80 or byte >= 0xC0 then return from end
  end
  return at
end

---The first bytes of a text, at most so many and no part of a character.
---@param value string
---@param most integer
---@return string
function strings.first(value, most)
  if #value <= most then return value end
  return value:sub(1, boundary(value, most + 1) - 1)
end

---Text as it is named in a message: what is longer ends in "…".
---@param value string
---@param most integer? bytes
---@return string
function strings.short(value, most)
  most = most or 80
  return #value <= most and value or strings.first(value, most) .. "…"
end

---Text whose end says, if it was cut, how long it was.
---@param value string
---@param most integer bytes that are kept
---@return string
function strings.cut(value, most)
  return #value <= most and value or ("%s… (cut: %d bytes in all)"):format(strings.first(value, most), #value)
end

---Text that JSON can hold: bytes that are no UTF-8 become U+FFFD.
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

-- Controls of the C1 range, and those that turn the direction of what follows.
local function is_treacherous(code)
  return code < 0x20 or code >= 0x7F and code < 0xA0
    or code >= 0x202A and code <= 0x202E or code >= 0x2066 and code <= 0x2069
end

local REPLACEMENT = "\u{FFFD}"

---Text as one harmless line: a line break and a tab become a blank, other controls and bytes that
---are no UTF-8 the replacement character.
---@param text string
---@return string
function strings.plain(text)
  -- each stretch of blanks is looked at once, however long it is
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
