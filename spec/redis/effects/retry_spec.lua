local redis = require "spec.support.redis"

describe("retry", function()
  local store = redis.store()
  local a, b

  before_each(function()
    a, b = store.a, store.b
    store:start "p"
    a:claim(1)
  end)

  it("backs off, and no worker owns the run", function()
    local heard = store:listen "due"
    assert.equal("done", a:turn("p", { "retry", 100, '{"code":"x"}' }))
    local run = store:run "p"
    assert.same({ "retrying", "", '{"code":"x"}' }, { run.state, run.owner, run.error })
    assert.equal(100, store:wake "p")
    assert.same({ tostring(redis.BEGIN + 100) }, heard())
    assert.same({}, store:faults())
  end)

  it("begins another attempt on the newest code, with the journal kept", function()
    a:turn("p", { "resolve", "s", "completed", 1, "1", "step" })
    a:turn("p", { "retry", 100, "{}" })
    store:pass(100)
    local new = store:announce({ w = {} }, { ["new.lua"] = "" })
    store:say "promote"
    assert.same({ "cold p" }, b:claim(1))
    local run = store:run "p"
    assert.same({ "running", "2", new, store.bundle }, { run.state, run.attempt, run.bundle, run["bundle@1"] })
    assert.same({ p = 1 }, b.known)
    assert.same({}, store:faults())
  end)

  it("counts every attempt", function()
    for attempt = 2, 4 do
      a:turn("p", { "retry", 0, "{}" })
      store:say "promote"
      assert.same({ "cold p" }, a:claim(1))
      assert.equal(tostring(attempt), store:run("p").attempt)
    end
    assert.equal("done", a:turn("p", redis.fail()))
    assert.same({}, store:faults())
  end)

  it("comes after a cancel that was recorded first", function()
    store:say("cancel", "p", "by hand")
    assert.equal("running 1:cancelled", a:turn("p", { "retry", 100, "{}" }))
    assert.equal("running", store:state "p")
  end)

  it("ends with the run's time: it wakes to expire", function()
    store:announce { timed = { timeout_ms = 50 } }
    store:start("t", "timed")
    a:claim(1)
    a:turn("t", { "retry", 100, "{}" })
    assert.equal(50, store:wake "t")
    store:pass(50)
    store:say "promote"
    assert.same({ "cold t" }, a:claim(1))
    assert.matches("^\texpired\t", store:run("t")["1"])
    assert.is_nil(store:run("t").attempt)
  end)
end)
