-- Checks tables that authors fill in. All of them report an unknown field in the same words, and read the fields that
-- several tables have in the same way.

local strings = require "weir.base.strings"
local suggest = require "weir.base.suggest"

local options = {}

---@class weir.Fields the fields that a table may have
---@field names string[] in the order in which messages list them
---@field known table<string, true>

---@param names string[]
---@return weir.Fields
function options.fields(names)
  local known = {}
  for _, name in ipairs(names) do known[name] = true end
  return { names = names, known = known }
end

local SHOWN = 16 -- names that a message lists

---Says that a name does not exist.
---@param name any
---@param names string[] those that do
---@param owner string? has them; "it" unless given
---@return string 'unknown field "tiemout"; did you mean "timeout"?'
function options.unknown_name(name, names, owner)
  name = tostring(name)
  local near = suggest.find(name, names)
  local advice = near and ('did you mean "%s"?'):format(near)
    or ("%s has %s"):format(owner or "it", table.concat(names, ", ", 1, math.min(#names, SHOWN)))
  return ('unknown field "%s"; %s'):format(strings.short(name), advice)
end

---Says which field of a table is unknown; nil if it has none.
---@param fields weir.Fields
---@param given table
---@param owner string? of the fields, for the message
---@return string? fault
function options.unknown(fields, given, owner)
  local unknown
  for name in next, given do
    if not fields.known[name] then
      name = tostring(name)
      if not unknown or name < unknown then unknown = name end
    end
  end
  return unknown and options.unknown_name(unknown, fields.names, owner)
end

---@param value any
---@return integer? priority
---@return string? fault the caller puts the name of the field in front
function options.priority(value)
  local priority = math.type(value) and math.tointeger(value)
  if priority and priority >= -100 and priority <= 100 then return priority end
  return nil, " must be an integer from -100 to 100"
end

return options
