-- `kill -9` of redis-server, and of the host with it, again and again while runs are started, have steps and children,
-- sleep and end. Redis writes its log at each change, so it knows all that it acknowledged.

local stages = require "tests.stage"
local support = require "tests.support"
local system = require "system"

local RUNS = 15

local stage, redis, store

before_each(function()
  stage = stages.new "tests/fixtures/stories"
  redis, store = stage:begin { "--appendfsync", "always" }
end)

after_each(function() stage:stop() end)

-- Starts runs, of which none may get lost that was acknowledged.
local function start_runs(round)
  local ids = {}
  for i = 1, RUNS do
    ids[i] = ("r%d-%d"):format(round, i)
    store:start(ids[i], "tally", stage:data())
  end
  return ids
end

-- Ends Redis once this run has so many outcomes.
local function kill_redis(id, outcomes)
  support.wait_until("the run to move", function()
    local count = 0
    for _ in pairs(store:outcomes(id)) do count = count + 1 end
    return count >= outcomes
  end)
  store:close() -- who writes to a connection that is dead is killed
  redis.process:stop()
end

local function check(ids)
  for _, id in ipairs(ids) do assert.equal("completed", store:ended(id).state) end
end

-- A step runs again only when its outcome was not recorded: once for each kill, at most.
local function check_notes(ids, most)
  local counts = {}
  for line in stage:notes():gmatch "[^\n]+" do counts[line] = (counts[line] or 0) + 1 end
  for _, id in ipairs(ids) do
    for _, line in ipairs { id, id .. " more" } do
      local count = counts[line] or 0
      assert.is_true(count >= 1 and count <= most, ("%s: %d times"):format(line, count))
    end
  end
end

it("a Redis that is killed at each stage of the runs loses none of them, and the host goes on", function()
  local host = stage:host "one"
  for round = 1, 6 do
    local ids = start_runs(round)
    kill_redis(ids[RUNS], (round - 1) % 3)
    system.sleep(0.01 * round)
    redis:start()
    check(ids)
    check_notes(ids, 2)
  end
  assert.is_nil(host.process:status(), host.process:stderr())
  assert.same({}, store:faults())
end)

it("a Redis that is killed together with the host loses none of the runs, which another host finishes", function()
  for round = 1, 4 do
    local host = stage:host("host-" .. round)
    local ids = start_runs(round)
    kill_redis(ids[RUNS], round % 3)
    host:kill()
    redis:start()
    local following = stage:host("following-" .. round)
    check(ids)
    check_notes(ids, 2)
    following:kill()
  end
  stage:host "last"
  support.wait_until("the runs of dead hosts to be released", function() return #store:faults() == 0 end)
end)
