local redis = require "spec.support.redis"

describe("register", function()
  local store = redis.store { bare = true }

  local function register(node, fields)
    fields = fields or {}
    return store:say("register", node, "boot", "ns", fields.pid or 100, 5, 2, redis.LEASE_MS,
      fields.takeover or "", 16777216, "*")
  end

  it("gives a host its number and a lease", function()
    assert.same({ "registered", "1" }, register "a")
    assert.same({ "registered", "2" }, register "b")
    assert.equal(tostring(redis.BEGIN + redis.LEASE_MS), store:call("ZSCORE", "leases", "1"))
    assert.same({ "a", "1", "b", "2" }, store:call("HGETALL", "nodes"))
    assert.equal("100", store:call("HGET", "host:1", "pid"))
  end)

  it("refuses a name whose host is alive, says who that is, and writes nothing", function()
    register "a"
    local answer = store:unchanged(function() return register("a", { pid = 200 }) end)
    assert.same({ "alive", "1", "boot", "ns", "100", "5", tostring(redis.BEGIN + redis.LEASE_MS) }, answer)
  end)

  it("names the caller itself when it is sent again, so that the caller knows its number", function()
    register "a"
    local answer = register "a"
    assert.same({ "alive", "1", "boot", "ns", "100", "5" }, { table.unpack(answer, 1, 6) })
  end)

  it("gives the name to another host when the lease has run out", function()
    register "a"
    store:pass(redis.LEASE_MS)
    assert.same({ "registered", "2" }, register("a", { pid = 200 }))
    assert.equal("2", store:call("HGET", "nodes", "a"))
  end)

  it("cuts a lease that was given before Redis' clock was put back", function()
    register "a"
    store:pass(-3600000)
    local ends = tostring(store.now + redis.LEASE_MS)
    assert.equal(ends, register("a", { pid = 200 })[7])
    store:pass(100)
    assert.equal(ends, register("a", { pid = 200 })[7])
    store:pass(redis.LEASE_MS - 100)
    assert.same({ "registered", "2" }, register("a", { pid = 200 }))
  end)

  it("takes over from a host that is known to be dead, and its runs come back with the next heartbeat", function()
    store:announce { w = {} }
    register "a"
    store:start "p"
    store:start "q"
    local old = store:worker "1.1"
    old:claim(2)
    old:turn("q", redis.suspend)
    assert.same({ "registered", "2" }, register("a", { pid = 200, takeover = "1" }))
    assert.same({ "heartbeat", 2, "1" }, store:heartbeat "2")
    assert.same({ "heartbeat", 0, "0" }, store:heartbeat "2")
    assert.same({ "ready", "waiting" }, { store:state "p", store:state "q" })
    assert.same({ "2" }, store:call("ZRANGE", "leases", 0, -1))
    assert.equal("2", store:call("HGET", "nodes", "a"))
    assert.same({ "cold p" }, store:worker("2.1"):claim(5))
    assert.equal("lease_lost", old:ask(0, old:turn_of("p", redis.complete())).word)
    assert.same({}, store:faults())
  end)

  it("does not take over from a host that is not the one known to be dead", function()
    register "a"
    register("a", { takeover = "1", pid = 200 })
    assert.equal("alive", register("a", { takeover = "1", pid = 300 })[1])
  end)

  it("takes its first number from the clock, so that none of before an emptied dataset comes again", function()
    store:call("DEL", "meta")
    local first = tonumber(store:register "first")
    assert.is_true(first > 1e9)
    assert.equal(first + 1, tonumber(store:register "second"))
    for _, key in ipairs { "meta", "nodes", "leases" } do store:call("DEL", key) end
    store:pass(2)
    assert.is_true(tonumber(store:register "first") > first + 1)
  end)

  it("never gives a number twice", function()
    register "a"
    store:worker("1.0"):say("deregister", "1")
    assert.same({ "registered", "2" }, register "a")
  end)
end)
