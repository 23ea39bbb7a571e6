-- Hosts and their Redis, stopped, killed and cut off: acknowledged runs go on, and no host moves a run that it lost.

local stages = require "tests.stage"
local support = require "tests.support"
local system = require "system"

local FOLDERS = { "tests/fixtures/stories" }
local TAKEN_OVER_MS = 2000 -- what a dead host's runs may stand still

local stage, redis, store, folder

local function begin(settings, movable) redis, store = stage:begin(settings, movable) end

local function start_host(...) return stage:host(...) end

local function data(more) return stage:data(more) end

local function open_gate() stage:open_gate() end

local function now_ms()
  local time = store:call "TIME"
  return math.tointeger(tonumber(time[1])) * 1000 + math.tointeger(tonumber(time[2])) // 1000
end

local function says(host, text)
  support.wait_until("a host to say: " .. text, function()
    return host.process:stderr():find(text, 1, true)
  end)
end

-- How often a host has said something.
local function times(host, text)
  local _, count = host.process:stderr():gsub(text, "")
  return count
end

local function process_ids()
  local pids = {}
  for pid in (stage:notes()):gmatch "(%d+)\n" do pids[pid] = true end
  return pids
end

before_each(function()
  stage = stages.new(FOLDERS[1])
  folder = stage.folder
end)

after_each(function() stage:stop() end)

