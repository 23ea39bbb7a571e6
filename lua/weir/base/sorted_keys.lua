-- The keys of tables in order, for lists that people read and for loops that must be the same in each process.

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
