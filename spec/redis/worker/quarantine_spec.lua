local redis = require "spec.support.redis"

describe("quarantine", function()
  local store, a = redis.store()

  before_each(function()
    a = store.a
    store:start "killer"
    store:start "neighbour"
    a:claim(2)
  end)

  local function die()
    local following = store:register "next"
    store:call("ZADD", "leases", 0, store.host)
    store:heartbeat(following)
  end

  it("says which run is tried: the death of its host counts for that one", function()
    assert.same({ "quarantined" }, a:say("quarantine", "killer"))
    die()
    assert.equal("1", store:run("killer").crashes)
    assert.is_nil(store:run("neighbour").crashes)
    assert.same({ "ready", "ready" }, { store:state "killer", store:state "neighbour" })
    assert.same({}, store:faults())
  end)

  it("is over when something is recorded for that run", function()
    a:say("quarantine", "killer")
    die()
    local b = store:worker(store:register "third" .. ".1")
    b:claim(2)
    b:say("quarantine", "killer")
    b:turn("killer", redis.suspend)
    assert.is_false(store:call("HGET", "host:" .. b.name:match("^%d+"), "quarantine"))
  end)
end)
