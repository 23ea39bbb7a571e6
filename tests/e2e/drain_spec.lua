-- A host that holds thousands of runs is stopped: it gives back all of them, and no step is executed twice.

local stages = require "tests.stage"
local support = require "tests.support"

local WAITING, MOVING = 10000, 100

local stage, store

before_each(function()
  stage = stages.new "tests/fixtures/stories"
  store = select(2, stage:begin())
end)

after_each(function() stage:stop() end)

local function start_many(host, workflow, count, data)
  local reply = host:weir("start", workflow, "--each", "-", { stdin = (data .. "\n"):rep(count) })
  assert.equal(0, reply.status, reply.stderr)
end

local function notes()
  local _, count = stage:notes():gsub("\n", "")
  return count
end

it("SIGTERM gives back 10,000 waiting runs and those that run", function()
  local host = stage:host "one"
  start_many(host, "day", WAITING, "{}")
  support.wait_until("all of them to wait", function()
    return store:call("ZCARD", store.key .. "delayed") == WAITING
  end)
  start_many(host, "tally", MOVING, ('{"notes":"%s/notes"}'):format(stage.folder))
  support.wait_until("the first steps to end", function() return notes() > 0 end)
  host.process:signal "TERM"
  assert.equal(0, host.process:wait(), host.process:stderr())
  assert.is_nil(host.process:stderr():find "--drain")
  assert.same({}, store:call("KEYS", store.key .. "owned:*"))
  assert.equal(0, store:call("ZCARD", store.key .. "leases"))
  assert.same({}, store:faults())

  stage:host "two"
  support.wait_until("the others to end", function() return notes() == 2 * MOVING end)
  support.wait_until("no run to be left", function()
    return store:call("ZCARD", store.key .. "delayed") == WAITING
  end)
  local seen = {}
  for line in stage:notes():gmatch "[^\n]+" do
    assert.is_nil(seen[line], line)
    seen[line] = true
  end
end)
