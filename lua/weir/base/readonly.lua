-- Faces: read-only views of tables that all runs of a worker share (libraries, definitions).
-- A face is empty itself, so that every write meets its __newindex, while a read is a table lookup
-- in its members. The members themselves are never handed out.

local order = require "weir.base.ordered_pairs"

local frozen = {}

local members_of = setmetatable({}, { __mode = "k" })

---@param name string what a refused write calls it
---@param members table
---@param may_write? fun(): boolean whether a write goes to the members after all; nil: never
---@return table face
function frozen.face(name, members, may_write)
  local face = {}
  local function refuse(_, key, value)
    if may_write and may_write() then
      members[key] = value
      return
    end
    error(("%s cannot be written (field '%s'): it is shared by all runs")
      :format(name, tostring(key)), 2)
  end
  members_of[face] = members
  return setmetatable(face, {
    __index = members,
    __newindex = refuse,
    __pairs = function() return frozen.iterate(members, face) end,
    __metatable = name,
    __name = name,
  })
end

---`pairs` over `members` that shows `face` where the generic for holds the table it walks.
---@return function iterator
---@return table face
function frozen.iterate(members, face)
  local following, walked, key = order.pairs(members)
  return function()
    local value
    key, value = following(walked, key)
    return key, value
  end, face
end

---The members behind a face; nil when `value` is none.
---@param value any
---@return table?
function frozen.members(value)
  return members_of[value]
end

return frozen
