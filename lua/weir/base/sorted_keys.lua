-- The keys of tables, where people read them or where each process has to go through them alike.

local sorted_keys = {}

---@param t table<string, any>
---@return string[] in the order of their bytes
function sorted_keys.of(t)
  local list = {}
  for key in pairs(t) do list[#list + 1] = key end
  table.sort(list)
  return list
end

return sorted_keys
