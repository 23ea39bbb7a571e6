-- Read-only views of tables that all runs of a worker share (libraries, definitions).
--
-- A view is an empty table, so that every write meets its __newindex and every read is a look-up in the members behind
-- it. No caller gets the members themselves.

local ordered_pairs = require "weir.base.ordered_pairs"

local readonly = {}

local members_of = setmetatable({}, { __mode = "k" })

---@param name string for the message of a refused write
---@param members table
---@param may_write? fun(): boolean whether a write goes to the members now; nil: never
---@return table view
function readonly.view(name, members, may_write)
  local view = {}
  local function refuse(_, key, value)
    if may_write and may_write() then
      members[key] = value
      return
    end
    error(("%s cannot be written (field '%s'): it is shared by all runs")
      :format(name, tostring(key)), 2)
  end
  members_of[view] = members
  return setmetatable(view, {
    __index = members,
    __newindex = refuse,
    __pairs = function() return readonly.iterate(members, view) end,
    __metatable = name,
    __name = name,
  })
end

---`pairs` over `members` that gives `view` to the generic for as the table that is walked.
---@return function iterator
---@return table view
function readonly.iterate(members, view)
  local following, walked, key = ordered_pairs.pairs(members)
  return function()
    local value
    key, value = following(walked, key)
    return key, value
  end, view
end

---The members behind a view; nil if `value` is no view.
---@param value any
---@return table?
function readonly.members(value)
  return members_of[value]
end

return readonly
