-- Finds the line of the author's code that calls into weir. Messages, journals and tracebacks name it.

local call_site = {}

-- The run whose code runs now.
---@type fun(): { definition: weir.Definition? }?
local function current_run() return nil end

---@param find fun(): table? the run whose code runs now, if any
function call_site.setup(find) current_run = find end

---Whether the code of a run is the caller. Otherwise a file is being loaded, or a spec calls.
---@return boolean
function call_site.is_in_run() return current_run() ~= nil end

-- Frames of weir's own files and of C do not help an author, so they are left out.
local HERE = debug.getinfo(1, "S").source:match("^(.*[/\\])[^/\\]+[/\\][^/\\]*$") or "=[weir]/"

---Whether a chunk is weir's own.
---@param source string as debug.getinfo gives it
---@return boolean
function call_site.is_own(source)
  return source:sub(1, #HERE) == HERE or source == "=[C]"
end

local DEEPEST = 60 -- levels that a traceback shows

---The stack of the author's code, one frame a line.
---@return string
function call_site.traceback()
  local lines, level = {}, 2
  while true do
    local info = debug.getinfo(level, "Sln")
    if not info then break end
    if level > DEEPEST then -- each look at a level walks down to it
      lines[#lines + 1] = "…"
      break
    end
    if not call_site.is_own(info.source) then
      local name = info.name and ("in '%s'"):format(info.name)
        or info.what == "main" and "in main chunk" or "in function"
      lines[#lines + 1] = ("%s:%d: %s"):format(info.short_src, info.currentline, name)
    end
    level = level + 1
  end
  return table.concat(lines, "\n")
end

-- `return ctx:invoke {...}` is a tail call, which leaves no frame of the author's code. The line at which the
-- workflow's function begins is named instead.
local function line_of_workflow()
  local run = current_run()
  local definition = run and run.definition
  if not definition then return "?" end
  if not definition.run then return ("%s:%d"):format(definition.file, definition.line) end
  local info = debug.getinfo(definition.run, "S")
  return info.short_src .. ":" .. info.linedefined
end

-- The innermost frame of the author's code.
local function frame()
  local level = 3
  while true do
    local info = debug.getinfo(level, "Sl")
    if not info or not call_site.is_own(info.source) then return info end
    level = level + 1
  end
end

---Where the author's code calls into weir: "order.lua:11".
---@return string
function call_site.line()
  local info = frame()
  return info and info.short_src .. ":" .. info.currentline or line_of_workflow()
end

---The file of the author's code that calls into weir; "" where the code is in none.
---@return string path
function call_site.file()
  local info = frame()
  return info and info.source:match "^@(.*)$" or ""
end

return call_site
