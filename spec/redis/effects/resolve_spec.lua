local redis = require "spec.support.redis"

describe("resolve", function()
  local store = redis.store()
  local a, b

  before_each(function()
    a, b = store.a, store.b
    store:start "p"
    a:claim(1)
  end)

  it("gives an operation its outcome and the run's next number", function()
    a:turn("p", { "record", "s", "sleep" })
    assert.equal("running 1:s=completed", a:turn("p", { "resolve", "s", "completed", 1, "null", "" }))
    local run = store:run "p"
    assert.equal("1\t" .. redis.BEGIN .. "\tsleep", run["o:s"])
    assert.equal("s\tcompleted\t" .. redis.BEGIN .. "\t1\tnull", run["1"])
    assert.equal("1", run.last_number)
  end)

  it("records an operation that begins and ends in one turn", function()
    a:turn("p", { "resolve", "s", "failed", 3, '{"code":"error"}', "step" })
    assert.equal("1\t" .. redis.BEGIN .. "\tstep", store:run("p")["o:s"])
  end)

  it("lets one that took a while begin before it ended, and no other", function()
    store:pass(5000)
    a:turn("p", { "took", 1200 }, { "resolve", "s", "completed", 1, "null", "step" },
      { "resolve", "t", "completed", 1, "null", "step" })
    local run, now = store:run "p", redis.BEGIN + 5000
    assert.equal(("1\t%d\tstep"):format(now - 1200), run["o:s"])
    assert.equal(("s\tcompleted\t%d\t1\tnull"):format(now), run["1"])
    assert.equal(("2\t%d\tstep"):format(now), run["o:t"])
  end)

  it("numbers outcomes in the order in which they were recorded", function()
    assert.equal("running 1:b=completed 2:a=failed", a:turn("p",
      { "resolve", "b", "completed", 1, "1", "step" }, { "resolve", "a", "failed", 1, "2", "step" }))
  end)

  it("says nothing of an operation that was never recorded", function()
    assert.equal("running", a:turn("p", { "resolve", "s", "completed", 1, "1", "" }))
    assert.is_nil(store:run("p").last_number)
  end)

  it("comes too late when the child completed before its timeout", function()
    a:turn("p", redis.invoke { operation = "c", child = "p/c" }, { "suspend", "", 100 })
    b:claim(1)
    store:pass(100)
    store:say "promote"
    assert.same({ "warm p" }, a:claim(1))
    b:turn("p/c", redis.complete())
    assert.equal("running 1:c=completed",
      a:turn("p", { "resolve", "c", "failed", 0, '{"code":"timeout"}', "" }, redis.suspend))
    assert.equal("1", store:run("p").last_number)
    assert.same({}, store:faults())
  end)

  it("comes first when the timeout was recorded before the child completed", function()
    a:turn("p", redis.invoke { operation = "c", child = "p/c" }, { "suspend", "", 100 })
    b:claim(1)
    store:pass(100)
    store:say "promote"
    a:claim(1)
    assert.equal("running 1:c=failed",
      a:turn("p", { "resolve", "c", "failed", 0, '{"code":"timeout"}', "" }))
    assert.equal("suspended", a:turn("p", redis.suspend))
    b:turn("p/c", redis.complete())
    assert.same({ "waiting", "1" }, { store:state "p", store:run("p").last_number })
    assert.same({}, store:faults())
  end)
end)
