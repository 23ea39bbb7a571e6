-- A module for `require`: as it returns no workflow, weir registers nothing for this file.
local users = {}

local names = { u1 = "Ada Lovelace", u2 = "Alan Turing" }

---@param user_id string
---@return { user_id: string, name: string }
function users.find(user_id)
  return { user_id = user_id, name = names[user_id] or "Unknown" }
end

return users
