-- The log under journald, which says in JOURNAL_STREAM which file it reads: there each line begins with its priority,
-- and has no time, as the journal has one itself.

local support = require "tests.support"

-- Runs `serve` on a folder that is not there, with a JOURNAL_STREAM that the shell makes; its lines on stderr.
local function lines_of(stream, flags)
  local folder = support.folder()
  finally(function() support.remove(folder) end)
  support.write(folder .. "/flows.lua", 'return require "weir".workflow { id = "w", run = function() end }')
  local process = support.process { "sh", "-c", ([[
    JOURNAL_STREAM=%s exec %s/weir serve %s --redis unix://%s/redis.sock %s
  ]]):format(stream, support.build, folder, folder, flags or "") }
  support.wait_until("the host to say that Redis is away", function()
    return process:stderr():find "trying again"
  end)
  local text = process:stderr()
  process:stop()
  local lines = {}
  for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
  return lines
end

local OWN = "$(stat -L -c %d:%i /proc/self/fd/2)"

it("a line in the journal begins with its priority", function()
  local lines = lines_of(OWN)
  assert.matches("^<6>workflows in ", lines[1])
  assert.matches("^<4>redis at unix:.*trying again$", lines[#lines])
end)

it("so does a line of JSON", function()
  local lines = lines_of(OWN, "--log json")
  assert.matches('^<4>{"time":"[%d-]+T[%d:.]+Z","level":"warn","text":"redis at .*"}$', lines[#lines])
end)

it("a host whose stderr is another file than the journal's has times instead", function()
  for _, stream in ipairs { "1:2", "journal", "''" } do
    for _, line in ipairs(lines_of(stream)) do assert.matches("^%d+%-%d+%-%d+T[%d:.]+Z %l+ +", line) end
  end
end)
