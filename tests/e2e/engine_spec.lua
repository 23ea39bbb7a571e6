-- A host and its runs while nothing goes wrong: wake-ups, timers, retries, shared work.

local facts = require "tests.facts"
local json = require "weir.json"
local support = require "tests.support"

local FOLDERS = { "tests/fixtures/stories" }

local host, store, folder

local function open_gate() support.write(folder .. "/gate", "") end

local function data(more)
  local fields = { gate = folder .. "/gate", notes = folder .. "/notes" }
  for name, value in pairs(more or {}) do fields[name] = value end
  return fields
end

local function median(numbers)
  table.sort(numbers)
  return numbers[(#numbers + 1) // 2]
end

local function lines(path)
  local list = {}
  for line in (support.read(path) or ""):gmatch "[^\n]+" do list[#list + 1] = line end
  return list
end

describe("a host", function()
  before_each(function()
    folder = support.folder()
    host = support.host(FOLDERS, { flags = { "--workers", "2" } })
    store = facts.of(host.redis)
  end)

  after_each(function()
    assert.same({}, store:faults())
    store:close()
    local status, stderr = host:stop()
    support.remove(folder)
    assert.equal(0, status, stderr)
  end)

  it("wakes a parent when its child has completed", function()
    store:start("r", "parent", data())
    store:becomes("r", "waiting")
    support.wait_until("the child to begin", function() return store:state "r/child" end)
    open_gate()
    local run = store:ended "r"
    assert.same({ "completed", '"through"', 1 }, { run.state, run.result, run.attempt })
    assert.equal("completed", run.operations[1].state)
    assert.equal("r/child", run.operations[1].run)
  end)

  it("tells how long a step's Lua took, and leaves one that took nothing at that", function()
    store:start("r", "takes-its-time")
    local run = store:ended "r"
    local took = {}
    for i, operation in ipairs(run.operations) do took[i] = operation.finished_at - operation.started_at end
    assert.is_true(took[1] >= 100 and took[1] <= run.finished_at - run.started_at, table.concat(took, " "))
    assert.is_true(took[2] < took[1])
  end)

  it("wakes a parent when its child has failed, and tells why", function()
    store:start("r", "jury", data { suspects = { "unlucky" } })
    local run = store:ended "r"
    assert.equal('["error"]', run.result)
    local failed = run.operations[1]
    assert.equal("child_failed", failed.error.code)
    assert.matches("attempt 3", failed.error.cause.message, 1, true)
    assert.equal(3, failed.attempts)
  end)

  it("retries with growing pauses", function()
    store:start("r", "unlucky")
    local run = store:ended "r"
    assert.same({ "failed", 3, "error" }, { run.state, run.attempt, run.error.code })
    local took = run.finished_at - run.created_at
    assert.is_true(took >= 20 + 40, took .. " ms")
  end)

  it("fires timers in time", function()
    store:start("r", "naps", data { times = 15, nap = "20ms" })
    local late = {}
    for i, operation in ipairs(store:ended("r").operations) do
      late[i] = operation.finished_at - operation.started_at - 20
      assert.is_true(late[i] >= 0, late[i] .. " ms late")
    end
    assert.equal(15, #late)
    assert.is_true(median(late) <= 5, median(late) .. " ms late")
  end)

  it("begins a run as soon as it is started", function()
    local late = {}
    for i = 1, 15 do
      local id = "r" .. i
      store:start(id, "echo")
      local run = store:ended(id)
      late[i] = run.started_at - run.created_at
    end
    assert.is_true(median(late) <= 3, median(late) .. " ms late")
  end)

  it("that is idle says nothing but that it is alive", function()
    store:start("r", "day")
    store:becomes("r", "waiting")
    support.wait_until("both workers to be idle", function()
      return #store:call("ZRANGE", store.key .. "idle:*", 0, -1) == 2
    end)
    store:call("CONFIG", "RESETSTAT")
    support.wait_until("four beats", function() return store:calls "evalsha" >= 4 end)
    local commands = json.encode(store:call("INFO", "commandstats"))
    local beats = store:calls "zadd" -- a beat renews the lease, nothing else writes here
    assert.is_true(store:calls "evalsha" <= beats, commands)
  end)

  it("logs what its workers do when it is asked", function()
    store:start("r", "busy", data())
    support.wait_until("the step to begin", function() return #lines(folder .. "/notes") == 1 end)
    open_gate()
    store:ended "r"
    host.process:signal "USR1"
    support.wait_until("the workers to be described", function()
      return host.process:stderr():find "worker 2: 0 runs active"
    end)
  end)
end)

describe("two hosts", function()
  it("share the work, and nothing runs twice", function()
    folder = support.folder()
    local redis = support.redis()
    store = facts.of(redis)
    local hosts = {}
    for i = 1, 2 do
      local flags = { "--workers", "2", "--concurrency", "4", "--node", "host-" .. i }
      hosts[i] = support.host(FOLDERS, { redis = redis, flags = flags })
    end
    finally(function()
      for _, each in ipairs(hosts) do each:stop() end
      store:close()
      redis:stop()
      support.remove(folder)
    end)

    local count = 100
    for i = 1, count do store:start("r" .. i, "tally", data()) end
    local did = {}
    for i = 1, count do
      local run = store:ended("r" .. i)
      assert.equal("completed", run.state)
      did[run.result] = true
    end
    for _, each in ipairs(hosts) do assert.is_true(did[('"%d"'):format(each.process.pid)]) end
    local seen, notes = {}, lines(folder .. "/notes")
    for _, line in ipairs(notes) do
      assert.is_nil(seen[line], line .. " ran twice")
      seen[line] = true
    end
    assert.equal(2 * count, #notes)
    assert.same({}, store:faults())
  end)
end)
