-- Where in a run an operation stands: which branches are around it. Ids are an author's text and may hold colons, so
-- that the id of an operation does not tell its scope; the entry of the operation does.
--
-- A scope is the names of the branches, the outermost first, each with an end that no id can hold: a tab, or a line
-- feed behind an undo. So one scope is within another exactly if its text begins with the other's. In ids each end is
-- a ":".

local scope = {}

---Of what no branch is around.
scope.ROOT = ""

---@param outer string
---@param name string
---@return string
function scope.branch(outer, name) return outer .. name .. "\t" end

---Of what undoes an operation.
---@param id string of that operation
---@return string
function scope.undo(id) return "undo:" .. id .. "\n" end

---The id of what is undone in a scope; nil where nothing is.
---@param inner string
---@return string?
function scope.undone(inner) return inner:match("^undo:([^\n]*)\n") end

---The beginning of the ids in a scope.
---@param inner string
---@return string
function scope.prefix(inner) return inner == "" and "" or (inner:gsub("[\t\n]", ":")) end

---@param inner string
---@param outer string
---@return boolean
function scope.is_within(inner, outer) return inner:sub(1, #outer) == outer end

---A scope and all those around it but the root, the outermost first.
---@param inner string
---@return fun(): string?
function scope.around(inner)
  local position = inner:gmatch("[\t\n]()")
  return function()
    local at = position()
    return at and inner:sub(1, at - 1)
  end
end

---The names of the branches in a scope, the outermost first, without the undo around them.
---@param inner string
---@return string[]
function scope.names(inner)
  local names = {}
  for name in inner:gmatch("([^\t\n]*)\t") do names[#names + 1] = name end
  return names
end

---The scope with these branches.
---@param names string[] the outermost first
---@param undone string? the id of the operation that is undone in it
---@return string
function scope.of(names, undone)
  local inner = undone and scope.undo(undone) or scope.ROOT
  for _, name in ipairs(names) do inner = scope.branch(inner, name) end
  return inner
end

---A scope as an entry says it: where in the id each branch ends, with a "u" behind an undo.
---@param inner string
---@return string marks empty at the root
function scope.marks(inner)
  if inner == "" then return "" end
  local marks = {}
  for at, finish in inner:gmatch("()([\t\n])") do marks[#marks + 1] = at .. (finish == "\n" and "u" or "") end
  return table.concat(marks, ",")
end

---The scope of an operation, by what its entry says.
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
