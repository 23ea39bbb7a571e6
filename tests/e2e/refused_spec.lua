-- A Redis that answers, and refuses what is asked: hosts wait, say once why and what to do, and go on where they were.

local facts = require "tests.facts"
local support = require "tests.support"
local system = require "system"

local FOLDERS = { "tests/fixtures/stories" }
local RUNS = 5

-- Each of three connections tries again after 1, 2, 4 ... 1000 ms, so that all of them try less often than so within
-- 100 ms. The outage lasts until there were some tries, by however many of them.
local TOO_OFTEN, LEAST_S, TRIES = 24, 0.1, 9

local redis, store, folder, host

local function serve() host = support.host(FOLDERS, { redis = redis, flags = { "--workers", "2" } }) end

local function data() return { gate = folder .. "/gate", notes = folder .. "/notes" } end

local function times(text)
  local _, count = host.process:stderr():gsub(text, "")
  return count
end

local function says(text)
  support.wait_until("the host to say: " .. text, function() return times(text) > 0 end)
end

-- How often a connection was made anew: each loads the script first.
local function tries()
  local line = store:call("INFO", "commandstats"):match "cmdstat_script|load:([^\r\n]*)" or ""
  return tonumber(line:match "calls=(%d+)" or 0) + tonumber(line:match "rejected_calls=(%d+)" or 0)
end

local function begin_runs()
  for i = 1, RUNS do store:start("r" .. i, "gated", data()) end
  for i = 1, RUNS do store:becomes("r" .. i, "waiting") end
end

-- Has Redis refuse for a while, with runs that want to go on.
local function refuse_for_a_while(refuse, word)
  begin_runs()
  store:call("CONFIG", "RESETSTAT")
  local began = system.monotime()
  refuse()
  support.write(folder .. "/gate", "")
  support.wait_until("it to have had time", function()
    return system.monotime() - began > LEAST_S or tries() >= TOO_OFTEN
  end)
  assert.is_true(tries() < TOO_OFTEN, "it spins")
  support.wait_until("it to try again", function() return tries() >= TRIES end)
  says(word)
end

local function go_on()
  for i = 1, RUNS do
    local run = store:ended("r" .. i)
    assert.equal("completed", run.state, run.error and run.error.message)
  end
  says "is back"
  assert.equal(1, times "trying again", host.process:stderr())
  assert.equal(1, times "is back", host.process:stderr())
  assert.is_nil(host.process:status())
  assert.same({}, store:faults())
end

-- A Redis whose default user, as whom hosts come, is not who looks at it.
local function begin(settings)
  redis = support.redis(settings)
  store = facts.of(redis)
  store:call("ACL", "SETUSER", "observer", "on", ">sesame", "allkeys", "allchannels", "allcommands")
  store:call("AUTH", "observer", "sesame")
end

before_each(function()
  folder = support.folder()
  begin()
end)

after_each(function()
  support.write(folder .. "/gate", "")
  if host then host:kill() end
  host = nil
  store:close()
  redis:stop()
  support.remove(folder)
end)

describe("a Redis that refuses", function()
  it("to write, as a replica", function()
    serve()
    refuse_for_a_while(function() store:call("REPLICAOF", "127.0.0.1", 1) end, "READONLY")
    assert.equal(1, times "give %-%-redis its primary")
    store:call("REPLICAOF", "NO", "ONE")
    go_on()
  end)

  it("to write, as it cannot save", function()
    redis:stop()
    begin { "--enable-protected-configs", "yes" }
    serve()
    refuse_for_a_while(function()
      store:call("CONFIG", "SET", "save", "3600 1")
      os.execute(("mkdir %s/gone"):format(folder))
      store:call("CONFIG", "SET", "dir", folder .. "/gone")
      os.execute(("rmdir %s/gone"):format(folder))
      store:call("BGSAVE")
    end, "MISCONF")
    store:call("CONFIG", "SET", "save", "")
    go_on()
  end)
end)

