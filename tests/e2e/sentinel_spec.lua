-- A host on a Redis under Sentinel: its primary is killed, or stands still and comes back, while runs start and end.
-- WEIR_FAILOVERS says how often each.

local cjson = require "cjson"
local Sentinels = require "tests.support.sentinel"
local support = require "tests.support"
local system = require "system"

local PATIENCE_S = 150 -- Sentinel may take ten seconds to make a Redis follow another, and more on a busy machine
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

local LOADS = 3 -- processes that start trees, one after the other

-- Writes down the ids that were acknowledged. Returns a function that ends the load.
local function begin_load(flags)
  local script = ([[n=0
    while [ ! -e %s/stop ]; do
      n=$((n + 1))
      %s/weir start tree --id "$1-$n" --data '{"notes":"%s/notes"}' %s >>%s/acknowledged 2>>%s/refused
    done]]):format(folder, support.build, folder, flags or "", folder, folder)
  local loads = {}
  for i = 1, LOADS do
    loads[i] = support.process({ "sh", "-c", script, "sh", "tree-" .. i }, { WEIR_REDIS = cluster.url })
  end
  return function()
    support.write(folder .. "/stop", "")
    for i = 1, LOADS do
      loads[i]:wait()
      loads[i]:stop()
    end
  end
end

local function acknowledged() return support.read(folder .. "/acknowledged") or "" end

-- How many more have been acknowledged than before.
local function wait_for_starts(count)
  local _, before = acknowledged():gsub("\n", "")
  support.wait_until("more starts", function()
    local _, now = acknowledged():gsub("\n", "")
    return now >= before + count
  end, PATIENCE_S)
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
  end, PATIENCE_S)
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
  end, PATIENCE_S)
  print(("# %s: failover %.2f s, then %.2f s until the next step"):format(signal, switched - begun,
    working - switched))
  assert.is_nil(host.process:status(), host.process:stderr())
  return old
end

local function calls_of(node)
  return tonumber(node:call("INFO", "commandstats"):match "cmdstat_evalsha:calls=(%d+)" or 0)
end

-- A command that began before the failover may still wait for the old primary.
local function wait_for_each_load()
  local function count(i) return select(2, acknowledged():gsub("tree%-" .. i .. "%-", "")) end
  for i = 1, LOADS do
    local before = count(i)
    support.wait_until("a start at the new primary", function() return count(i) > before end, PATIENCE_S)
  end
end

-- Kills the primary, and lets one stand still and come back. Returns how many acknowledged starts Redis lost. With two
-- replicas the new primary has one at once.
local function survive(host_flags, load_flags)
  begin({ replicas = 2 }, host_flags)
  local stop_load = begin_load(load_flags)
  for _ = 1, TIMES do
    local old = fail_over "KILL"
    old.process:stop()
    old:start()
    if TIMES > 1 then cluster:wait_until_whole() end

    old = fail_over "STOP"
    wait_for_each_load()
    old.process:signal "CONT"
    support.wait_until("the old primary to answer", function() return old:call "PING" == "PONG" end)
    local thawed = calls_of(old)
    wait_for_starts(3)
    if old:call("ROLE"):find "^master" then assert.equal(thawed, calls_of(old)) end
    if TIMES > 1 then cluster:wait_until_whole() end
  end
  stop_load()
  local lost, count = check()
  print(("# %d starts acknowledged, Redis lost %d of them"):format(count, lost))
  return lost
end

describe("a host under Sentinel", function()
  it("goes on at the new primary, and leaves one that comes back", function() survive() end)

  it("loses no acknowledged start when it waits for a replica", function()
    assert.equal(0, survive({ "--durability", "replicated" }, "--durability replicated"))
  end)

  it("acknowledges nothing while no replica confirms it", function()
    begin({}, { "--durability", "replicated" })
    local data = ('{"notes":"%s/notes"}'):format(folder)
    local replica = cluster.nodes[2]
    replica.process:signal "STOP"
    assert.equal(0, host:weir("start", "tree", "--id", "r", "--data", data).status)
    support.wait_until("the host to say so", function()
      return host.process:stderr():find("NOREPLICA no replica has confirmed the changes; nothing is acknowledged until "
        .. "one does", 1, true)
    end)
    assert.is_nil(support.read(folder .. "/notes"))
    local refused = host:weir("start", "tree", "--id", "s", "--data", data, "--durability", "replicated")
    assert.equal(69, refused.status)
    assert.matches("cannot serve just now: NOREPLICA no replica has confirmed the changes", refused.stderr, 1, true)
    assert.is_nil(support.read(folder .. "/notes"))
    replica.process:signal "CONT"
    host:wait_for("r", "completed")
    support.wait_until("a start to be confirmed", function()
      return host:weir("start", "tree", "--id", "s", "--data", data, "--durability", "replicated").status == 0
    end)
    host:wait_for("s", "completed")
    assert.is_truthy(host.process:stderr():find "is back")
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