describe("a host", function()
  it("that is killed is replaced by another within two seconds", function()
    begin()
    local first = start_host "one"
    store:start("r", "gated", data())
    store:becomes("r", "waiting")
    support.wait_until("a host to hold it", function() return store:run("r").owner end)
    start_host "two"
    local killed_at = now_ms()
    first:kill()
    open_gate()
    local run = store:ended "r"
    assert.equal("completed", run.state)
    local stood_still = run.finished_at - killed_at
    assert.is_true(stood_still <= TAKEN_OVER_MS, stood_still .. " ms")
    support.wait_until("all to be given up", function() return #store:faults() == 0 end)
  end)

  it("that stood still until its lease was taken ends with 75, and has written nothing", function()
    begin()
    local first = start_host "one"
    store:start("r", "busy", data())
    local pid = tostring(first.process.pid)
    support.wait_until("the step to begin", function() return process_ids()[pid] end)
    first.process:signal "STOP"
    local second = start_host "two"
    says(second, "took back 1 runs")
    support.wait_until("it to begin there", function()
      return process_ids()[tostring(second.process.pid)]
    end)
    open_gate()
    local run = store:ended "r"
    assert.equal("completed", run.state)
    first.process:signal "CONT"
    assert.equal(75, first.process:wait(), first.process:stderr())
    assert.matches("the lease of this host was taken", first.process:stderr(), 1, true)
    assert.same(run, store:run "r")
    local _, after = support.read(folder .. "/notes"):gsub("after\n", "")
    assert.equal(1, after)
    assert.same({}, store:faults())
  end)

  it("that dies by one of its runs again and again gives that one up, not its neighbours", function()
    begin()
    for i = 1, 3 do
      store:start("sleeper-" .. i, "naps", data { times = 2, nap = "500ms" })
      store:start("neighbour-" .. i, "gated", data())
    end
    store:start("killer", "killer")
    local host = start_host "one"
    local deaths = 0
    repeat
      support.wait_until("its end, or the host's", function()
        return host.process:status() or store:run("killer").finished_at
      end)
      if not host.process:status() then break end
      assert.equal(128 + 9, host:kill())
      deaths = deaths + 1
      host.process = support.process {
        support.build .. "/weir", "serve", FOLDERS[1], "--redis", redis.url, "--node", "one",
      }
    until deaths > 5
    assert.equal(5, deaths)
    local run = store:run "killer"
    assert.same({ "failed", "crash_loop" }, { run.state, run.error.code })
    assert.matches("5 processes died", run.error.message, 1, true)
    open_gate()
    for i = 1, 3 do
      assert.equal("completed", store:ended("sleeper-" .. i).state)
      assert.equal("completed", store:ended("neighbour-" .. i).state)
    end
    assert.same({}, store:faults())
  end)
end)

describe("a host whose stderr is not read", function()
  local host

  -- Its stderr is a pipe that is open and holds 64 KiB.
  local function start_unread(more)
    os.execute("mkfifo " .. folder .. "/log")
    local words = {
      "sh", "-c", [[exec 4<>"$1"; shift; exec "$@" 2>&4]], "sh", folder .. "/log",
      support.build .. "/weir", "serve", FOLDERS[1], "--redis", redis.url, "--workers", "2", "--node", "one",
    }
    table.move(more or {}, 1, #(more or {}), #words + 1, words)
    host = support.process(words)
  end

  before_each(function() begin() end)
  after_each(function() host:stop() end)

  it("goes on, says later how many lines it left out, and stops when it is told to", function()
    start_unread()
    store:start("talks", "talks", { lines = 3000 })
    assert.equal("completed", store:ended("talks").state)
    store:start("after", "tally", data())
    assert.equal("completed", store:ended("after").state)
    local reader = support.process { "cat", folder .. "/log" }
    support.wait_until("the lines left out to be told", function()
      return reader:stdout():find "warn +%d+ lines of the log were dropped"
    end)
    host:signal "TERM"
    assert.equal(0, host:wait())
    assert.equal(0, reader:wait())
    local _, lines = reader:stdout():gsub("talks: x+\n", "")
    local left_out = tonumber(reader:stdout():match "(%d+) lines of the log were dropped")
    assert.equal(3000, lines + left_out)
    assert.is_true(lines >= 1000, lines .. " lines")
    assert.matches("stopping: [^\n]+\n$", reader:stdout())
    reader:stop()
  end)

  it("stops when it is told to, though what it logs goes nowhere", function()
    start_unread()
    store:start("talks", "talks", { lines = 3000 })
    assert.equal("completed", store:ended("talks").state)
    host:signal "TERM"
    assert.equal(0, host:wait())
  end)

  it("gives up by the watchdog", function()
    start_unread { "--max-stuck", "1s" }
    store:start("talks", "talks", { lines = 3000 })
    assert.equal("completed", store:ended("talks").state)
    store:start("r", "busy", data())
    assert.equal(128 + 6, host:wait())
  end)
end)

describe("a run that keeps its worker for too long", function()
  it("costs two processes, and fails", function()
    begin()
    store:start("r", "busy", data())
    for _, node in ipairs { "one", "two" } do
      local host = start_host(node, { "--max-stuck", "500ms" })
      assert.equal(128 + 6, host.process:wait(), host.process:stderr())
      assert.matches("run r has kept worker %d for more than 0.5 s", host.process:stderr())
    end
    start_host("three", { "--max-stuck", "500ms" })
    local run = store:ended "r"
    assert.same({ "failed", "crash_loop" }, { run.state, run.error.code })
    assert.matches("2 processes ended, as it kept a worker", run.error.message, 1, true)
    assert.same({}, store:faults())
  end)
end)

describe("when Redis", function()
  it("stands still, no host is taken for dead", function()
    begin()
    local first, second = start_host "one", start_host "two"
    store:start("r", "gated", data())
    store:becomes("r", "waiting")
    redis.process:signal "STOP"
    system.sleep(3) -- more than two leases
    redis.process:signal "CONT"
    open_gate()
    assert.equal("completed", store:ended("r").state)
    local beats = store:calls "zadd"
    support.wait_until("some beats", function() return store:calls "zadd" >= beats + 6 end)
    for _, host in ipairs { first, second } do
      assert.is_nil(host.process:status())
      assert.equal(0, times(host, "took back"), host.process:stderr())
    end
    assert.equal(2, store:call("ZCARD", store.key .. "leases"))
    assert.same({}, store:faults())
  end)

  it("dies and comes back, hosts go on, and say so once", function()
    begin { "--appendfsync", "always" }
    local host = start_host "one"
    for i = 1, 5 do store:start("r" .. i, "gated", data()) end
    for i = 1, 5 do
      support.wait_until("it to begin", function() return next(store:outcomes("r" .. i)) end)
    end
    store:close() -- who writes to a connection that is dead is killed
    redis.process:stop()
    says(host, "trying again")
    redis:start()
    open_gate()
    for i = 1, 5 do assert.equal("completed", store:ended("r" .. i).state) end
    says(host, "is back")
    assert.equal(1, times(host, "trying again"), host.process:stderr())
    assert.equal(1, times(host, "is back"), host.process:stderr())
    assert.same({}, store:faults())
  end)

  it("has forgotten the scripts, they are brought again", function()
    begin()
    local host = start_host "one"
    store:start("r", "naps", data { times = 100, nap = "5ms" })
    local flushed = 0
    while store:state "r" ~= "completed" do
      store:call("SCRIPT", "FLUSH")
      flushed = flushed + 1
      system.sleep(0.01)
    end
    assert.is_true(flushed > 3) -- in half a second at least
    assert.is_nil(host.process:status())
    assert.equal(0, times(host, "NOSCRIPT"))
    assert.same({}, store:faults())
  end)

  it("has no memory left, runs wait for it, and nothing is lost", function()
    begin()
    local host = start_host "one"
    store:start("r", "gated", data())
    store:becomes("r", "waiting")
    store:call("CONFIG", "SET", "maxmemory", 1)
    says(host, "OOM")
    open_gate()
    for _, words in ipairs { { "doctor" }, { "why" }, { "why", "r" } } do
      assert.matches("no run moves, as Redis is full", host:weir(table.unpack(words)).stdout, 1, true)
    end
    local refused = host:weir("start", "gated")
    assert.equal(69, refused.status)
    assert.matches("cannot serve just now: OOM command not allowed", refused.stderr, 1, true)
    assert.equal("waiting", store:state "r")
    store:call("CONFIG", "SET", "maxmemory", 0)
    assert.equal("completed", store:ended("r").state)
    says(host, "is back")
    assert.equal(1, times(host, "trying again"), host.process:stderr())
    assert.same({}, store:faults())
  end)

  it("has its clock put back and forward again, later sleeps are not late", function()
    begin({}, true)
    start_host("one", { "--workers", "1" })
    store:start("nap", "naps", data { times = 1, nap = "1s" })
    store:becomes("nap", "waiting")
    redis:set_clock(-3600000)
    store:start("meanwhile", "naps", data { times = 1, nap = "1ms" })
    assert.equal("completed", store:ended("meanwhile").state)
    redis:set_clock(0)
    assert.equal("completed", store:ended("nap").state)
    local began = system.monotime()
    store:start("naps", "naps", data { times = 40, nap = "20ms" })
    assert.equal("completed", store:ended("naps").state)
    local took = system.monotime() - began -- some 1 s; 12 s if each sleep ends with a beat
    assert.is_true(took < 6, took .. " s")
  end)

  it("has its clock put back as a host dies, its runs go on all the same", function()
    begin({}, true)
    local first = start_host "one"
    store:start("r", "busy", data())
    support.wait_until("the step to begin", function() return next(process_ids()) end)
    local second = start_host "two"
    first:kill()
    redis:set_clock(-3600000)
    open_gate()
    says(second, "took back 1 runs")
    assert.equal("completed", store:ended("r").state)
    assert.same({}, store:faults())
  end)

  it("cuts all connections again and again, everything finishes once", function()
    begin()
    local one, two = start_host "one", start_host "two"
    local count, every = 400, 20 -- also while runs are started: on a machine that is fast or late all end meanwhile
    local function cut() store:call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") end
    for i = 1, count do
      store:start("r" .. i, "tally", data())
      if i % every == 0 then cut() end
    end
    for i = 1, count do
      while store:state("r" .. i) ~= "completed" do
        cut()
        system.sleep(0.01)
      end
    end
    local _, lines = support.read(folder .. "/notes"):gsub("\n", "")
    assert.is_true(lines >= 2 * count)
    -- a host that a slow machine keeps from its heartbeats loses its lease, and steps run again elsewhere
    if times(one, "took back") + times(two, "took back") == 0 then assert.equal(2 * count, lines) end
    assert.same({}, store:faults())
  end)
end)
