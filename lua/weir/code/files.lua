-- The `io` library of workflow code. It works in steps only. Each step has its own default input and output, so that
-- io.output in one run does not redirect the output of another.
--
-- Lua collects garbage when memory grows, not when file handles run out. So when no handle is left, garbage is
-- collected and the file is opened again.

local files = {}

---@class weir.StepFiles
---@field input file* the default input
---@field output file*
---@field opened file*[] that io.input and io.output opened; closed when the step ends

---@type fun(): table? the step that runs now, if any; its field `files` is used
local current_step
---@type fun(name: string, level: integer) raises the error that `name` does not work here
local refuse

local library = { type = io.type, stdin = io.stdin, stdout = io.stdout, stderr = io.stderr }

---@type table<string, function> the methods of files as Lua has them
local methods = {}

---The methods of files, before they are replaced for workflow code.
files.methods = methods

local function defaults()
  local step = current_step()
  if not step.files then step.files = { input = io.stdin, output = io.stdout, opened = {} } end
  return step.files
end

local function default(which)
  local file = defaults()[which]
  if io.type(file) ~= "file" then error(("default %s file is closed"):format(which), 0) end
  return file
end

-- Lua's own functions raise errors without a position when pcall calls them. This function adds the position of the
-- author's code.
local function at_caller(name, ok, ...)
  if ok then return ... end
  local raised = ...
  if type(raised) ~= "string" then error(raised, 0) end
  error((raised:gsub("^bad argument #(%d+) to '[^']*'", "bad argument #%1 to '" .. name:match("[%a ]+$") .. "'")), 2)
end

---Restricts a function of Lua to steps.
---@param name string for messages
---@param call function
function files.step_only(name, call)
  return function(...)
    if not current_step() then refuse(name, 3) end
    return at_caller(name, pcall(call, ...))
  end
end

local step_only = files.step_only

-- ------------------------------------------------------------------------------------------------
-- Opening

local NO_HANDLES = { [23] = true, [24] = true } -- ENFILE, EMFILE

local function opened(call, file, message, code, ...)
  if file or not NO_HANDLES[code] then return file, message, code, ... end
  collectgarbage()
  return call()
end

local function opens(call)
  return function(...)
    local count, arguments = select("#", ...), table.pack(...)
    local function again() return call(table.unpack(arguments, 1, count)) end
    return opened(again, call(...))
  end
end

local open = opens(io.open)

-- An iterator over lines. Code may keep it longer than its step.
local function iterator(lines, ...)
  return step_only("an iterator of lines", lines), ...
end

local function lines_of(name, ...)
  if name == nil then return iterator(methods.lines(default("input"), ...)) end
  local file, message = open(name)
  if not file then error(message, 0) end
  methods.close(file)
  return iterator(io.lines(name, ...))
end

local function set_default(which, mode)
  return function(file)
    if file == nil then return defaults()[which] end
    local own = defaults()
    if io.type(file) then
      own[which] = file
    else
      local handle, message = open(file, mode)
      if not handle then error(message, 0) end
      own[which] = handle
      table.insert(own.opened, handle)
    end
    return own[which]
  end
end

local members = {
  open = open,
  popen = opens(io.popen),
  tmpfile = opens(io.tmpfile),
  lines = lines_of,
  input = set_default("input", "r"),
  output = set_default("output", "w"),
  read = function(...) return methods.read(default("input"), ...) end,
  write = function(...) return methods.write(default("output"), ...) end,
  close = function(file)
    if file == nil then file = default("output") end
    return methods.close(file)
  end,
}
for name, call in pairs(members) do library[name] = step_only("io." .. name, call) end

files.library = library

---A step has ended: flushes the text of io.write, and closes the files that io.input and io.output opened.
---@param step table
function files.end_step(step)
  local own = step.files
  if not own then return end
  step.files = nil
  for _, file in ipairs(own.opened) do
    if io.type(file) == "file" then methods.close(file) end
  end
  if io.type(own.output) == "file" then methods.flush(own.output) end
end

-- ------------------------------------------------------------------------------------------------
-- Methods

---Code may keep a handle longer than its step. A replay does not have that handle, so its methods refuse, too.
---@param find_step fun(): table?
---@param refuse_here fun(name: string, level: integer)
---@param may_use fun(): boolean whether methods of files may be called now
function files.setup(find_step, refuse_here, may_use)
  current_step, refuse = find_step, refuse_here
  local index = debug.getmetatable(io.stdout).__index
  for name, call in pairs(index) do
    local shown = "file:" .. name
    methods[name] = call
    index[name] = function(...)
      if not may_use() then refuse(shown, 3) end
      if name == "lines" and current_step() then return iterator(at_caller(shown, pcall(call, ...))) end
      return at_caller(shown, pcall(call, ...))
    end
  end
end

return files
