-- Several hosts and several versions of the same files: all hosts run the newest, whichever starts, stops or comes
-- late, and code goes once nothing needs it.

local facts = require "tests.facts"
local json = require "weir.json"
local support = require "tests.support"

local flow = support.workflow

local redis, store, folder, gate, hosts

-- A file of one machine. Another takes its place at once, as a watching host may look at any time.
local function save(path, text)
  support.write(("%s/%s~"):format(folder, path), text)
  assert(os.rename(("%s/%s~"):format(folder, path), ("%s/%s"):format(folder, path)))
end

local function deploy(machine, version, id)
  save(("%s/flows/%s.lua"):format(machine, id or "order"), flow(id or "order", ('return "%s"'):format(version)))
end

local function start_host(machine, more)
  local flags = { "--node", machine, "--workers", "1", "--queues", "default," .. machine, table.unpack(more or {}) }
  local host = support.host({ ("%s/%s/flows"):format(folder, machine) }, { redis = redis, flags = flags })
  hosts[machine] = host
  return host
end

local function says(host, pattern, times) return host.process:says(pattern, times) end

local count = 0

-- The result of a run in a queue that only this host serves.
local function result_on(machine, workflow)
  count = count + 1
  local id = "run-" .. count
  local answer = store:say("start", id, workflow or "order", "{}", 7, "1", 1, "queue", machine)
  assert.equal("started", answer[1])
  return store:ended(id).result
end

