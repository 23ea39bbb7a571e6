local redis = require "spec.support.redis"

describe("promote", function()
  local store = redis.store()
  local a, b

  before_each(function() a, b = store.a, store.b end)

  it("starts a run whose delay is over, not a moment before", function()
    store:start("r", "w", { delay_ms = 100 })
    store:pass(99)
    assert.same({ "promoted", 0 }, store:unchanged(function() return store:say "promote" end))
    store:pass(1)
    assert.same({ "promoted", 1 }, store:say "promote")
    assert.equal("ready", store:state "r")
    assert.is_nil(store:wake "r")
    assert.same({ "cold r" }, a:claim(1))
    assert.same({}, store:faults())
  end)

  it("wakes a waiting run where its coroutine is", function()
    store:start "r"
    a:claim(1)
    a:turn("r", { "suspend", "", 100 })
    store:pass(100)
    assert.same({}, b:claim(1, { "promote" }))
    assert.same({ "warm r" }, a:claim(1))
    assert.same({}, store:faults())
  end)

  it("gives a run to the caller that holds it, in the same call", function()
    store:start "r"
    a:claim(1)
    a:turn("r", { "suspend", "", 100 })
    store:pass(100)
    assert.same({ "warm r" }, a:claim(1, { "promote" }))
  end)

  it("tells when the next run is due, or that none is", function()
    assert.equal("", a:ask(0, { "promote" }).due)
    store:start("r", "w", { delay_ms = 100 })
    store:start("s", "w", { delay_ms = 50 })
    assert.equal(tostring(redis.BEGIN + 50), a:ask(0, { "promote" }).due)
    store:pass(50)
    assert.equal(tostring(redis.BEGIN + 100), a:ask(0, { "promote" }).due)
    assert.equal("", a:ask(0, { "queues" }).due)
  end)

  it("does not wake what only something else can wake", function()
    store:start "r"
    a:claim(1)
    a:turn("r", redis.suspend)
    store:pass(10 ^ 12 // 1 | 0)
    assert.same({ "promoted", 0 }, store:say "promote")
    assert.equal("", a:ask(0, { "promote" }).due)
  end)

  it("wakes a bounded number a call, the earliest first", function()
    for i = 1, 250 do store:start("r" .. i, "w", { delay_ms = i }) end
    store:pass(1000)
    assert.same({ "promoted", 100 }, store:say "promote")
    assert.equal("scheduled", store:state "r101")
    assert.same({ "promoted", 100 }, store:say "promote")
    assert.same({ "promoted", 50 }, store:say "promote")
    assert.same({ "promoted", 0 }, store:say "promote")
    assert.equal(250, #a:claim(300))
    assert.same({}, store:faults())
  end)

  it("expires a run that waited too long, so that it is woken to end", function()
    store:announce { timed = { timeout_ms = 100 } }
    store:start("r", "timed")
    a:claim(1)
    a:turn("r", redis.suspend)
    store:pass(100)
    store:say "promote"
    assert.same({ "warm r 1:expired" }, a:claim(1))
    assert.same({}, store:faults())
  end)

  it("ends a run whose time was over before it began, and tells its waiter", function()
    store:announce { timed = { timeout_ms = 100 } }
    store:start "p"
    a:claim(1)
    a:turn("p", redis.invoke { operation = "c", child = "p/c", workflow = "timed" }, redis.suspend)
    store:pass(100)
    store:say "promote"
    local child = store:run "p/c"
    assert.equal("failed", child.state)
    assert.matches('"code":"expired"', child.error, 1, true)
    assert.same({ "warm p 1:c=failed" }, a:claim(5))
    assert.same({}, store:faults())
  end)

  it("wakes a parent once whose child timed out in the same call", function()
    store:announce { timed = { timeout_ms = 100 }, brief = { timeout_ms = 50 } }
    store:start("p", "timed")
    a:claim(1)
    a:turn("p", redis.invoke { operation = "c", child = "p/c", workflow = "brief" }, redis.suspend)
    store:pass(100)
    assert.same({ "promoted", 2 }, store:say "promote")
    assert.is_nil(store:wake "p")
    assert.same({ "promoted", 0 }, store:say "promote")
  end)

  it("starts a run of a workflow that became known while it was scheduled", function()
    store:start("r", "no", { delay_ms = 100, queue = "gpu" })
    store:announce { no = {} }
    store:pass(100)
    store:say "promote"
    assert.same({ "r" }, store:call("ZRANGE", "ready:gpu", 0, -1))
    assert.same({ "cold r" }, a:claim(1))
    assert.same({}, store:faults())
  end)

  it("drops what stands in the set and is no run", function()
    store:call("ZADD", "delayed", 1, "none")
    assert.same({ "promoted", 1 }, store:say "promote")
    assert.is_nil(store:wake "none")
  end)
end)
