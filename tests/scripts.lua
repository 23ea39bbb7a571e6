-- scripts: the Redis scripts of this source tree, as the host joins them (host/redis/script.c), for what speaks to
-- a Redis without the binary.

local support = require "tests.support"

local scripts = {}

local FOLDER = "redis-scripts/"

local function read(name) return assert(support.read(FOLDER .. name), name) end

---@param edit (fun(lib: string): string)? what is to be another way in lib.lua
---@return string text
function scripts.joined(edit)
  local lib = read "lib.lua"
  local parts, word = { edit and edit(lib) or lib, "\nfunction define(name) " }, "if"
  local listing <close> = assert(io.popen(("cd %s && find * -name '*.lua' | LC_ALL=C sort"):format(FOLDER)))
  for path in listing:lines() do
    if path ~= "lib.lua" and path ~= "dispatch.lua" then
      parts[#parts + 1] = ('%s name == "%s" then %s\n'):format(word, path:match "^(.+)%.lua$", read(path))
      word = "elseif"
    end
  end
  parts[#parts + 1] = "end end\n" .. read "dispatch.lua"
  return table.concat(parts)
end

---The findings of `weir doctor` about the runs.
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
