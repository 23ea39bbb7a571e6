-- screen: a program on a pseudo terminal that a story types at and looks at. `script` of util-linux makes the terminal.

local support = require "tests.support"

local screen = {}

---@class weir.tests.Screen
---@field process Process
---@field folder string
local Screen = {}
Screen.__index = Screen

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- Leaves the settings of the terminal before and after the program, its name, the pid, and the status of the program.
local RUN = [[
cd %s
stty cols %d rows %d
tty >tty
stty -g >before
sh -c 'echo $$ >pid.new; mv pid.new pid; cd %s; exec %s'
echo $? >status.new
stty -g >after
mv status.new status
]]

---Starts a program.
---@param command string for sh
---@param size { columns: integer, rows: integer }
---@param env table<string, string>?
---@return weir.tests.Screen
function screen.run(command, size, env)
  local folder = support.folder()
  local self = setmetatable({ folder = folder }, Screen)
  os.execute("mkfifo " .. folder .. "/keys")
  local here = assert(assert(io.popen "pwd"):read "l")
  support.write(folder .. "/run", RUN:format(folder, size.columns, size.rows, here, command))
  self.process = support.process({ "sh", "-c", ("exec script -qfec %s /dev/null <%s/keys"):format(
    quote("sh " .. folder .. "/run"), folder) }, env)
  self.keys = assert(io.open(folder .. "/keys", "w"))
  self.keys:setvbuf "no"
  return self
end

---Types keys.
---@param bytes string
function Screen:type(bytes) self.keys:write(bytes) end

local function written(self) return self.process:stdout() end

---All that the program wrote.
---@return string
function Screen:text() return written(self) end

---The lines of the newest frame, without colours.
---@return string[]
function Screen:lines()
  local text = written(self)
  local frame = text:match ".*\27%[H(.-)\27%[J" or ""
  local lines = {}
  for line in (frame:gsub("\27%[[%d;?]*%a", "") .. "\n"):gmatch "(.-)\r*\n" do lines[#lines + 1] = line end
  return lines
end

---Waits until a text stands on the screen.
---@param text string
---@param plain boolean? default true
function Screen:wait_for(text, plain)
  support.wait_until(("%q on the screen"):format(text), function()
    return table.concat(self:lines(), "\n"):find(text, 1, plain ~= false)
  end)
end

---@param name string
---@return string?
local function note(self, name)
  local text = support.read(self.folder .. "/" .. name)
  return text and text:gsub("\n$", "") or nil
end

---Gives the terminal another size, as a window manager does.
---@param columns integer
---@param rows integer
function Screen:resize(columns, rows)
  os.execute(("stty -F %s cols %d rows %d"):format(note(self, "tty"), columns, rows))
end

---@param name string
function Screen:signal(name)
  os.execute(("kill -%s %s"):format(name, support.wait_until("the pid", function() return note(self, "pid") end)))
end

---Waits for the end of the program.
---@return integer status
---@return boolean restored whether the terminal is as it was, and shows its cursor
function Screen:wait()
  local status = support.wait_until("the end of the program", function() return note(self, "status") end)
  self.process:wait()
  local text = written(self)
  local left = text:match ".*(\27%[%?1049[hl])" ~= "\27[?1049h" and text:match ".*(\27%[%?25[hl])" ~= "\27[?25l"
  return math.tointeger(tonumber(status)), left and note(self, "before") == note(self, "after")
end

function Screen:stop()
  if self.keys then self.keys:close() end
  self.process:stop()
  support.remove(self.folder)
end

return screen
