-- An id or a name is 1 to 512 bytes of UTF-8 without control characters, "/" and "~".
-- "/" separates runs and "~" generations, so no id may contain them. Characters that change the direction of text count
-- as control characters, because they let one id look like another. Pure.

local identifier = {}

local LONGEST = 512

-- C0 and DEL, C1, U+202A to U+202E, U+2066 to U+2069
local CONTROLS = { "[\0-\31\127]", "\xC2[\x80-\x9F]", "\xE2\x80[\xAA-\xAE]", "\xE2\x81[\xA6-\xA9]" }

-- The text in quotes, each control character as its number.
local function quoted(value)
  for _, control in ipairs(CONTROLS) do
    value = value:gsub(control, function(char) return ("\\u{%X}"):format(utf8.codepoint(char)) end)
  end
  return '"' .. value .. '"'
end

---Why `value` cannot be an id; nil if it can. The caller puts the name of the field in front:
---"workflow id" .. " is empty".
---@param value any
---@return string? fault
function identifier.fault(value)
  if value == nil then return " is missing" end
  if type(value) == "string" and #value <= LONGEST and value:find "^[%w_.:-]+$" then return nil end -- as nearly all
  if type(value) ~= "string" then return " must be text, not a " .. type(value) end
  if value == "" then return " is empty" end
  if #value > LONGEST then return (" has %d bytes; %d are allowed"):format(#value, LONGEST) end
  if not utf8.len(value) then return " is not valid UTF-8" end
  for _, control in ipairs(CONTROLS) do
    if value:find(control) then return (" %s has a control character"):format(quoted(value)) end
  end
  local separator = value:match("[/~]")
  if not separator then return nil end
  return (' "%s" must not contain "%s", which separates run ids'):format(value, separator)
end

---Whether a workflow is one of weir's own. Authors cannot define such a workflow, and lists do not show it.
---@param name string
---@return boolean
function identifier.is_own(name)
  return name:sub(1, 5) == "weir."
end

---The names of workflows that are not weir's own, in order.
---@param workflows table<string, any> by name
---@return string[]
function identifier.not_own(workflows)
  local names = {}
  for name in pairs(workflows) do
    if not identifier.is_own(name) then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

---Why `value` cannot be a key, such as a dedupe key: any text without control characters. nil if it can.
---@param value any
---@return string? fault
function identifier.key_fault(value)
  return identifier.fault(type(value) == "string" and value:gsub("[/~]", "_") or value)
end

---Why `value` cannot be the name of a queue; nil if it can.
---@param value any
---@return string? fault
function identifier.queue_fault(value)
  local fault = identifier.fault(value)
  if fault then return fault end
  if value == "*" or value:find(",", 1, true) then return (' "%s": "*" and "," mean several queues'):format(value) end
  if value:find("^[@?]") then return (' "%s": "@" and "?" begin weir\'s own queues'):format(value) end
  return nil
end

return identifier
