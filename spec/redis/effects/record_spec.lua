local redis = require "spec.support.redis"

describe("record", function()
  local store = redis.store()

  before_each(function()
    store:start "p"
    store.a:claim(1)
  end)

  it("notes that an operation began, and when", function()
    assert.equal("running", store.a:turn("p", { "record", "s", "sleep" }))
    assert.equal("\t" .. redis.BEGIN .. "\tsleep", store:run("p")["o:s"])
    assert.same({}, store:faults())
  end)

  it("notes another try with its own time", function()
    store.a:turn("p", { "record", "s", "step 1" })
    store:pass(10)
    store.a:turn("p", { "record", "s", "step 2" })
    assert.equal(("\t%d\tstep 2"):format(redis.BEGIN + 10), store:run("p")["o:s"])
  end)

  it("keeps the last text when a long one gives way to a short one", function()
    store.a:turn("p", { "record", "s", ("x"):rep(100) })
    store.a:turn("p", { "record", "s", "short" })
    assert.equal("\t" .. redis.BEGIN .. "\tshort", store:run("p")["o:s"])
    store.a:turn("p", { "record", "s", ("y"):rep(100) })
    assert.equal("\t" .. redis.BEGIN .. "\t" .. ("y"):rep(100), store:run("p")["o:s"])
  end)
end)
