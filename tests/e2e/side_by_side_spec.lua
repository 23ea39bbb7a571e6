-- Runs whose steps block, beside each other: on the workers of one host and of several, while hosts stop, stand still
-- and come back, and while messages are lost.

local cjson = require "cjson"
local stages = require "tests.stage"
local support = require "tests.support"

local FOLDERS = { "tests/fixtures/beside" }

local stage, redis, store

local function start_host(node, workers, more)
  return stage:host(node, { "--workers", workers or 1, table.unpack(more or {}) })
end

local function data(more) return stage:data(more) end

local function open_gate() stage:open_gate() end

local function notes(text)
  local count = 0
  for line in stage:notes():gmatch "[^\n]+" do
    if line:find(text, 1, true) == 1 then count = count + 1 end
  end
  return count
end

local function noted(text, times)
  support.wait_until(("%d notes of %s"):format(times, text), function() return notes(text) >= times end)
end

local function completes(id)
  local run = store:ended(id)
  assert.equal("completed", run.state, run.error and run.error.message)
  return run
end

-- As many runs at once, by one command.
local function start_each(host, workflow, prefix, count, fields)
  local list = {}
  for i = 1, count do list[i] = cjson.encode(data { n = i, count = fields and fields.count }) end
  local reply = host:weir("start", workflow, "--each", "-", "--id", prefix, { stdin = table.concat(list, "\n") })
  assert.equal(0, reply.status, reply.stderr)
  local ids = {}
  for line in host:weir("list", "--workflow", workflow, "--json").stdout:gmatch "[^\n]+" do
    ids[#ids + 1] = cjson.decode(line).id
  end
  return ids
end

local function idle_workers() return #store:call("ZRANGE", store.key .. "idle:*", 0, -1) end

local function become_idle(count)
  support.wait_until(count .. " idle workers", function() return idle_workers() == count end)
end

before_each(function()
  stage = stages.new(FOLDERS[1])
  redis, store = stage:begin()
end)

after_each(function() stage:stop() end)

describe("steps that block", function()
  it("run side by side on the workers of a host, as many as there are", function()
    local host = start_host("a", 6)
    for _, id in ipairs(start_each(host, "meet", "m", 6, { count = 6 })) do completes(id) end
  end)

  it("of the children of one run do so, too", function()
    start_host("a", 4)
    store:start("p", "meeting", data { count = 4 })
    completes "p"
  end)

  it("run side by side on the workers of several hosts", function()
    local host = start_host("a", 2)
    start_host("b", 2)
    become_idle(4)
    for _, id in ipairs(start_each(host, "meet", "m", 4, { count = 4 })) do completes(id) end
  end)

  it("let go what their worker has claimed and not begun", function()
    start_host("a", 1)
    become_idle(1)
    for i = 1, 3 do store:start("h" .. i, "hold", data()) end
    noted("hold", 1)
    start_host("b", 1)
    noted("hold", 2)
    start_host("c", 1)
    noted("hold", 3)
    open_gate()
    for i = 1, 3 do completes("h" .. i) end
    assert.equal(3, notes "hold")
    assert.equal(3, notes "after")
  end)

  it("keep no other run from being taken up, though their worker was woken for it", function()
    start_host("a", 2)
    become_idle(2)
    store:start("h", "hold", data())
    noted("hold", 1)
    for i = 1, 5 do
      store:start("q" .. i, "quick", {})
      completes("q" .. i)
    end
    assert.equal("running", store:state "h")
  end)

  it("hold up no outcome of a step that has returned", function()
    start_host("a", 1)
    store:start("first", "quick", {}) -- it loads the bundle
    completes "first"
    become_idle(1)
    store:start("q", "quick", data())
    store:start("h", "hold", data())
    noted("hold", 1)
    noted("quick", 1)
    support.wait_until("the step of q to be recorded", function() return store:outcomes("q").note == "completed" end)
    assert.equal(0, notes "after")
  end)

  it("are shown while they last", function()
    local host = start_host("a", 1)
    store:start("h", "hold", data())
    noted("hold", 1)
    support.wait_until("stats to show the long turn", function()
      return host:weir("stats").stdout:find "worker 1 in h for %d"
    end)
    store:start("q", "quick", {})
    support.wait_until("why to show it", function()
      return host:weir("why", "q").stdout:find "worker 1 of a has been in h for"
    end)
  end)
end)

describe("a host that stops", function()
  it("is woken for nothing, and another one takes up what it gives back", function()
    local a = start_host "a"
    become_idle(1)
    store:start("h", "hold", data())
    noted("hold", 1)
    start_host "b"
    for i = 1, 3 do
      store:start("q" .. i, "quick", {})
      completes("q" .. i)
    end
    a.process:signal "TERM"
    support.wait_until("the host to leave", function()
      return store:call("HGET", store.key .. "host:" .. store:call("HGET", store.key .. "nodes", "a"), "leaving")
    end)
    open_gate()
    assert.equal(0, a.process:wait())
    completes "h"
    assert.equal(1, notes "hold")
    assert.equal(1, notes "after")
  end)
end)

describe("a host that stands still", function()
  it("keeps no run from being taken up", function()
    local a = start_host "a"
    become_idle(1)
    a.process:signal "STOP"
    start_host "b"
    for i = 1, 5 do
      store:start("q" .. i, "quick", {})
      completes("q" .. i)
    end
  end)

  it("does nothing again that was recorded elsewhere meanwhile", function()
    local a = start_host "a"
    for i = 1, 30 do store:start("s" .. i, "steps", data()) end
    noted("s", 100)
    a.process:signal "STOP"
    local stopped = notes "s"
    start_host "b"
    for i = 1, 30 do completes("s" .. i) end
    local before = notes "s"
    a.process:signal "CONT"
    a.process:wait() -- it learns that its lease was taken
    assert.is_true(notes "s" - before <= 1, "steps ran again") -- one may have been under way
    assert.is_true(before <= 30 * 40 + 60, ("%d steps, %d before the stop"):format(before, stopped))
  end)
end)

describe("a wake-up that is lost", function()
  it("is made up for by the next heartbeat", function()
    start_host("a", 2)
    become_idle(2)
    for round = 1, 3 do
      for _, worker in ipairs(store:call("ZRANGE", store.key .. "idle:*", 0, -1)) do -- as if they had just been woken
        local time = store:call "TIME"
        local now = math.tointeger(tonumber(time[1])) * 1000 + 50
        store:call("ZADD", store.key .. "idle:*", 2 ^ 46 + now, worker)
      end
      store:start("q" .. round, "quick", {})
      completes("q" .. round)
    end
  end)
end)

describe("the message that a run has ended", function()
  it("is not all that weir wait goes by", function()
    start_host "a"
    store:start("h", "hold", data())
    noted("hold", 1)
    local waits = support.process { support.build .. "/weir", "wait", "h", "--redis", redis.url }
    support.wait_until("it to be watched", function() return store:call("HDEL", store.key .. "r:h", "watch") == 1 end)
    open_gate()
    completes "h"
    assert.equal(0, waits:wait())
    assert.equal('"held"\n', waits:stdout())
    waits:stop()
  end)
end)

describe("a number of a host", function()
  it("does not come again when the dataset is emptied", function()
    local a = start_host "a"
    local before = store:call("HGET", store.key .. "nodes", "a")
    store:call("FLUSHALL")
    assert.equal(81, a.process:wait())
    start_host "b"
    assert.is_true(tonumber(store:call("HGET", store.key .. "nodes", "b")) > tonumber(before))
  end)
end)
