-- A host on a Redis under Sentinel: its primary is killed, or stands still and comes back, while runs start and end.
-- WEIR_FAILOVERS says how often each.

local cjson = require "cjson"
local Sentinels = require "tests.support.sentinel"
local support = require "tests.support"
local system = require "system"

local TIMES = math.tointeger(tonumber(os.getenv "WEIR_FAILOVERS") or 1)

-- Each run leaves the instant of each of its steps, in seconds since the machine started.
local WORKFLOW = [[
local weir = require "weir"

local function note(path)
  local uptime <close> = assert(io.open "/proc/uptime")
  local file <close> = assert(io.open(path, "a"))
  file:write(uptime:read "a":match "^%S+", "\n")
end

return {
  weir.workflow { id = "leaf", run = function(ctx, data)
    ctx:step("leaf", function() note(data.notes) end)
    return data.n
  end },
  weir.workflow { id = "tree", run = function(ctx, data)
    local sum = 0
    for i = 1, 3 do
      ctx:step("step-" .. i, function() note(data.notes) end)
      ctx:sleep("20ms", { id = "nap-" .. i })
      sum = sum + ctx:invoke { id = "leaf-" .. i, workflow = "leaf", data = { notes = data.notes, n = i } }
    end
    return sum
  end },
}
]]

local cluster, host, folder

local function begin(options, flags)
  cluster, folder = Sentinels.start(options), support.folder()
  host = support.host_of({ ["tree.lua"] = WORKFLOW }, { redis = cluster, flags = { "--workers", "2", "--node", "one",
    table.unpack(flags or {}) } })
end

after_each(function()
  if host then host:stop() end
  if cluster then cluster:stop() end
  if folder then support.remove(folder) end
  host, cluster, folder = nil, nil, nil
end)

local function monotime_of_first_step_after(instant)
  for line in (support.read(folder .. "/notes") or ""):gmatch "[^\n]+" do
    if tonumber(line) >= instant then return tonumber(line) end
  end
end