describe("a script that raises", function()
  it("is told with where, and tried again", function()
    store:call("SET", store.key .. "idle:*", "is a sorted set of weir's")
    serve()
    says "WRONGTYPE [^\n]* on @user_script:%d+%.?; weir needs [^\n]* weir doctor"
    store:call("DEL", store.key .. "idle:*")
    says "is back"
    begin_runs()
    support.write(folder .. "/gate", "")
    go_on()
  end)

  it("for long ends the host", function()
    store:call("SET", store.key .. "idle:*", "is a sorted set of weir's")
    host = support.host(FOLDERS, { redis = redis, flags = { "--drain", "100ms" } })
    local status = host.process:wait()
    assert.equal(70, status, host.process:stderr())
    assert.matches("a script of weir has failed for 5 s: this host ends\n", host.process:stderr())
  end)

  it("as a host or a command begins ends it with a sentence", function()
    store:call("SET", store.key .. "meta", "is a hash of weir's")
    for _, words in ipairs { { "serve", FOLDERS[1] }, { "start", "echo" } } do
      local process = support.process({ support.build .. "/weir", table.unpack(words) }, { WEIR_REDIS = redis.url })
      local status, line = process:wait(), process:stderr()
      process:stop()
      assert.equal(70, status, line)
      assert.matches("WRONGTYPE [^\n]*; weir needs Redis 7%.0 to 8 [^\n]*\n$", line)
    end
  end)

  it("ends weir run with a sentence", function()
    local bin <const> = folder .. "/bin"
    os.execute("mkdir " .. bin)
    support.write(bin .. "/redis-server",
      "#!/bin/sh\nPATH=${PATH#*:} exec redis-server \"$@\" --rename-command EVALSHA ''\n")
    os.execute("chmod +x " .. bin .. "/redis-server")
    local process = support.process({ support.build .. "/weir", "run", "hello", "--dir", "workflows" },
      { PATH = bin .. ":" .. os.getenv "PATH" })
    local status, line = process:wait(), process:stderr()
    process:stop()
    assert.equal(70, status, line)
    assert.matches("unknown command 'EVALSHA'[^\n]*; weir needs Redis", line)
  end)
end)

describe("a user of Redis who loses the right", function()
  local function loses(...)
    local lost, given = { ... }, {}
    for i, rule in ipairs(lost) do given[i] = rule:gsub("^%-", "+") end
    serve()
    refuse_for_a_while(function() store:call("ACL", "SETUSER", "default", table.unpack(lost)) end,
      "ACL SETUSER default")
    store:call("ACL", "SETUSER", "default", table.unpack(given))
    go_on()
    store:start("later", "gated", data())
    assert.equal("completed", store:ended("later").state)
  end

  it("to run scripts", function() loses "-evalsha" end)
  it("to load them", function() loses("-evalsha", "-script") end)
  it("to read", function() loses "-hmget" end)
  it("to write", function() loses "-hincrby" end)
  it("to take runs", function() loses "-zremrangebyrank" end)
  it("to remember who waits", function() loses "-zadd" end)
  it("to let go of what is awake", function() loses "-zrem" end)
  it("to wake others", function() loses "-publish" end)
end)

describe("a host", function()
  it("whose user may not listen does not start, and says what to grant", function()
    store:call("ACL", "SETUSER", "default", "resetchannels")
    local process = support.process { support.build .. "/weir", "serve", FOLDERS[1], "--redis", redis.url }
    finally(function() process:stop() end)
    assert.equal(77, process:wait(), process:stderr())
    assert.matches("NOPERM.*; grant it: ACL SETUSER default ~weir:%* &weir:%* %+config|get [^\n]* %+zscore\n",
      process:stderr())
  end)

  it("whose user may not listen any more goes on when he may", function()
    serve()
    begin_runs()
    store:call("ACL", "SETUSER", "default", "resetchannels")
    says "grant it: ACL SETUSER default"
    support.write(folder .. "/gate", "")
    store:call("ACL", "SETUSER", "default", "&weir:*")
    go_on()
  end)
end)

