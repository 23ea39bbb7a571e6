-- run: lua5.4 tests/bench/testing.lua
--
-- How many runs of ten operations weir.testing makes in a second, as authors use it: in plain Lua, each suspension and
-- each end replayed.

package.path = "lua/?.lua;lua/?/init.lua;" .. package.path

local testing = require "weir.testing"
local weir = require "weir"

local RUNS = 1000

local function each(act)
  return function(ctx)
    local sum = 0
    for i = 1, 10 do sum = sum + act(ctx, i) end
    return sum
  end
end

local function workflow(id, act) return weir.workflow { id = id, run = each(act) } end

local workflows = {
  workflow("steps", function(ctx, i) return ctx:step("s" .. i, function() return i end) end),
  workflow("sleeps", function(ctx, i)
    ctx:sleep { id = "s" .. i, duration = "1h" }
    return i
  end),
  workflow("mocked children", function(ctx, i)
    return ctx:invoke { id = "s" .. i, workflow = "child", data = { n = i } }
  end),
}

for _, name in ipairs { "steps", "sleeps", "mocked children" } do
  local runner = testing.new { workflows = workflows }
  runner:mock("child", function(data) return data.n end)
  local began = os.clock()
  for _ = 1, RUNS do assert(runner:run(name).result == 55) end
  print(("testing, 10 %-16s %8.0f runs/s"):format(name .. ":", RUNS / (os.clock() - began)))
end
