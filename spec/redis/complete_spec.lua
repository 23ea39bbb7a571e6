local redis = require "spec.support.redis"

describe("complete", function()
  local store = redis.store()
  local a, b

  before_each(function()
    a, b = store.a, store.b
    store:start "p"
    a:claim(1)
  end)

  it("ends the run with its result, and nobody holds it", function()
    store:pass(5)
    assert.equal("done", a:turn("p", redis.complete '"r"'))
    local run = store:run "p"
    assert.same({ "completed", '"r"', tostring(redis.BEGIN + 5), "" },
      { run.state, run.result, run.finished_at, run.holder })
    assert.same({}, store:call("SMEMBERS", "held:" .. a.name))
    assert.same({}, store:faults())
  end)

  it("takes away the failure of the attempt before", function()
    a:turn("p", { "retry", 0, '{"code":"error"}' })
    store:say "promote"
    a:claim(1)
    a:turn("p", redis.complete())
    assert.is_nil(store:run("p").error)
  end)

  it("wakes its waiter, which stays where its coroutine is", function()
    a:turn("p", redis.invoke { operation = "c", child = "p/c" }, redis.suspend)
    b:claim(1)
    assert.equal("done", b:turn("p/c", redis.complete()))
    assert.same({ "ready", a.name }, { store:state "p", store:run("p").holder })
    assert.same({}, store:faults())
  end)

  it("records its outcome in a parent that backs off, which goes on backing off", function()
    a:turn("p", redis.invoke { operation = "c", child = "p/c" }, { "retry", 100, "{}" })
    b:claim(1)
    b:turn("p/c", redis.complete())
    assert.same({ "retrying", "1" }, { store:state "p", store:run("p").number })
    assert.equal(100, store:wake "p")
  end)

  it("comes after a cancel that was recorded first", function()
    store:say("cancel", "p", "by hand")
    assert.equal("running 1:cancelled", a:turn("p", redis.complete()))
    assert.equal("running", store:state "p")
  end)

  it("comes before a cancel that was recorded after it", function()
    a:turn("p", redis.complete())
    local answer = store:unchanged(function() return store:say("cancel", "p", "by hand") end)
    assert.same({ "ended", "completed" }, answer)
  end)

  it("waits for children that timed out and still live, the last first", function()
    a:turn("p", redis.invoke { operation = "c", child = "p/c" },
      redis.invoke { operation = "d", child = "p/d" })
    b:claim(2)
    a:turn("p", { "resolve", "c", "failed", 0, '{"code":"timeout"}', "" },
      { "resolve", "d", "failed", 0, '{"code":"timeout"}', "" })
    local ending = { "complete", '"r"', 2, "p/c", "p/d" }
    assert.equal("suspended", a:turn("p", ending))
    assert.same({}, store:faults())
    b:turn("p/c", redis.complete())
    assert.equal("waiting", store:state "p")
    b:turn("p/d", redis.complete())
    assert.same({ "warm p" }, a:claim(1))
    assert.equal("2", store:run("p").number)
    assert.equal("done", a:turn("p", ending))
    assert.equal("completed", store:state "p")
    assert.same({}, store:faults())
  end)

  it("does not wait for children that have ended, or were never there", function()
    a:turn("p", redis.invoke { operation = "c", child = "p/c" })
    b:claim(1)
    b:turn("p/c", redis.complete())
    assert.equal("done", a:turn("p", { "complete", "1", 2, "p/c", "p/none" }))
  end)
end)