describe("a command", function()
  local function says_of(...)
    local words = { ... }
    words[#words + 1] = { env = { WEIR_REDIS = redis.url } }
    local reply = support.weir(table.unpack(words))
    return reply.status, (reply.stderr:gsub("unix:%S+", "URL", 1))
  end

  it("whose user lacks a right says what to grant", function()
    store:call("ACL", "SETUSER", "default", "-hget")
    local status, line = says_of("start", "echo", "--id", "r")
    assert.equal(77, status, line)
    assert.matches("^weir: Redis at URL refused a call: .*; grant it: ACL SETUSER default ~weir:%* [^\n]*\n$", line)
  end)

  it("whose user may not listen says what to grant", function()
    serve()
    begin_runs()
    store:call("ACL", "SETUSER", "default", "resetchannels")
    local status, line = says_of("wait", "r1")
    assert.equal(77, status, line)
    assert.matches("^weir: Redis at URL refused a call: NOPERM .*&weir:%*[^\n]*\n$", line)
  end)

  it("of a replica says so, and has written nothing", function()
    serve()
    store:call("REPLICAOF", "127.0.0.1", 1)
    local keys = store:call "DBSIZE"
    local status, line = says_of("start", "echo", "--id", "r")
    assert.equal(69, status, line)
    assert.equal("weir: Redis at URL cannot serve just now: READONLY You can't write against a read only replica; "
      .. "give --redis its primary\n", line)
    assert.equal(keys, store:call "DBSIZE")
    local doctor = support.weir("doctor", { env = { WEIR_REDIS = redis.url } })
    assert.equal(1, doctor.status)
    assert.matches("this Redis is a replica of 127.0.0.1:1: what weir shows here may be old", doctor.stdout, 1, true)
  end)

  -- One of the binary that begins while Redis is busy, lasts longer than that, and had `verb` refused.
  local function begin_while_busy(verb, words, url)
    local slow = "local t = redis.call('TIME') local ends = t[1] * 1000 + t[2] / 1000 + 300 "
      .. "repeat t = redis.call('TIME') until t[1] * 1000 + t[2] / 1000 > ends"
    store:call("CONFIG", "SET", "busy-reply-threshold", 1)
    store:call("CONFIG", "RESETSTAT")
    return support.wait_until(verb .. " to be refused", function()
      local busy = support.process { "redis-cli", "-s", redis.socket, "EVAL", slow, "0" }
      local process = support.process({ support.build .. "/weir", table.unpack(words) }, { WEIR_REDIS = url })
      busy:wait()
      busy:stop()
      if store:call("INFO", "commandstats"):find(verb .. ":[^\n]*rejected_calls=[1-9]") then return process end
      process:stop()
    end)
  end

  it("that listens while Redis is busy listens again", function()
    serve()
    begin_runs()
    local process = begin_while_busy("subscribe", { "wait", "r1" }, redis.url)
    finally(function() process:stop() end)
    support.wait_until("it to look at the run, as the host's three connections did", function()
      return select(2, store:call("CLIENT", "LIST"):gsub("cmd=evalsha ", "")) == 4
    end)
    support.write(folder .. "/gate", "")
    assert.equal(0, process:wait(), process:stderr())
  end)

  -- A free port, which Redis finds.
  local function open_port()
    return support.wait_until("a port", function()
      local port = math.random(20000, 30000)
      return pcall(store.call, store, "CONFIG", "SET", "port", port) and port
    end)
  end

  it("that chooses its database while Redis is busy is no stranger", function()
    local url = ("redis://127.0.0.1:%d/1"):format(open_port())
    local process = begin_while_busy("select", { "list" }, url)
    finally(function() process:stop() end)
    assert.equal(0, process:wait(), process:stderr())
  end)

  it("whose database is not there says so", function()
    local url = ("redis://127.0.0.1:%d/99"):format(open_port())
    for _, words in ipairs { { "list" }, { "serve", FOLDERS[1] } } do
      local process = support.process({ support.build .. "/weir", table.unpack(words) }, { WEIR_REDIS = url })
      local status, line = process:wait(), process:stderr()
      process:stop()
      assert.equal(77, status, line)
      assert.matches("DB index is out of range; give %-%-redis a database that it has\n$", line)
    end
  end)
end)
