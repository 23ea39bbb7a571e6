-- The bytes that a terminal sends for keys, as names of keys. Pure.

local keys = {}

-- Behind ESC [ or ESC O.
local SEQUENCES = {
  A = "up", B = "down", C = "right", D = "left", H = "home", F = "end", ["1~"] = "home", ["4~"] = "end",
  ["7~"] = "home", ["8~"] = "end", ["5~"] = "page up", ["6~"] = "page down", ["3~"] = "delete", Z = "back tab",
}
local CONTROLS = {
  ["\r"] = "enter", ["\n"] = "enter", ["\t"] = "tab", ["\127"] = "backspace", ["\8"] = "backspace",
  ["\3"] = "ctrl-c", ["\26"] = "ctrl-z", ["\12"] = "ctrl-l", ["\4"] = "page down", ["\21"] = "page up",
  ["\6"] = "page down", ["\2"] = "page up",
}

-- The key at the begin of the bytes, and how many of them it is. An unknown sequence is no key.
local function first(bytes)
  local sequence = bytes:match "^\27[%[O][%d;]*[%a~]"
  if sequence then
    -- parameters of shift and the like: ESC [ 1 ; 5 A
    local body = sequence:sub(3):gsub("^%d*;%d+(%a)$", "%1"):gsub(";%d+~$", "~")
    return SEQUENCES[body], #sequence
  elseif bytes:byte() == 27 then
    return "escape", 1
  end
  local char = bytes:match "^[%z\1-\127]" or bytes:match "^[\xC2-\xF4][\x80-\xBF]+"
  if not char or not utf8.len(char) then return nil, 1 end
  return CONTROLS[char] or char:byte() >= 32 and char or nil, #char
end

---@param bytes string as they were read, whole sequences
---@return string[] names "up", "enter", "escape", or the character of the key
function keys.of(bytes)
  local names, at = {}, 1
  while at <= #bytes do
    local name, size = first(bytes:sub(at))
    names[#names + 1] = name
    at = at + size
  end
  return names
end

return keys
