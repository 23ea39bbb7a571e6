-- The scope of an operation: the branches around it. Ids are chosen by authors and may contain colons, so the id of an
-- operation does not tell its scope; its entry does.
--
-- A scope is the names of the branches, the outermost first, each followed by a terminator that no id can contain: a
-- tab, or a line feed after an undo. So one scope is within another exactly if its text begins with the other's text.
-- In ids each terminator is a ":".

local scope = {}

---The scope outside of all branches.
scope.ROOT = ""

---@param outer string
---@param name string
---@return string
function scope.branch(outer, name) return outer .. name .. "\t" end

---The scope in which an operation is undone.
---@param id string of that operation
---@return string
function scope.undo(id) return "undo:" .. id .. "\n" end

---The id of the operation that is undone in a scope; nil if the scope is not that of an undo.
---@param inner string
---@return string?
function scope.undone(inner) return inner:match("^undo:([^\n]*)\n") end

---The prefix of the ids in a scope.
---@param inner string
---@return string
function scope.prefix(inner) return inner == "" and "" or (inner:gsub("[\t\n]", ":")) end

---@param inner string
---@param outer string
---@return boolean
function scope.is_within(inner, outer) return inner:sub(1, #outer) == outer end

---Every scope is within the root.
---@return boolean
function scope.everywhere() return true end

---@param outer string
---@return fun(inner: string): boolean whether a scope is within that one
function scope.within(outer)
  return function(inner) return scope.is_within(inner, outer) end
end

---@param outers table<string, any> scopes, none of them the root
---@return fun(inner: string): boolean whether a scope is within one of those
function scope.within_any(outers)
  return function(inner)
    for outer in scope.around(inner) do
      if outers[outer] then return true end
    end
    return false
  end
end

---Iterates over the scopes around a scope and itself, the outermost first, without the root.
---@param inner string
---@return fun(): string?
function scope.around(inner)
  local position = inner:gmatch("[\t\n]()")
  return function()
    local at = position()
    return at and inner:sub(1, at - 1)
  end
end

---The names of the branches of a scope, the outermost first, without the undo around them.
---@param inner string
---@return string[]
function scope.names(inner)
  local names = {}
  for name in inner:gmatch("([^\t\n]*)\t") do names[#names + 1] = name end
  return names
end

---The scope of these branches.
---@param names string[] the outermost first
---@param undone string? the id of the operation that is undone in it
---@return string
function scope.of(names, undone)
  local inner = undone and scope.undo(undone) or scope.ROOT
  for _, name in ipairs(names) do inner = scope.branch(inner, name) end
  return inner
end

---A scope as an entry has it: the positions in the id at which the branches end, each undo marked by a "u".
---@param inner string
---@return string marks empty at the root
function scope.marks(inner)
  if inner == "" then return "" end
  local marks = {}
  for at, finish in inner:gmatch("()([\t\n])") do marks[#marks + 1] = at .. (finish == "\n" and "u" or "") end
  return table.concat(marks, ",")
end

---The scope of an operation, from the marks in its entry.
---@param id string
---@param marks string
---@return string
function scope.read(id, marks)
  local parts, from = {}, 1
  for at, undoes in marks:gmatch("(%d+)(u?)") do
    parts[#parts + 1] = id:sub(from, at - 1) .. (undoes == "u" and "\n" or "\t")
    from = at + 1
  end
  return table.concat(parts)
end

return scope
