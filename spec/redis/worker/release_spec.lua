local redis = require "spec.support.redis"

describe("release", function()
  local store = redis.store()
  local a, b

  before_each(function()
    a, b = store.a, store.b
    store:start "p"
    a:claim(1)
  end)

  it("lets any worker go on with a waiting run, from its journal", function()
    a:turn("p", { "record", "s", "sleep" }, { "suspend", "", 100 })
    assert.same({ "released" }, a:say("release", "p"))
    assert.same({ "waiting", "" }, { store:state "p", store:run("p").owner })
    assert.same({}, store:faults())
    store:pass(100)
    assert.same({ "cold p" }, b:claim(1, { "promote" }))
    assert.same({}, store:faults())
  end)

  it("puts a run that became ready meanwhile into its queue", function()
    a:turn("p", { "suspend", "", 100 })
    store:pass(100)
    store:say "promote"
    assert.same({ "released" }, a:say("release", "p"))
    assert.same({ "p" }, store:call("ZRANGE", "ready:default", 0, -1))
    assert.same({}, store:faults())
    assert.same({ "cold p" }, b:claim(1))
  end)

  it("may give it back at once, without a coroutine", function()
    a:turn("p", { "suspend", "", 100 })
    store:pass(100)
    store:say "promote"
    assert.same({ "cold p" }, a:claim(1, { "release", "p" }))
    assert.same({}, store:faults())
  end)

  it("replies not_owner when it is sent again, and writes nothing", function()
    a:turn("p", redis.suspend)
    a:say("release", "p")
    assert.same({ "not_owner" }, store:unchanged(function() return a:say("release", "p") end))
  end)

  it("is lost for a running run, for another worker, and without a run", function()
    store:unchanged(function()
      assert.same({ "not_owner" }, a:say("release", "p"))
      assert.same({ "not_owner" }, b:say("release", "p"))
      assert.same({ "not_owner" }, b:say("release", "none"))
    end)
  end)
end)
