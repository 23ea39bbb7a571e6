-- A Redis that does not keep what it acknowledges is refused, and one that has lost something is noticed before one
-- more change is acknowledged.

local facts = require "tests.facts"
local support = require "tests.support"
local system = require "system"

local FLOWS = [[
local weir = require "weir"
return {
  weir.workflow { id = "quick", run = function(ctx) return "done" end },
  weir.workflow {
    id = "naps",
    run = function(ctx)
      for i = 1, 50 do ctx:sleep("20ms", { id = "nap-" .. i }) end
      return "rested"
    end,
  },
}]]

local folder, state, redis, host

-- A host as a supervisor starts it: it may end at once.
local function serve(flags, env)
  local words = { support.build .. "/weir", "serve", folder, "--redis", redis.url, "--node", "n", "--workers", "2",
    "--state-dir", state }
  return support.process(table.move(flags or {}, 1, #(flags or {}), #words + 1, words), env)
end

local function says(process, text)
  support.wait_until("the host to say: " .. text, function()
    local stderr, status = process:stderr(), process:status()
    if not stderr:find(text, 1, true) and status then error(("exit %d\n%s"):format(status, stderr), 0) end
    return stderr:find(text, 1, true)
  end)
end

local function ready(...)
  host = serve(...)
  says(host, " ready: ")
  return host
end

local function weir(...)
  local words = { ... }
  words[#words + 1] = { env = { WEIR_REDIS = redis.url } }
  return support.weir(table.unpack(words))
end

local function start(...)
  local reply = weir("start", ...)
  assert.equal(0, reply.status, reply.stderr)
  return reply.stdout
end

local function refused(status, ...)
  local process = serve(...)
  local code, stderr = process:wait(), process:stderr()
  process:stop()
  assert.equal(status, code, stderr)
  return stderr
end

local function mark()
  local fields = {}
  for name, value in (support.read(state .. "/weir.history") or ""):gmatch "(%S+) (%S+)" do fields[name] = value end
  return fields
end

-- Waits until the disk knows all that the host has seen so far.
local function settled()
  local commit = tonumber(redis:call("HGET", "weir:{0}:meta", "commit"))
  support.wait_until("the mark to be behind nothing", function()
    return (tonumber(mark().settled) or 0) >= commit
  end)
end

local function keys() return redis:call("KEYS", "weir:*") end

before_each(function()
  folder, state = support.folder(), support.folder()
  support.write(folder .. "/flows.lua", FLOWS)
  host = nil
end)

after_each(function()
  if host then host:stop() end
  redis:stop()
  support.remove(folder)
  support.remove(state)
end)

describe("a Redis that is not safe", function()
  it("is refused, with the setting and the command that changes it", function()
    redis = support.redis { "--appendonly", "no", "--maxmemory-policy", "allkeys-lru" }
    local function refuses(durability, ...)
      local stderr = refused(80, { "--durability", durability })
      for _, text in ipairs { ... } do assert.truthy(stderr:find(text, 1, true), stderr) end
      assert.equal("", keys())
    end
    refuses("none", "is refused: its maxmemory-policy is allkeys-lru", "CONFIG SET maxmemory-policy noeviction")
    redis:call("CONFIG", "SET", "maxmemory-policy", "volatile-lru") -- no key of weir has a TTL
    refuses("everysec", "its appendonly is no", "CONFIG SET appendonly yes", "--durability none")
    redis:call("CONFIG", "SET", "appendonly", "yes")
    refuses("always", "its appendfsync is everysec, which is weaker than --durability always",
      "CONFIG SET appendfsync always")
    redis:call("CONFIG", "SET", "appendfsync", "no")
    refuses("everysec", "its appendfsync is no", "CONFIG SET appendfsync everysec")
    redis:call("CONFIG", "SET", "appendfsync", "always")
    ready { "--durability", "always" }
  end)

  it("is served with --durability none, and so is one that loses everything", function()
    redis = support.redis { "--appendonly", "no" }
    ready { "--durability", "none" }
    start("quick", "--wait")
    redis.process:stop()
    redis:start()
    says(host, "lost all data: ")
    assert.equal(75, host:wait()) -- its lease is gone, too
    host:stop()
    ready { "--durability", "none" }
    start("quick", "--wait")
  end)

  it("that does not tell its settings is served, and the host says so", function()
    redis = support.redis()
    redis:call("ACL", "SETUSER", "default", "-config", "-info")
    ready()
    says(host, "it does not tell whether it has an append-only file, so whether it keeps to --durability everysec")
    start("quick", "--wait")
  end)

  it("is waited for without a replica, where one is asked for", function()
    redis = support.redis()
    host = serve { "--durability", "replicated" }
    says(host, "no replica is connected, which --durability replicated needs")
    assert.equal("", keys())
  end)

  it("while the host runs is told of, and gets no more runs until it is mended", function()
    redis = support.redis()
    ready()
    redis:call("CONFIG", "SET", "appendonly", "no")
    says(host, "is not safe any more: its appendonly is no")
    start("quick", "--id", "later")
    local look = facts.of(redis)
    assert.equal("ready", look:run("later").state)
    redis:call("CONFIG", "SET", "appendonly", "yes")
    says(host, "is safe again")
    assert.equal(0, weir("wait", "later").status)
    look:close()
  end)
end)

describe("a Redis that forgot", function()
  local function aof() return redis.folder .. "/appendonlydir" end

  local function copy(from, to) assert(os.execute(("rm -rf '%s' && cp -r '%s' '%s'"):format(to, from, to))) end

  local function restart_on(data)
    redis.process:stop()
    if data then copy(data, aof()) end
    redis:start()
  end

  -- The host ends with 81, and each one after it, until the loss is accepted. Nothing is written.
  local function noticed(text)
    assert.equal(81, host:wait(), host:stderr())
    host:stop()
    host = nil
    local stderr
    local before, commit = keys(), redis:call("HGET", "weir:{0}:meta", "commit")
    for _ = 1, 2 do stderr = refused(81) end
    assert.matches(text, stderr)
    assert.equal(before, keys())
    assert.equal(commit, redis:call("HGET", "weir:{0}:meta", "commit"))
    local dataset = stderr:match "%-%-accept%-loss (%x+)"
    refused(81, { "--accept-loss", "another" })
    ready { "--accept-loss", dataset }
    assert.matches("%(%-%-accept%-loss%)", host:stderr())
    start("quick", "--wait")
    assert.equal(0, host:stop "TERM")
    ready()
  end

  before_each(function()
    redis = support.redis()
    ready()
  end)

  it("because it was emptied", function()
    start("quick", "--wait")
    redis:call("FLUSHALL")
    noticed "is empty: all %d+ changes of dataset %x+ are gone"
  end)

  it("because it was restored from an older file, also when it has more changes than before", function()
    start("quick", "--wait")
    copy(aof(), state .. "/old")
    for _ = 1, 3 do start("quick", "--wait") end
    settled()
    assert.equal(0, host:stop "TERM")
    restart_on(state .. "/old")
    for i = 1, 30 do start("quick", "--id", "more-" .. i) end
    host = serve()
    noticed("older data of dataset %x+ than it had acknowledged: %d+ changes are gone, change %d+ is the last one that "
      .. "it kept")
  end)

  it("under a host that lives", function()
    start("quick", "--wait")
    copy(aof(), state .. "/old")
    for _ = 1, 3 do start("quick", "--wait") end
    settled()
    restart_on(state .. "/old")
    noticed "older data of dataset"
  end)

  it("because it was swapped for another one", function()
    start("quick", "--wait")
    host:stop()
    local other = support.redis()
    copy(redis.folder .. "/appendonlydir", state .. "/first")
    local words = { support.build .. "/weir", "serve", folder, "--redis", other.url }
    local second = support.process(words)
    says(second, " ready: ")
    second:stop()
    copy(other.folder .. "/appendonlydir", state .. "/second")
    other:stop()
    restart_on(state .. "/second")
    host = serve()
    noticed "has dataset %x+, and not %x+: %d+ changes are gone"
  end)

  -- The last second of the file is cut, as when the machine fails.
  local function lose_tail(flags)
    local path = support.wait_until("the file", function()
      local found <close> = assert(io.popen(("ls '%s'/*.incr.aof"):format(aof())))
      return found:read "l"
    end)
    -- a machine that pauses here loses more than a second's worth: then it is tried again
    for _ = 1, 20 do
      start("naps", "--id", "long")
      local look = facts.of(redis)
      support.wait_until("a nap", function() return look:run("long").state == "waiting" end)
      look:close()
      if flags then settled() end
      local began = system.monotime()
      local size = #support.read(path)
      start("quick", "--id", "gone", "--wait")
      redis.process:stop()
      if system.monotime() - began < 1 then
        assert(os.execute(("truncate -s %d '%s'"):format(size, path)))
        redis:start()
        return
      end
      redis:start()
      weir("delete", "long", "gone", "--yes")
    end
    error "this machine is too slow"
  end

  it("what everysec may lose, is told of with the count, and runs go on", function()
    lose_tail()
    says(host, "changes that it had acknowledged; runs go on from what is left of their journals")
    assert.matches("lost the last %d+ changes", host:stderr())
    assert.equal(66, weir("show", "gone").status)
    local reply = weir("wait", "long", "--timeout", "60s")
    assert.equal('"rested"\n', reply.stdout, reply.stderr)
    assert.equal(0, weir("doctor").status)
    assert.is_nil(host:status())
  end)
end)

describe("a Redis that syncs always", function()
  it("and lost anything is refused", function()
    redis = support.redis { "--appendfsync", "always" }
    ready { "--durability", "always" }
    local function aof() return redis.folder .. "/appendonlydir" end
    start("quick", "--wait")
    local found <close> = assert(io.popen(("ls '%s'/*.incr.aof"):format(aof())))
    local path = found:read "l"
    local size = #support.read(path)
    start("quick", "--wait")
    redis.process:stop()
    assert(os.execute(("truncate -s %d '%s'"):format(size, path)))
    redis:start()
    assert.equal(81, host:wait())
    assert.matches("older data of dataset", host:stderr())
  end)
end)