-- Starts trees one after the other in a process of its own, and writes down those that were acknowledged.
local function begin_load(flags)
  local script = ([[n=0
    while [ ! -e %s/stop ]; do
      n=$((n + 1))
      %s/weir start tree --id "$1-$n" --data '{"notes":"%s/notes"}' %s >>%s/acknowledged 2>>%s/refused
    done]]):format(folder, support.build, folder, flags or "", folder, folder)
  local load = support.process({ "sh", "-c", script, "sh", "tree-" .. #cluster.nodes .. "-" .. os.time() },
    { WEIR_REDIS = cluster.url })
  return function()
    support.write(folder .. "/stop", "")
    load:wait()
    load:stop()
    os.remove(folder .. "/stop")
  end
end

local function acknowledged() return support.read(folder .. "/acknowledged") or "" end

-- How many more have been acknowledged than before.
local function wait_for_starts(count)
  local _, before = acknowledged():gsub("\n", "")
  support.wait_until("more starts", function()
    local _, now = acknowledged():gsub("\n", "")
    return now >= before + count
  end)
end

local function set_of(lines)
  local set, count = {}, 0
  for line in lines:gmatch "[^\n]+" do set[line], count = true, count + 1 end
  return set, count
end

local function ids(...)
  local found = {}
  for line in host:weir("list", "--roots", "--limit", "100000", "--json", ...).stdout:gmatch "[^\n]+" do
    found[cjson.decode(line).id] = true
  end
  return found
end

-- Every run that is there ends well. Returns how many of the acknowledged ones are gone.
local function check()
  support.wait_until("all runs to end", function()
    local open = 0
    for _, state in ipairs { "ready", "running", "waiting", "retrying", "scheduled" } do
      if next(ids("--state", state)) then open = open + 1 end
    end
    return open == 0
  end)
  assert.same({}, ids("--state", "failed"))
  local completed, lost = ids("--state", "completed"), 0
  local wanted, count = set_of(acknowledged())
  for id in pairs(wanted) do
    if not completed[id] then lost = lost + 1 end
  end
  return lost, count
end

-- Takes the primary away under load, by a signal, until the host works on another one.
local function fail_over(signal)
  local old, watch = cluster:primary(), cluster:watch()
  wait_for_starts(3)
  local begun = system.monotime()
  old.process:signal(signal)
  local switched = watch.wait()
  watch.close()
  local working = support.wait_until("a step after the failover", function()
    return monotime_of_first_step_after(switched)
  end)
  print(("# %s: failover %.2f s, then %.2f s until the next step"):format(signal, switched - begun,
    working - switched))
  assert.is_nil(host.process:status(), host.process:stderr())
  return old
end

local function calls_of(node)
  return tonumber(node:call("INFO", "commandstats"):match "cmdstat_evalsha:calls=(%d+)" or 0)
end

describe("a host under Sentinel", function()
  it("goes on at the new primary, and leaves one that comes back", function()
    begin { replicas = TIMES == 1 and 2 or 1 } -- with two no time passes until a replica is back
    local stop_load = begin_load()
    for _ = 1, TIMES do
      local old = fail_over "KILL"
      old.process:stop()
      old:start()
      if TIMES > 1 then cluster:wait_until_whole() end

      old = fail_over "STOP"
      old.process:signal "CONT"
      support.wait_until("the old primary to answer", function() return old:call "PING" == "PONG" end)
      local thawed = calls_of(old)
      wait_for_starts(3)
      if old:call("ROLE"):find "^master" then assert.equal(thawed, calls_of(old)) end
      if TIMES > 1 then cluster:wait_until_whole() end
    end
    stop_load()
    local lost, count = check()
    print(("# %d starts acknowledged, %d of them lost by Redis (everysec)"):format(count, lost))
  end)
end)

describe("a Redis under Sentinel", function()
  local function says(...)
    local reply = support.weir(...)
    return reply.status, (reply.stderr:gsub("127%.0%.0%.1:%d+", "HOST"))
  end

  it("needs the logins of both", function()
    cluster, folder = Sentinels.start { replicas = 0 }, support.folder()
    local node, plain = cluster.nodes[1], cluster.url
    for _, sentinel in ipairs(cluster.sentinels) do
      assert.equal("OK", sentinel:call("SENTINEL", "SET", "main", "auth-pass", "of-redis"))
      assert.equal("OK", sentinel:call("ACL", "SETUSER", "watcher", "on", ">of-sentinel", "allchannels", "+@all"))
      assert.equal("OK", sentinel:call("ACL", "SETUSER", "default", "off"))
    end
    assert.equal("OK", node:call("CONFIG", "SET", "requirepass", "of-redis"))
    local half = plain .. "?sentinel_user=watcher&sentinel_password=of-sentinel"
    local whole = half:gsub("//", "//default:of-redis@")
    for _, words in ipairs { { "list" }, { "serve", "workflows" } } do
      local function with(url) return says(words[1], words[2], { env = { WEIR_REDIS = url } }) end
      local status, line = with(plain)
      assert.equal(77, status, line)
      assert.matches("the Sentinel at HOST refuses: NOAUTH [^\n]*; give %-%-redis their login", line)
      status, line = with(half)
      assert.equal(77, status, line)
      assert.matches("NOAUTH [^\n]*; give %-%-redis the user and password", line)
    end
    cluster.url = whole
    host = support.host({ "workflows" }, { redis = cluster, flags = { "--workers", "1" } })
    local started = host:weir("start", "hello", "--data", '{"name":"Ada"}', "--wait")
    assert.equal(0, started.status, started.stderr)
    assert.not_matches("of%-sentinel", host.process:stderr())
    assert.not_matches("of%-redis", host.process:stderr())
  end)

  it("is told from one that is not there", function()
    cluster = Sentinels.start { replicas = 0 }
    local some = cluster.url:match "(//[^,]+),"
    local nowhere = ("127.0.0.1:%d"):format(support.free_port())
    for _, words in ipairs { { "list" }, { "serve", "workflows" } } do
      local function with(url) return says(words[1], words[2], { env = { WEIR_REDIS = url } }) end
      local status, line = with("redis+sentinel:" .. some .. "/other")
      assert.equal(78, status, line)
      assert.matches('the Sentinel at HOST knows no primary named "other"; give %-%-redis the name that', line)
    end
    local status, line = says("list", { env = { WEIR_REDIS = "redis+sentinel://" .. nowhere .. "/main" } })
    assert.equal(69, status, line)
    assert.matches("the Sentinel at HOST does not answer: Connection refused; start the Sentinels, or give", line)
    -- one that does not answer is passed over
    local url = ("redis+sentinel://%s,%s/main"):format(nowhere, some:sub(3))
    assert.equal(0, support.weir("list", { env = { WEIR_REDIS = url } }).status)
  end)

  it("has no primary for a while", function()
    begin { replicas = 0 }
    local node = cluster.nodes[1]
    node:call("REPLICAOF", "127.0.0.1", 1)
    node:call("CLIENT", "KILL", "TYPE", "normal")
    support.wait_until("the host to say so", function()
      return host.process:stderr():find("is a replica; wait until Sentinel has made another Redis the primary", 1, true)
    end)
    local status, line = says("list", { env = { WEIR_REDIS = cluster.url } })
    assert.equal(69, status, line)
    assert.matches("HOST is a replica; wait until Sentinel has made another Redis the primary", line)
    node:call("REPLICAOF", "NO", "ONE")
    support.wait_until("the host to go on", function() return host.process:stderr():find "is back" end)
  end)
end)
