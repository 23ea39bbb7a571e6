local redis = require "spec.support.redis"

describe("suspect", function()
  local store = redis.store()

  before_each(function()
    store:start "p"
    store.a:claim(1)
  end)

  it("blames the run whose Lua does not come back: with its process' death it is the second", function()
    local main = store:worker(store.host .. ".0")
    assert.same({ "suspected" }, main:say("suspect", "p"))
    assert.same({ "suspected" }, main:say("suspect", "p"))
    assert.equal("1", store:run("p").crashes)
    local next_host = store:register "next"
    store:call("ZADD", "leases", 0, store.host)
    store:heartbeat(next_host)
    assert.equal("2", store:run("p").crashes)
  end)

  it("has the run fail when it is the second host that aborts because of it", function()
    local host = store.host
    for attempt = 1, 2 do
      local main = store:worker(host .. ".0")
      main:say("stalled", host, 1, 1, "p", 0, 60000)
      main:say("suspect", "p")
      main:say("suspect", "p") -- its reply was lost
      assert.is_nil(store:run("p")["1"])
      local next_host = store:register("next" .. attempt)
      store:call("ZADD", "leases", 0, host)
      store:heartbeat(next_host)
      host = next_host
      assert.same({ "cold p" }, store:worker(host .. ".1"):claim(1))
    end
    assert.matches("\tcrash_loop\t%d+\t0\tcrash_loop: 2 processes ended, as it kept a worker for longer than ",
      store:run("p")["1"])
    assert.is_nil(store:run("p")["2"])
  end)

  it("begins anew once the run has recorded a turn", function()
    local main = store:worker(store.host .. ".0")
    main:say("suspect", "p")
    assert.equal(tostring(store.host), store:run("p").stuck)
    store.a:turn("p")
    assert.is_nil(store:run("p").stuck)
    assert.equal("0", store:run("p").crashes)
  end)

  it("is lost for a run that is not running, and writes nothing", function()
    store.a:turn("p", redis.suspend)
    store:unchanged(function()
      assert.same({ "not_owner" }, store:say("suspect", "p"))
      assert.same({ "not_owner" }, store:say("suspect", "none"))
    end)
  end)
end)
