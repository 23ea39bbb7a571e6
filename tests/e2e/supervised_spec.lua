-- A host under a supervisor: its signals, how it stops, and when it refuses to be. notify_spec.lua has its messages.

local stages = require "tests.stage"
local support = require "tests.support"
local system = require "system"

local FOLDERS = { "tests/fixtures/stories" }

local stage, redis, store, folder

local function start_host(...) return stage:host(...) end

local function data() return stage:data() end

local function open_gate() stage:open_gate() end

local function begin_busy(id)
  store:start(id, "busy", data())
  support.wait_until("the step to begin", function() return support.read(folder .. "/notes") end)
end

local function says(process, text)
  support.wait_until("the host to say: " .. text, function()
    return process:stderr():find(text, 1, true)
  end)
end

before_each(function()
  stage = stages.new(FOLDERS[1])
  redis, store = stage:begin()
  folder = stage.folder
end)

after_each(function() stage:stop() end)

describe("a host that is started while Redis is away", function()
  local process

  before_each(function()
    store:close()
    redis.process:stop()
    process = support.process { support.build .. "/weir", "serve", FOLDERS[1], "--redis", redis.url }
    says(process, "trying again")
  end)

  after_each(function() process:stop() end)

  it("waits for it, and says so once", function()
    system.sleep(0.5)
    assert.is_nil(process:status())
    redis:start()
    says(process, "ready")
    local _, lines = process:stderr():gsub("trying again", "")
    assert.equal(1, lines, process:stderr())
    store:start("r", "echo")
    assert.equal("completed", store:ended("r").state)
  end)

  it("ends at once when it is told to, and when Redis comes back and does not let it in", function()
    process:signal "TERM"
    assert.equal(0, process:wait())
    process:stop()
    process = support.process { support.build .. "/weir", "serve", FOLDERS[1], "--redis", redis.url }
    says(process, "trying again")
    redis.settings = { "--requirepass", "sesame" }
    redis.call = function() return "PONG" end -- it answers no other client either
    redis:start()
    assert.equal(77, process:wait(), process:stderr())
    redis.settings, redis.call = {}, nil
    redis.process:stop()
    redis:start()
  end)
end)

describe("a host that gets SIGHUP", function()
  it("goes on, and says that it has read its files again", function()
    local host = start_host "one"
    for _ = 1, 2 do host.process:signal "HUP" end
    says(host.process, "its files are as they were")
    store:start("r", "echo")
    assert.equal("completed", store:ended("r").state)
    host.process:signal "TERM"
    assert.equal(0, host.process:wait())
  end)

  -- `script` holds the terminal, and is killed.
  local function close_terminal(shell)
    local command = ("%s/weir serve %s --redis %s --node one 2>%s/log"):format(support.build, FOLDERS[1],
      redis.url, folder)
    local terminal = support.process { "script", "-qec", shell:format(command), "/dev/null" }
    local function logs(text)
      return support.wait_until("the host to say: " .. text, function()
        return (support.read(folder .. "/log") or ""):find(text, 1, true)
      end)
    end
    logs "ready"
    terminal:stop()
    return logs
  end

  it("as its terminal is closed, stops and gives everything back", function()
    local logs = close_terminal "exec env --default-signal=HUP %s" -- the tests may run under nohup
    logs "stopping"
    support.wait_until("its lease to be given back", function()
      return store:call("ZCARD", store.key .. "leases") == 0
    end)
  end)

  it("as its terminal is closed, goes on under nohup", function()
    close_terminal "trap '' HUP; exec %s"
    store:start("r", "echo")
    assert.equal("completed", store:ended("r").state)
    local number = store:call("ZRANGE", store.key .. "leases", 0, 0)[1]
    local pid = store:call("HGET", store.key .. "host:" .. number, "pid")
    os.execute("kill -TERM " .. pid)
    support.wait_until("its end", function() return not support.read("/proc/" .. pid .. "/stat") end)
  end)
end)

