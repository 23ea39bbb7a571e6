local redis = require "spec.support.redis"

describe("suspend", function()
  local store = redis.store()
  local a, b

  before_each(function()
    a, b = store.a, store.b
    store:start "p"
    a:claim(1)
  end)

  it("waits for the earliest of an instant and a span", function()
    assert.equal(("suspended %d"):format(redis.BEGIN + 70),
      a:turn("p", { "suspend", redis.BEGIN + 90, 70 }))
    assert.equal(70, store:wake "p")
    assert.same({}, store:faults())
  end)

  it("waits without end when nothing is due", function()
    assert.equal("suspended", a:turn("p", redis.suspend))
    assert.equal("inf", store:wake "p")
  end)

  it("waits no longer than the run may take", function()
    store:announce { timed = { timeout_ms = 100 } }
    store:start("t", "timed")
    a:claim(1)
    assert.equal(("suspended %d"):format(redis.BEGIN + 100), a:turn("t", { "suspend", "", 5000 }))
  end)

  it("keeps the run with its worker", function()
    a:turn("p", redis.suspend)
    assert.equal(a.name, store:run("p").owner)
    assert.same({ "p" }, store:call("SMEMBERS", "owned:" .. a.name))
  end)

  it("does not happen when something has come that the worker was not told", function()
    a:turn("p", redis.invoke { operation = "c", child = "p/c" })
    b:claim(1)
    b:turn("p/c", redis.complete "1")
    assert.equal("running 1:c=completed", a:turn("p", redis.suspend))
    assert.equal("running", store:state "p")
    assert.equal("suspended", a:turn("p", redis.suspend))
    assert.same({}, store:faults())
  end)

  it("does not happen when the child ended in the batch before it, in the same call", function()
    a:turn("p", redis.invoke { operation = "c", child = "p/c" })
    a:claim(1)
    local reply = a:ask(0, a:turn_of("p/c", redis.complete()), a:turn_of("p", redis.suspend))
    assert.equal("running 1:c=completed", redis.words(reply.groups[2]))
  end)
end)
