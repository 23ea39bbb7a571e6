local redis = require "spec.support.redis"

describe("deregister", function()
  local store = redis.store()

  it("releases the runs of the host, and counts no crash", function()
    store:start "p"
    store:start "q"
    store.a:claim(1)
    store.b:claim(1)
    store.b:turn("q", redis.suspend)
    local main = store:worker(store.host .. ".0")
    assert.same({ "deregistered", "1" }, main:say("deregister", store.host))
    assert.same({ "ready", "waiting" }, { store:state "p", store:state "q" })
    assert.is_nil(store:run("p").crashes)
    assert.same({}, store:faults())
    assert.same({ "deregistered", "0" }, main:say("deregister", store.host))
    assert.same({}, store:call("ZRANGE", "leases", 0, -1))
    assert.same({}, store:call("HGETALL", "nodes"))
    assert.same({}, store:faults())
  end)

  it("is lost when it is sent again after the last, and writes nothing", function()
    local main = store:worker(store.host .. ".0")
    main:say("deregister", store.host)
    assert.equal("lease_lost", store:unchanged(function() return main:ask(0, { "deregister", store.host }).word end))
  end)

  it("gives back a bounded number of runs a call", function()
    for i = 1, 250 do store:start("r" .. i) end
    store.a:claim(300)
    local main, calls = store:worker(store.host .. ".0"), 0
    repeat calls = calls + 1 until main:say("deregister", store.host)[2] == "0"
    assert.equal(4, calls)
    assert.same({}, store:faults())
    store:register "next"
    assert.equal(250, #store:worker("2.1"):claim(300))
  end)
end)