describe("a host that is told to stop", function()
  it("lets running Lua reach its next yield, gives everything back and ends with 0", function()
    local host = start_host "one"
    store:start("waits", "day")
    store:becomes("waits", "waiting")
    begin_busy "busy"
    host.process:signal "TERM"
    says(host.process, "stopping")
    assert.is_nil(host.process:status())
    store:start("late", "echo") -- no worker takes it any more
    open_gate()
    assert.equal(0, host.process:wait(), host.process:stderr())

    assert.equal("completed", store:outcomes("busy").hold)
    assert.equal("ready", store:state "busy")
    assert.equal("waiting", store:state "waits")
    assert.equal("ready", store:state "late")
    assert.same({}, store:call("KEYS", store.key .. "owned:*"))
    assert.equal(0, store:call("ZCARD", store.key .. "leases"))
    assert.same({}, store:faults())

    start_host "two"
    assert.equal("completed", store:ended("busy").state)
    assert.equal("completed", store:ended("late").state)
    local _, times = support.read(folder .. "/notes"):gsub("\n", "")
    assert.equal(2, times, "the step that holds and the one after, once each")
  end)

  for _, how in ipairs { "STOP", "KILL" } do
    it("while Redis is away (" .. how .. ") does not wait for it", function()
      local host = start_host "one"
      store:start("waits", "day")
      store:becomes("waits", "waiting")
      store:close()
      redis.process:signal(how)
      local began = system.monotime()
      host.process:signal "TERM"
      assert.equal(0, host.process:wait(), host.process:stderr())
      assert.is_true(system.monotime() - began < 10) -- 30 s is its time to drain
      assert.matches("Redis cannot serve now: stopping without it", host.process:stderr(), 1, true)
      if how == "STOP" then
        redis.process:signal "CONT"
      else
        redis.process:stop()
        redis:start()
      end
      store:start("echo", "echo")
      start_host "two"
      assert.equal("completed", store:ended("echo").state)
      support.wait_until("its runs to be taken back", function() return not store:run("waits").owner end)
      assert.same({}, store:faults())
    end)
  end

  it("while Redis is full does not wait for memory", function()
    local host = start_host "one"
    begin_busy "busy"
    store:call("CONFIG", "SET", "maxmemory", 1)
    open_gate()
    says(host.process, "OOM")
    local began = system.monotime()
    host.process:signal "TERM"
    assert.equal(0, host.process:wait(), host.process:stderr())
    assert.is_true(system.monotime() - began < 10) -- 30 s is its time to drain
    assert.matches("Redis cannot serve now: stopping without it", host.process:stderr(), 1, true)
    store:call("CONFIG", "SET", "maxmemory", 0)
    start_host "one"
    assert.equal("completed", store:ended("busy").state)
    assert.same({}, store:faults())
  end)

  it("while Redis is away lets running Lua reach its end, and Redis come back", function()
    local host = start_host "one"
    begin_busy "busy"
    redis.process:signal "STOP"
    host.process:signal "TERM"
    says(host.process, "stopping")
    system.sleep(2.5) -- longer than it waits for Redis alone
    assert.is_nil(host.process:status())
    redis.process:signal "CONT"
    open_gate()
    assert.equal(0, host.process:wait(), host.process:stderr())
    assert.equal("completed", store:outcomes("busy").hold)
  end)

  it("ends with 0 when its time to drain is over, and the run begins again elsewhere", function()
    local host = start_host("one", { "--drain", "50ms" })
    begin_busy "busy"
    host.process:signal "TERM"
    assert.equal(0, host.process:wait(), host.process:stderr())
    assert.matches("within --drain", host.process:stderr(), 1, true)
    start_host "one"
    open_gate()
    assert.equal("completed", store:ended("busy").state)
  end)

  it("ends at once when it is told twice", function()
    local host = start_host "one"
    begin_busy "busy"
    host.process:signal "TERM"
    says(host.process, "stopping")
    host.process:signal "TERM"
    assert.equal(128 + 15, host.process:wait())
  end)
end)

describe("a node", function()
  it("that is killed and started again takes back its runs at once", function()
    local host = start_host "one"
    store:start("r", "gated", data())
    store:becomes("r", "waiting")
    assert.equal(128 + 9, host:kill())
    local lease = store:call("ZRANGE", store.key .. "leases", 0, -1, "WITHSCORES")
    host:start()
    open_gate()
    local run = store:ended "r"
    assert.equal("completed", run.state)
    local before = math.tointeger(tonumber(lease[2]))
    assert.is_true(run.finished_at < before, "not before the old lease ran out")
  end)

  it("that is alive on this machine is refused", function()
    start_host "one"
    local words = { "serve", FOLDERS[1], "--node", "one", "--redis", redis.url }
    local reply = support.weir(table.unpack(words))
    assert.equal(78, reply.status)
    assert.matches("node one is alive here", reply.stderr, 1, true)
  end)

  -- A host elsewhere has another boot and namespace than this machine.
  local function move_elsewhere()
    local host = store:call("HGET", store.key .. "nodes", "one")
    store:call("HSET", store.key .. "host:" .. host, "boot", "another")
    return host
  end

  it("that died on another machine waits for its lease to run out", function()
    local host = start_host "one"
    store:start("r", "gated", data())
    store:becomes("r", "waiting")
    host:kill()
    local lease = store:call("ZSCORE", store.key .. "leases", move_elsewhere())
    host:start()
    assert.matches("waiting for its lease to run out", host.process:stderr(), 1, true)
    open_gate()
    local run = store:ended "r"
    assert.equal("completed", run.state)
    assert.is_true(run.finished_at >= math.tointeger(tonumber(lease)))
  end)

  it("that is alive on another machine is refused", function()
    start_host "one"
    move_elsewhere()
    local words = { "serve", FOLDERS[1], "--node", "one", "--redis", redis.url }
    local reply = support.weir(table.unpack(words))
    assert.equal(78, reply.status)
    assert.matches("node one is alive on another machine", reply.stderr, 1, true)
  end)
end)