local function bundles()
  local names, key = {}, store.key .. "bundle:"
  for i, name in ipairs(store:call("KEYS", key .. "*")) do names[i] = name:sub(#key + 1, #key + 16) end
  table.sort(names)
  return names
end

before_each(function()
  redis, folder, hosts = support.redis(), support.folder(), {}
  store, gate = facts.of(redis), folder .. "/gate"
  for _, machine in ipairs { "one", "two" } do
    assert(os.execute(("mkdir -p '%s/%s/flows'"):format(folder, machine)))
    deploy(machine, "v1")
  end
end)

after_each(function()
  support.write(gate, "")
  for _, host in pairs(hosts) do
    if host:is_there() then host:stop() end
  end
  assert.same({}, store:faults())
  store:close()
  redis:stop()
  support.remove(folder)
end)

local UNTIL_OPEN = "while not ctx:step { run = function() return io.open(data.gate) ~= nil end } do "
  .. 'ctx:sleep "5ms" end '

describe("a rolling deploy", function()
  it("gives no run older code, though the old host crashes and comes back midway", function()
    local one, two = start_host "one", start_host "two"
    assert.equal('"v1"', result_on "one")
    deploy("one", "v2")
    local new, old = says(one, "bundle (%x+) live %(was (%x+)%)")
    assert.equal('"v2"', result_on "one")
    assert.equal('"v2"', result_on "two") -- whose folder has v1
    two:kill()
    two:start()
    says(two, ("flows: bundle %s is older than %s, which serves order; use %%-%%-announce to go back\n")
      :format(old, new))
    assert.equal('"v2"', result_on "two")
    assert.equal('"v2"', result_on "one")
    two:kill()
    deploy("two", "v2")
    two:start()
    assert.equal('"v2"', result_on "two")
    assert.is_nil(two.process:stderr():find "older")
    assert.same({ new }, bundles())
  end)

  it("has the late host say nothing more once it has the files", function()
    local one, two = start_host "one", start_host "two"
    deploy("one", "v2")
    local new = says(one, "bundle (%x+) live")
    deploy("two", "v2")
    says(two, "bundle " .. new .. " live %(was %x+%): order.lua changed\n")
    assert.is_nil(two.process:stderr():find "older")
    assert.equal('"v2"', result_on "one")
  end)

  it("is not undone by a host that was off for two of them", function()
    local one, two = start_host "one", start_host "two"
    two:stop()
    deploy("one", "v2")
    says(one, "live %(was")
    deploy("one", "v3")
    local newest = says(one, "bundle (%x+) live %(was %x+%)[^\n]*\n.-live %(was") and bundles()[1]
    two:start()
    says(two, "is older than " .. newest)
    assert.equal('"v3"', result_on "two")
    deploy("two", "v2") -- a copy that is late
    says(two, "is older than " .. newest, 2)
    assert.equal('"v3"', result_on "two")
    two.process:signal "HUP"
    says(two, "is older than " .. newest, 3)
  end)

  it("is undone by saving the files as they were, and by --announce", function()
    local one, two = start_host "one", start_host "two"
    deploy("one", "v2")
    says(one, "live %(was")
    deploy("one", "v1")
    says(one, "live %(was", 2)
    assert.equal('"v1"', result_on "two")
    deploy("one", "v3")
    says(one, "live %(was", 3)
    two:stop()
    two = start_host("two", { "--announce" })
    assert.is_nil(two.process:stderr():find "older")
    assert.equal('"v1"', result_on "one")
    one:kill()
    one:start()
    says(one, "is older than")
    assert.equal('"v1"', result_on "one")
  end)
end)

describe("a host with another folder", function()
  it("runs the workflows of the others", function()
    assert(os.remove(folder .. "/two/flows/order.lua"))
    deploy("two", "here", "ship")
    start_host "one"
    local two = start_host "two"
    assert.equal('"v1"', result_on("two", "order"))
    assert.equal('"here"', result_on("one", "ship"))
    two:stop() -- is no removal
    assert.equal('"here"', result_on("one", "ship"))
  end)

  it("that has the same workflow too takes it when it changes", function()
    deploy("two", "here", "ship")
    local one, two = start_host "one", start_host "two"
    assert.equal('"v1"', result_on "one")
    deploy("two", "theirs")
    says(two, "live %(was")
    assert.equal('"theirs"', result_on "one")
    one:kill()
    one:start()
    says(one, "is older than %x+, which serves order; use")
    assert.equal('"theirs"', result_on "one")
    deploy("one", "ours")
    says(one, "live %(was")
    assert.equal('"ours"', result_on "two")
  end)
end)

describe("a workflow that is removed", function()
  local function start(workflow)
    local reply = hosts.one:weir("start", workflow)
    return reply.status, reply.stderr
  end

  it("is unknown once no host has it and no run needs it", function()
    for _, machine in ipairs { "one", "two" } do
      save(machine .. "/flows/ship.lua", flow("ship", UNTIL_OPEN .. 'return "shipped"'))
    end
    local one, two = start_host "one", start_host "two"
    store:start("s", "ship", { gate = gate })
    store:becomes("s", "waiting")
    for _, host in ipairs { one, two } do
      local machine = host == one and "one" or "two"
      assert(os.remove(folder .. "/" .. machine .. "/flows/ship.lua"))
      deploy(machine, "v1", "shop")
      says(host, "shop.lua added\n")
      says(host, "ship.lua removed")
    end
    assert.equal(0, (start "ship")) -- a run needs it
    support.write(gate, "")
    assert.equal('"shipped"', store:ended("s").result)
    support.wait_until("ship to leave the registry", function()
      return store:call("HEXISTS", store.key .. "registry", "ship") == 0
    end)
    local status, text = start "ship"
    assert.equal(66, status)
    assert.matches('no workflow "ship"; did you mean "shop"%?', text)
    assert.equal(1, #bundles())
  end)

  it("is missed by a run of it that is retried, which says so, and goes on once it is back", function()
    local one = start_host "one"
    deploy("one", "v1", "kept")
    says(one, "kept.lua added\n")
    save("one/flows/ship.lua", flow("ship", 'error "a bug"'))
    says(one, "ship.lua added\n")
    store:start("s", "ship")
    store:becomes("s", "failed")
    assert(os.remove(folder .. "/one/flows/ship.lua"))
    says(one, "ship.lua removed\n")
    local reply = one:weir("retry", "s")
    assert.same({ 0, 'run s begins again: nothing is reset; nothing is kept; it waits: no host has workflow "ship" any '
      .. "more; save its file again in the folder of a host, or end the run with weir cancel s\n" },
      { reply.status, reply.stderr .. reply.stdout })
    assert.equal('s: no host has its workflow "ship" any more; save its file again in the folder of a host, or end the '
      .. "run with weir cancel s\n", one:weir("why", "s").stdout)
    save("one/flows/ship.lua", flow("ship", 'return "mended"'))
    assert.equal('"mended"', store:ended("s").result)
  end)

  it("stays while another host has it, and goes when that one is dead", function()
    deploy("one", "here", "ship")
    deploy("two", "here", "ship")
    local one, two = start_host "one", start_host "two"
    assert(os.remove(folder .. "/one/flows/ship.lua"))
    says(one, "ship.lua removed")
    assert.equal('"here"', result_on("one", "ship"))
    two:kill()
    support.wait_until("ship to leave the registry", function()
      return store:call("HEXISTS", store.key .. "registry", "ship") == 0
    end)
    assert.equal('"v1"', result_on "one")
    assert.equal(1, #bundles())
  end)
end)

describe("an announcement that Redis refuses", function()
  it("is made again until it is taken", function()
    local one = start_host "one"
    local key = store.key .. "bundles"
    assert.equal("OK", store:call("RENAME", key, "elsewhere"))
    store:call("SET", key, "no set")
    deploy("one", "v2")
    says(one, "error cannot announce the workflows in [^\n]*flows: WRONGTYPE")
    says(one, "still serving bundle %x+\n", 2)
    assert.equal('"v1"', result_on "one")
    store:call("RENAME", "elsewhere", key)
    says(one, "live %(was %x+%): order.lua changed\n")
    assert.equal('"v2"', result_on "one")
  end)
end)

describe("a folder that is saved again and again", function()
  it("leaves no code behind but what runs need", function()
    save("one/flows/order.lua", flow("order", UNTIL_OPEN .. 'return "v0"'))
    local one = start_host "one"
    store:start("old", "order", { gate = gate })
    store:becomes("old", "waiting")
    local RELOADS = 40
    for i = 1, RELOADS do
      deploy("one", "v" .. i)
      support.wait_until("reload " .. i, function()
        local text = store:call("HGET", store.key .. "meta", "version")
        return tonumber(text) == i + 1
      end)
      assert.equal(('"v%d"'):format(i), result_on "one")
    end
    assert.equal(2, #bundles()) -- of the newest, and of the run that waits
    one.process:signal "USR1"
    local loaded = tonumber((says(one, "batches under way, (%d+) bundles")))
    assert.is_true(loaded <= 9, loaded .. " bundles are loaded")
    local host = store:say("hosts")[2]
    assert.is_true(#json.encode(store:call("HGETALL", store.key .. "host:" .. host)) < 1000)
    support.write(gate, "")
    assert.equal('"v0"', store:ended("old").result)
    assert.equal(1, #bundles())
  end)
end)
