local redis = require "spec.support.redis"

describe("load", function()
  local store = redis.store()
  local a, b

  before_each(function()
    a, b = store.a, store.b
    store:start "p"
    a:claim(1)
  end)

  it("brings the whole record of a run that this worker holds", function()
    a:turn("p", { "resolve", "s", "completed", 1, ("x"):rep(100), "step" })
    local answer = store:unchanged(function() return a:say("load", "p") end)
    assert.same({ "cold", "p", 1, 0, store.bundle }, { table.unpack(answer, 1, 5) })
    local fields = {}
    for i = 6, #answer, 2 do fields[answer[i]] = answer[i + 1] end
    assert.same(store:run "p", fields)
  end)

  it("is what goes on with a warm run whose coroutine is gone", function()
    a:turn("p", { "suspend", "", 10 })
    store:pass(10)
    assert.same({ "warm p" }, a:claim(1, { "promote" }))
    a.turns.p, a.known.p = nil, nil
    a:say("load", "p")
    assert.equal("done", a:turn("p", redis.complete()))
  end)

  it("is lost for a run that is not this worker's, waits, or is not there", function()
    store:start "q"
    a:claim(1)
    a:turn("q", redis.suspend)
    store:unchanged(function()
      assert.same({ "lost" }, b:say("load", "p"))
      assert.same({ "lost" }, a:say("load", "q"))
      assert.same({ "lost" }, a:say("load", "none"))
    end)
  end)
end)
