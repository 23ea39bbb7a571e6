local redis = require "spec.support.redis"

describe("fail", function()
  local store = redis.store()
  local a, b

  before_each(function()
    a, b = store.a, store.b
    store:start "p"
    a:claim(1)
  end)

  it("ends the run with its error, among the failed", function()
    assert.equal("done", a:turn("p", redis.fail '{"code":"x"}'))
    local run = store:run "p"
    assert.same({ "failed", '{"code":"x"}' }, { run.state, run.error })
    assert.equal(tostring(redis.BEGIN), store:call("ZSCORE", "failed", "p"))
    assert.same({}, store:faults())
  end)

  it("ends a cancelled run as cancelled, which is no failure", function()
    store:say("cancel", "p", "by hand")
    assert.equal("running 1:cancelled", a:turn("p"))
    assert.equal("done", a:turn("p", { "fail", "cancelled", "{}", "" }))
    assert.equal("cancelled", store:state "p")
    assert.is_false(store:call("ZSCORE", "failed", "p"))
    assert.same({}, store:faults())
  end)

  it("delivers the error to its waiter", function()
    a:turn("p", redis.invoke { operation = "c", child = "p/c" }, redis.suspend)
    b:claim(1)
    b:turn("p/c", redis.fail '{"code":"x"}')
    assert.same({ "warm p 1:c=failed" }, a:claim(1))
    assert.equal(('c\tfailed\t%d\t1\t{"code":"x"}'):format(redis.BEGIN), store:run("p")["1"])
  end)

  it("comes after a cancel that was recorded first", function()
    store:say("cancel", "p", "by hand")
    assert.equal("running 1:cancelled", a:turn("p", redis.fail()))
    assert.equal("running", store:state "p")
  end)

  it("waits for children that were told to end", function()
    a:turn("p", redis.invoke { operation = "c", child = "p/c" })
    b:claim(1)
    a:turn("p", { "resolve", "c", "timeout", 0, "{}", "" }, { "cancel", "p/c", "timed out", "" })
    assert.equal("suspended", a:turn("p", { "fail", "failed", "{}", "" }))
    b.known["p/c"] = 1
    b:turn("p/c", redis.fail())
    assert.same({ "warm p" }, a:claim(1))
    assert.equal("done", a:turn("p", { "fail", "failed", "{}", "" }))
    assert.same({}, store:faults())
  end)

  it("refuses to end a run in a state that is no end", function()
    local before = store:dump()["r:p"]
    assert.matches("^error illegal move of p from running to ready2",
      a:turn("p", { "fail", "ready2", "{}", "" }))
    assert.equal(before, store:dump()["r:p"])
  end)
end)
