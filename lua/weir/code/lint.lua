-- Mistakes in workflow files that load: a literal `workflow = "…"` that names no workflow, and a local of the file that
-- is assigned while a run runs. Read from what Lua itself compiled, so that strings and comments do not mislead.
--
-- It does not see names that are computed, tables of the file that a run changes, and functions that reach a run in
-- other ways than as a local function of the same file.

local bytecode = require "weir.code.bytecode"
local sorted_keys = require "weir.base.sorted_keys"
local suggest = require "weir.base.suggest"

local lint = {}

local OPCODE, decode = bytecode.OPCODE, bytecode.decode

---@class weir.Warning
---@field path string
---@field line integer
---@field message string

-- ------------------------------------------------------------------------------------------------
-- Names of workflows

-- Calls `on_name(name, line)` for each field `workflow` that is set to a literal.
local function each_name(prototype, on_name)
  for i, instruction in ipairs(prototype.code) do
    local opcode, _, b, c, k = decode(instruction)
    if opcode == OPCODE.SETFIELD and prototype.constants[b + 1] == "workflow" then
      local name = k and prototype.constants[c + 1]
      local before, register, _, _, _, constant = decode(prototype.code[i - 1] or 0)
      if not k and before == OPCODE.LOADK and register == c then name = prototype.constants[constant + 1] end
      if name then on_name(name, prototype.lines[i]) end
    end
  end
  for _, inner in ipairs(prototype.functions) do each_name(inner, on_name) end
end

-- ------------------------------------------------------------------------------------------------
-- Locals of the file

-- The register of the file that an upvalue of the last function of a chain is; nil: it belongs to a function below.
local function register_of(chain, index)
  for depth = #chain, 2, -1 do
    local upvalue = chain[depth].upvalues[index + 1]
    if upvalue.in_stack then return depth == 2 and upvalue.index or nil end
    index = upvalue.index
  end
end

-- The functions that are the field `run` of a table, and those in each register of the file, each with the functions
-- around it, outermost first.
local function find_functions(main)
  local runs, in_register = {}, {}
  local function visit(chain)
    local prototype, closure_at = chain[#chain], {}
    local function keep(register, inner)
      closure_at[register] = inner
      if #chain > 1 then return end
      in_register[register] = in_register[register] or {}
      table.insert(in_register[register], inner)
    end
    for i, instruction in ipairs(prototype.code) do
      local opcode, a, b, c, k, bx = decode(instruction)
      if opcode == OPCODE.CLOSURE then
        local inner = table.move(chain, 1, #chain, 1, {})
        inner[#inner + 1] = prototype.functions[bx + 1]
        keep(a, inner)
        visit(inner)
      elseif opcode == OPCODE.MOVE and closure_at[b] then
        keep(a, closure_at[b])
      elseif opcode == OPCODE.SETFIELD and not k and prototype.constants[b + 1] == "run" and closure_at[c] then
        runs[#runs + 1] = closure_at[c]
      elseif opcode == OPCODE.GETUPVAL and decode(prototype.code[i + 1] or 0) == OPCODE.SETFIELD then
        local register = register_of(chain, b)
        local _, _, name, value, is_constant = decode(prototype.code[i + 1])
        if register and not is_constant and value == a and prototype.constants[name + 1] == "run" then
          for _, inner in ipairs(in_register[register] or {}) do runs[#runs + 1] = inner end
        end
      end
    end
  end
  visit { main }
  return runs, in_register
end

-- Calls `on_local(name, line)` for each local of the file that is assigned while a run runs.
local function each_assigned_local(main, on_local)
  local runs, in_register = find_functions(main)
  local seen = {}
  local function visit(chain)
    local prototype = chain[#chain]
    if seen[prototype] then return end
    seen[prototype] = true
    for i, instruction in ipairs(prototype.code) do
      local opcode, _, b, _, _, bx = decode(instruction)
      if opcode == OPCODE.SETUPVAL and register_of(chain, b) then
        on_local(prototype.upvalues[b + 1].name or "?", prototype.lines[i])
      elseif opcode == OPCODE.GETUPVAL then
        for _, called in ipairs(in_register[register_of(chain, b)] or {}) do visit(called) end
      elseif opcode == OPCODE.CLOSURE then
        local inner = table.move(chain, 1, #chain, 1, {})
        inner[#inner + 1] = prototype.functions[bx + 1]
        visit(inner)
      end
    end
  end
  for _, chain in ipairs(runs) do visit(chain) end
end

-- ------------------------------------------------------------------------------------------------

---@param files table<string, string> path -> source: the files that define workflows, and those they require
---@param known table<string, any> ids of workflows, as keys
---@param elsewhere string? where else was looked, for messages: " nor on any host"
---@return weir.Warning[] in the order of paths and lines
function lint.check(files, known, elsewhere)
  local warnings = {}
  for _, path in ipairs(sorted_keys.of(files)) do
    local main = bytecode.read((files[path]:gsub("^\xEF\xBB\xBF", ""):gsub("^#", "--#")))
    local found, told = {}, {}
    local function warn(line, message)
      if told[line .. message] then return end
      told[line .. message] = true
      found[#found + 1] = { path = path, line = line, message = message }
    end
    if main then
      each_name(main, function(name, line)
        if known[name] then return end
        local meant = suggest.find(name, sorted_keys.of(known))
        warn(line, ('workflow = "%s" names no workflow of this folder%s%s'):format(name, elsewhere or "",
          meant and ('; did you mean "%s"?'):format(meant) or ""))
      end)
      each_assigned_local(main, function(name, line)
        warn(line, ('"%s" is a local of the file and is assigned while a run runs: a replay does not bring it back, '
          .. "and all runs of a worker share it; keep it in a local of run, or return it from a step"):format(name))
      end)
    end
    table.sort(found, function(a, b)
      if a.line ~= b.line then return a.line < b.line end
      return a.message < b.message
    end)
    table.move(found, 1, #found, #warnings + 1, warnings)
  end
  return warnings
end

return lint
