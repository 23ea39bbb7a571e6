local redis = require "spec.support.redis"

describe("alone", function()
  local store, a = redis.store()

  before_each(function()
    a = store.a
    store:start "killer"
    store:start "neighbour"
    a:claim(2)
  end)

  local function die()
    local following = store:enlist "next"
    store:call("ZADD", "leases", 0, store.host)
    store:beat(following)
  end

  it("says which run is tried: the death of its host counts for that one", function()
    assert.same({ "alone" }, a:say("alone", "killer"))
    die()
    assert.equal("1", store:run("killer").deaths)
    assert.is_nil(store:run("neighbour").deaths)
    assert.same({ "ready", "ready" }, { store:state "killer", store:state "neighbour" })
    assert.same({}, store:faults())
  end)

  it("is over when something is recorded for that run", function()
    a:say("alone", "killer")
    die()
    local b = store:worker(store:enlist "third" .. ".1")
    b:claim(2)
    b:say("alone", "killer")
    b:turn("killer", redis.suspend)
    assert.is_false(store:call("HGET", "host:" .. b.name:match("^%d+"), "alone"))
  end)
end)
