-- scripts: the Redis scripts of this source tree, as the host joins them (host/script.c), for what speaks to a Redis
-- without the binary.

local support = require "tests.support"

local scripts = {}

local FOLDER = "redis-scripts/"

local function read(name) return assert(support.read(FOLDER .. name), name) end

---@param edit (fun(lib: string): string)? what is to be another way in lib.lua
---@return string text
function scripts.joined(edit)
  local lib = read "lib.lua" .. "\n"
  local parts = { edit and edit(lib) or lib }
  local listing <close> = assert(io.popen("LC_ALL=C ls " .. FOLDER))
  for name in listing:lines() do
    local verb = name:match "^([%w_]+)%.lua$"
    if verb and verb ~= "lib" and verb ~= "dispatch" then
      parts[#parts + 1] = ("function definitions.%s() %s\nend\n"):format(verb, read(name))
    end
  end
  parts[#parts + 1] = read "dispatch.lua"
  return table.concat(parts)
end

---What `weir doctor` would say of the runs.
---@param say fun(verb: string, ...: string|integer): table sends one group
---@return string[] sorted
function scripts.faults(say)
  local faults, cursor = {}, "0"
  repeat
    local answer = say("audit", cursor, 1000)
    cursor = answer[2]
    table.move(answer, 4, #answer, #faults + 1, faults)
  until cursor == "0"
  table.sort(faults)
  return faults
end

return scripts
