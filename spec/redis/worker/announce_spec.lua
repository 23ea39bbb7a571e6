local json = require "weir.json"
local redis = require "spec.support.redis"

describe("announce", function()
  local store = redis.store { bare = true }

  it("keeps the sources by their name, and says which workflows they serve", function()
    local bundle = store:announce({ w = { queue = "gpu", priority = 3, timeout_ms = 500 } },
      { ["w.lua"] = "return 1", ["lib/x.lua"] = "return 2" })
    assert.matches("^%x+$", bundle)
    local reply = store:say "registry"
    assert.same({ "registry", "w" }, { reply[1], reply[2] })
    assert.same({ bundle = bundle, queue = "gpu", priority = 3, timeout_ms = 500, retain_ms = 604800000 },
      json.decode(reply[3]))
  end)

  it("is the same bundle for the same sources, and another for others", function()
    local one = store:announce({ w = {} }, { ["w.lua"] = "return 1" })
    local before = store:dump()
    assert.equal(one, store:announce({ w = {} }, { ["w.lua"] = "return 1" }))
    local after = store:dump()
    before.meta, after.meta = nil, nil -- the call counts
    assert.same(before, after)
    assert.not_equal(one, store:announce({ w = {} }, { ["w.lua"] = "return 2" }))
    assert.not_equal(one, store:announce({ w = {} }, { ["v.lua"] = "return 1" }))
  end)

  it("brings back the sources of a bundle that was changed", function()
    local files = { ["w.lua"] = "return 1" }
    local bundle = store:announce({ w = {} }, files)
    store:call("HSET", "bundle:" .. bundle, "w.lua", "return 2", "x.lua", "")
    store:announce({ w = {} }, files)
    assert.same({ "sources", "w.lua", "return 1" }, store:say("sources", bundle))
  end)

  it("lets new attempts begin on the newest, and those begun go on with theirs", function()
    local old = store:announce({ w = {} }, { ["w.lua"] = "return 1" })
    local worker = store:worker(store:register "node" .. ".1")
    store:start "p"
    store:start "q"
    worker:claim(1)
    local new = store:announce({ w = {} }, { ["w.lua"] = "return 2" })
    worker:claim(1)
    assert.same({ old, new }, { store:run("p").bundle, store:run("q").bundle })
  end)

  it("brings the runs that waited for their workflow to their queue", function()
    store:start("p", "w")
    store:start("q", "w", { queue = "fast" })
    store:announce { w = { queue = "slow" } }
    assert.same({ "p" }, store:call("ZRANGE", "ready:slow", 0, -1))
    assert.same({ "q" }, store:call("ZRANGE", "ready:fast", 0, -1))
    assert.same({ 0, "slow", "fast" },
      { store:call("EXISTS", "ready:?w"), store:run("p").queue, store:run("q").queue })
    assert.same({}, store:faults())
  end)

  it("brings them to the default queue, and into the same call", function()
    local worker = store:worker(store:register "node" .. ".1")
    store:start("p", "w")
    store:start("q", "w")
    local group = { "announce", "b0", 0, 1, "w", redis.entry("b0", {}) }
    assert.same({ "cold p" }, worker:claim(1, group))
    assert.is_nil(store:run("q").queue)
    assert.matches("^%x+$", store:run("p").bundle)
    assert.same({ "cold q" }, worker:claim(1))
    assert.same({}, store:faults())
  end)

  it("brings a bounded number of them a call, the others with each heartbeat", function()
    local host = store:register "node"
    for i = 1, 80 do store:start("r" .. i, "w") end
    for i = 1, 80 do store:start("s" .. i, "v") end
    store:announce { v = {}, w = {} }
    assert.equal(100, store:call("ZCARD", "ready:default"))
    assert.same({ "heartbeat", 0, "0" }, store:heartbeat(host))
    assert.equal(160, store:call("ZCARD", "ready:default"))
    assert.same({ "default" }, store:call("ZRANGE", "queues", 0, -1))
    assert.same({}, store:call("SMEMBERS", "unknown"))
    assert.same({}, store:faults())
  end)

  it("lets a run be started in the same call", function()
    local reply = store.client:ask(0, { "announce", "b0", 0, 1, "w", redis.entry("b0", { queue = "gpu" }) },
      { "start", "p", "w", "{}", "7", "", 0 })
    assert.same({ "started" }, reply.groups[2])
    assert.equal("gpu", store:run("p").queue)
  end)

  it("says nothing of the workflow when it raises", function()
    for entry, fault in pairs { [false] = "too few arguments", ["gpu"] = "invalid token" } do
      local reply = store.client:ask(0, { "announce", "b1", 1, "w.lua", "", 1, "w", entry or nil },
        { "start", "p", "w", "{}", "7", "", 0 })
      assert.equal("error", reply.groups[1][1])
      assert.matches(fault, reply.groups[1][2])
      assert.same({ "unknown" }, reply.groups[2])
    end
    assert.same({ "registry" }, store:say "registry")
  end)

  it("keeps with the host which bundles are its own", function()
    local host = store:register "node"
    local upkeep = store:worker(host .. ".0")
    local one = upkeep:say("announce", "b1", 1, "w.lua", "return 1", 0)[2]
    local two = upkeep:say("announce", "b2", 1, "v.lua", "return 1", 0)[2]
    assert.equal(one .. " " .. two, store:call("HGET", "host:" .. host, "bundles"))
    local hosts = store:say "hosts"
    assert.equal(one .. " " .. two, hosts[8])
  end)
end)
