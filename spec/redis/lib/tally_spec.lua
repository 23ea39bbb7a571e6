local redis = require "spec.support.redis"

describe("rates", function()
  local store = redis.store()
  local WINDOW = 60000

  local function rates() return store:unchanged(function() return store:say("rates", WINDOW) end) end

  -- A second goes by, and the host says that it is alive.
  local function tick(ms)
    store:pass(ms or 1000)
    store:heartbeat(store.host)
  end

  it("are not known before a host was alive", function()
    store:start "p"
    assert.same({ "rates", 0, 0, 0, 0, 0 }, rates())
  end)

  it("count starts and ends of all runs, also of children that ran in the turn of their parent", function()
    tick()
    for i = 1, 4 do store:start("p" .. i) end
    store.a:claim(4)
    store.a:turn("p1", redis.invoke { operation = "c", child = "p1/c", bundle = store.bundle, result = "1" },
      redis.invoke { operation = "d", child = "p1/d" }, redis.suspend)
    store.a:turn("p2", redis.complete())
    store.a:turn("p3", redis.fail())
    store:start "q"
    store:say("cancel", "q", "over", "")
    store:pass(500)
    assert.same({ "rates", 500, 7, 2, 1, 1 }, rates())
    assert.same({}, store:faults())
  end)

  it("forget what is older than the window", function()
    tick()
    store:start "p"
    for _ = 1, 40 do tick() end
    store:start "q"
    store:start "r"
    for _ = 1, 40 do tick() end
    assert.same({ "rates", WINDOW, 2, 0, 0, 0 }, rates())
    for _ = 1, 40 do tick() end
    assert.same({ "rates", WINDOW, 0, 0, 0, 0 }, rates())
  end)

  it("are noted only when they have changed, at most once a second, and no more than 90 times", function()
    tick()
    tick()
    assert.equal(1, store:call("LLEN", "tally"))
    store:start "p"
    tick()
    assert.equal(2, store:call("LLEN", "tally"))
    store:start "q"
    tick(200)
    assert.equal(2, store:call("LLEN", "tally"))
    for i = 1, 100 do
      store:start("q" .. i)
      tick()
    end
    assert.equal(90, store:call("LLEN", "tally"))
    assert.same({ "rates", WINDOW, 60, 0, 0, 0 }, rates())
  end)

  it("are not known when no host was alive in the window", function()
    tick()
    store:start "p"
    store:pass(WINDOW + 1)
    assert.equal(0, rates()[2])
  end)

  it("survive a clock that is put back", function()
    tick(100000)
    store:pass(-90000)
    store:start "p"
    tick()
    tick()
    assert.equal(0, rates()[3])
    store:start "q"
    tick()
    assert.equal(1, rates()[3])
  end)
end)
