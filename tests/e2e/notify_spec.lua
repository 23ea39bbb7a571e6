-- A host and its supervisor, which listens on a notify socket: READY, RELOADING, STOPPING, a live STATUS, the watchdog.

local notify = require "tests.support.notify"
local stages = require "tests.stage"
local support = require "tests.support"

local WATCHDOG_USEC = 300000

local stage, redis, store, socket, host

local function start_host(name, env, flags)
  socket = notify.listen(name)
  env.NOTIFY_SOCKET = name
  host = support.host(stage.folders, {
    redis = redis, env = env, flags = { "--workers", "2", "--node", "one", table.unpack(flags or {}) },
  })
  stage.hosts[1] = host
  return (socket:wait_for "^READY=1$")
end

before_each(function()
  stage = stages.new(support.folder())
  os.execute(("cp tests/fixtures/stories/stories.lua '%s'"):format(stage.folders[1]))
  redis, store = stage:begin()
end)

after_each(function()
  stage:stop()
  socket:stop()
  support.remove(stage.folders[1])
end)

local function path() return stage.folder .. "/notify" end

-- Starts runs whose steps hold their workers until the gate is open.
local function begin_busy(count)
  for i = 1, count do store:start("busy-" .. i, "busy", stage:data()) end
  support.wait_until("the steps to begin", function() return select(2, stage:notes():gsub("\n", "")) >= count end)
end

it("a host says once that it is ready, and once that it stops", function()
  start_host(path(), {})
  host.process:signal "TERM"
  assert.equal(0, host.process:wait())
  local _, lines = socket:wait_for "^STOPPING=1$"
  assert.matches("^STATUS=draining", lines[2])
  assert.equal(1, socket:count "^READY=1$")
  assert.equal(0, socket:count "WATCHDOG") -- the supervisor waits for none
end)

describe("more time", function()
  local EXTENDS = "^EXTEND_TIMEOUT_USEC=10000000$"

  it("is asked for while a start waits for Redis", function()
    socket = notify.listen(path())
    store:close()
    redis.process:stop()
    local process = support.process({ support.build .. "/weir", "serve", "--redis", redis.url, "--node", "one",
      stage.folders[1] }, { NOTIFY_SOCKET = path() })
    socket:wait_for(EXTENDS, (socket:wait_for(EXTENDS)))
    redis:start()
    socket:wait_for "^READY=1$"
    assert.equal(0, process:stop "TERM")
  end)

  it("is asked for while a drain waits for a step, and not in between", function()
    local ready = start_host(path(), {})
    begin_busy(1)
    store:start("waits", "day")
    local later = socket:wait_for("runs: 1 active, 1 waiting,", ready)
    local lines = socket:messages()
    for i = ready, later do assert.is_nil(lines[i][1]:find "EXTEND") end
    host.process:signal "TERM"
    socket:wait_for(EXTENDS, (socket:wait_for "^STOPPING=1$"))
    stage:open_gate()
    assert.equal(0, host.process:wait())
  end)
end)

it("a host finds its supervisor in the abstract namespace", function()
  start_host("@" .. path(), {})
  host.process:signal "TERM"
  socket:wait_for "^STOPPING=1$"
end)

it("the STATUS line follows the runs of the host", function()
  local ready, lines = start_host(path(), {}), socket:messages()
  assert.matches("^STATUS=serving: 2 workers, runs: 0 active, 0 waiting, Redis at unix:", lines[ready][2])
  for i = 1, 3 do store:start("waits-" .. i, "day") end
  local waiting = socket:wait_for "runs: 0 active, 3 waiting,"
  begin_busy(1)
  local busy = socket:wait_for("runs: 1 active, 3 waiting,", waiting)
  stage:open_gate()
  socket:wait_for("runs: 0 active, 3 waiting,", busy)
end)

describe("SIGHUP", function()
  it("is answered with RELOADING, its instant, and READY", function()
    local ready = start_host(path(), {})
    for _ = 1, 2 do -- files that are as they were are answered, too
      host.process:signal "HUP"
      local reloading, lines = socket:wait_for("^RELOADING=1$", ready)
      assert.matches("^MONOTONIC_USEC=%d+$", lines[2])
      ready = socket:wait_for("^READY=1$", reloading)
    end
  end)

  it("is answered also when the files do not load", function()
    local ready = start_host(path(), {})
    support.write(stage.folders[1] .. "/broken.lua", "return {")
    support.wait_until("the refusal", function() return host.process:stderr():find "still serving" end)
    host.process:signal "HUP"
    socket:wait_for("^READY=1$", (socket:wait_for("^RELOADING=1$", ready)))
  end)
end)

it("a changed file is announced as a reload", function()
  local ready = start_host(path(), {})
  support.write(stage.folders[1] .. "/new.lua",
    'return require "weir".workflow { id = "new", run = function() return 1 end }')
  socket:wait_for("^READY=1$", (socket:wait_for("^RELOADING=1$", ready)))
  store:start("r", "new")
  assert.equal("1", store:ended("r").result)
end)

describe("the watchdog", function()
  local function waits_for_beats(count, pattern)
    local after = #socket:messages()
    for _ = 1, count do after = socket:wait_for(pattern or "^WATCHDOG=1$", after) end
  end

  local env
  before_each(function() env = { WATCHDOG_USEC = WATCHDOG_USEC } end)

  it("hears of an idle host, and of one that drains", function()
    start_host(path(), env)
    waits_for_beats(4)
    begin_busy(1)
    host.process:signal "TERM"
    socket:wait_for "^STOPPING=1$"
    waits_for_beats(4)
    stage:open_gate()
    assert.equal(0, host.process:wait())
  end)

  it("hears of a host whose Redis is away, which the STATUS line shows", function()
    start_host(path(), env)
    store:close()
    redis.process:stop()
    local away = socket:wait_for "Redis at unix:.*: .+"
    waits_for_beats(4)
    redis:start()
    socket:wait_for("Redis at unix:[^:]*$", away)
  end)

  it("hears of a host whose workers are in steps that last longer", function()
    start_host(path(), env)
    begin_busy(2)
    waits_for_beats(8) -- twice what it waits for one
    stage:open_gate()
    for i = 1, 2 do assert.equal("completed", store:ended("busy-" .. i).state) end
  end)

  it("of another process is not served", function()
    env.WATCHDOG_PID = 1
    start_host(path(), env)
    host.process:signal "TERM"
    socket:wait_for "^STOPPING=1$"
    assert.equal(0, socket:count "WATCHDOG")
  end)
end)

it("a program that a step starts cannot speak for the host", function()
  start_host(path(), { WATCHDOG_USEC = WATCHDOG_USEC })
  store:start("r", "environment")
  assert.equal('""', store:ended("r").result)
end)
