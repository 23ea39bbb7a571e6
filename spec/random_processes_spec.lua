-- Workflow code does the same in every process: random programs that sort, show tables, walk sets and read
-- dates are played in processes with other addresses, hashes, garbage and time zones. So whatever process replays a run
-- asks for the same operations.

local dice = require "spec.support.dice"

local function played(zone, seed, count)
  local command = ("TZ=%s lua5.4 spec/support/elsewhere.lua %d %d 2>&1"):format(zone, seed, count)
  local process <close> = assert(io.popen(command))
  return process:read "a"
end

describe("random programs", function()
  it("do the same in each process", function()
    local count = dice.times(40)
    local here = played("UTC", dice.seed, count)
    assert.matches("completed", here)
    assert.is_nil(here:find("stack traceback", 1, true), here)
    for _, zone in ipairs { "Asia/Tokyo", "XYZ+7:30" } do assert.equal(here, played(zone, dice.seed, count)) end
  end)
end)
