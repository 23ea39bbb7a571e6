-- Manuals as tests read them: fenced blocks, tables, links, and a console that types the blocks of one manual.
--
-- A manual has a folder of its own, in which `workflows` is the folder of the examples, and programs of tests/fixtures
-- stand for those that would use the network. A block of Lua whose introduction
-- says "Save this as `path`" is saved there. The commands of a console block are typed in order. Where the introduction
-- of a console block names `weir dev FOLDER`, such a host is started first, or started again.

local support = require "tests.support"

local manual = {}

local here, build = support.here, support.build_path

---@class Block
---@field language string
---@field body string
---@field before string the text between this block and the one before it

---@class Manual
---@field path string
---@field text string
---@field blocks Block[]

local function blocks_of(text)
  local found, at = {}, 1
  while true do
    local from, opened, language = text:find("\n```(%w*)\n", at)
    if not from then return found end
    local closed, over = text:find("\n```\n", opened, true)
    found[#found + 1] = {
      language = language, body = text:sub(opened + 1, closed), before = text:sub(at, from),
    }
    at = over
  end
end

---@param path string
---@return Manual
function manual.read(path)
  local text = assert(support.read(path), path)
  return { path = path, text = text, blocks = blocks_of(text) }
end

---The rows of the table that has this heading row.
---@param text string
---@param head string
---@return string[]
function manual.rows_below(text, head)
  local rows = {}
  local _, from = text:find("\n" .. head .. "\n|[-|]+\n", 1)
  assert(from, head)
  for line in text:sub(from + 1):gmatch "([^\n]*)\n" do
    if line:sub(1, 1) ~= "|" then break end
    rows[#rows + 1] = line
  end
  assert(#rows > 1, head)
  return rows
end

---The names between backticks in the first cell of each row.
---@param rows string[]
---@return table<string, string> name -> its row
function manual.names_in(rows)
  local names = {}
  for _, row in ipairs(rows) do
    for name in row:match("^| (.-) |"):gmatch "`([%w_.-]+)`" do names[name] = row end
  end
  return names
end

-- ---- a console ----------------------------------------------------------------------------------

-- Replaces text that differs from one time to the next.
local function plain(output)
  local lines = {}
  for line in output:gmatch "[^\n]+" do
    line = line:gsub("%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d", "DATE")
      :gsub("%-" .. ("[0-9a-z]"):rep(12), "-ID"):gsub("%d[%d.]*m? ?%d*[%d.]*m?s%f[%W]", "TIME")
      :gsub(("%x"):rep(16), "HASH"):gsub("[%d.]+ MiB", "SIZE"):gsub("commit %d+", "commit N")
      :gsub("%(host %d+%)", "(host N)")
      :gsub("(%d) workers?", "N workers"):gsub("redis +[%d.]+", "redis V"):gsub(" +", " "):gsub(" $", "")
    -- told only where a run takes its time, as on a machine that has much to do
    if not line:find "^ ?TIME " then lines[#lines + 1] = line end
  end
  return table.concat(lines, "\n")
end

---@param expected string as the manual has it: "…" stands for anything
---@param output string
---@return boolean
function manual.matches(expected, output)
  local pattern = plain(expected):gsub("%p", "%%%0"):gsub("…", ".*")
  return plain(output):find("^" .. pattern .. "$") ~= nil
end

manual.plain = plain

---@class Console
---@field folder string
---@field host Process?
local Console = {}
Console.__index = Console

---@return Console
function manual.console()
  local folder = support.folder()
  assert(os.execute(("ln -s '%s/workflows' '%s/tests/fixtures/manuals/bin' '%s'"):format(here, here, folder)))
  return setmetatable({ folder = folder }, Console)
end

---@param line string
---@return string output of stdout and stderr
function Console:type(line)
  local command = ("cd '%s' && env -u WEIR_REDIS -u WEIR_ROOT PATH=\"$PWD/bin:%s:$PATH\" sh -c '%s' 2>&1")
    :format(self.folder, build, (line:gsub("'", "'\\''")))
  local output <close> = assert(io.popen(command))
  return output:read "a"
end

-- Does the acts that the manual asks for before the block: save a file, start a host.
function Console:prepare(block)
  local path = block.language == "lua" and block.before:match "[Ss]ave%s+this%s+as%s+`([%w_/.-]+)`[^`]*$"
  if path then
    assert(os.execute(("mkdir -p \"$(dirname '%s/%s')\""):format(self.folder, path)))
    support.write(self.folder .. "/" .. path, block.body)
  end
  local served = block.language == "console" and block.before:match "`weir dev ([%w_/-]+)`"
  if not served then return end
  if self.host then self.host:stop "TERM" end
  self.host = support.process { "sh", "-c", ("cd '%s' && exec '%s/weir' dev %s"):format(self.folder, build, served) }
  support.wait_until("dev to be ready", function() return self.host:stderr():find "weir start" end)
end

---Types the commands of a block.
---@param block Block
---@param answer fun(command: string, expected: string, output: string)
function Console:play(block, answer)
  self:prepare(block)
  if block.language ~= "console" then return end
  local commands = {}
  for line in block.body:gmatch "([^\n]*)\n" do
    local command = line:match "^%$ (.*)"
    if command then
      commands[#commands + 1] = { line = command, expected = "" }
    else
      commands[#commands].expected = commands[#commands].expected .. line .. "\n"
    end
  end
  for _, command in ipairs(commands) do answer(command.line, command.expected, self:type(command.line)) end
end

function Console:close()
  if self.host then self.host:stop "TERM" end
  support.remove(self.folder)
end

return manual
