-- The keys of tables, where people read them or where each process has to go through them alike.

local keys = {}

---@param t table<string, any>
---@return string[] in the order of their bytes
function keys.sorted(t)
  local list = {}
  for key in pairs(t) do list[#list + 1] = key end
  table.sort(list)
  return list
end

return keys
