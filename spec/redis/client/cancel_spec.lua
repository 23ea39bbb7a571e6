local redis = require "spec.support.redis"

describe("cancel", function()
  local store = redis.store()
  local a, b

  before_each(function() a, b = store.a, store.b end)

  it("ends a run that never began, and takes it out of its queue", function()
    store:start "p"
    assert.same({ "cancelled", "cancelled" }, store:say("cancel", "p", "by hand"))
    local run = store:run "p"
    assert.same({ "cancelled", tostring(redis.BEGIN) }, { run.state, run.finished_at })
    assert.matches('"message":"by hand"', run.error, 1, true)
    assert.same({}, a:claim(1))
    assert.same({}, store:faults())
  end)

  it("ends a run that would start later", function()
    store:start("p", "w", { delay_ms = 100 })
    store:say("cancel", "p", "by hand")
    assert.equal("cancelled", store:state "p")
    assert.is_nil(store:wake "p")
    assert.same({}, store:faults())
  end)

  it("ends a run of an unknown workflow", function()
    store:start("p", "no")
    store:say("cancel", "p", "by hand")
    assert.equal("cancelled", store:state "p")
    store:announce { no = {} }
    assert.same({}, a:claim(1))
    assert.same({}, store:faults())
  end)

  it("takes its number at once, and is told to a running run with its turn", function()
    store:start "p"
    a:claim(1)
    assert.same({ "cancelled", "running" }, store:say("cancel", "p", "by hand"))
    local run = store:run "p"
    assert.same({ "running", "1", "1" }, { run.state, run.last_number, run.cancel })
    assert.equal(("\tcancelled\t%d\t0\tby hand"):format(redis.BEGIN), run["1"])
    assert.equal("running 1:cancelled", a:turn("p", redis.suspend))
    assert.same({}, store:faults())
  end)

  it("wakes a run that waits", function()
    store:start "p"
    a:claim(1)
    a:turn("p", redis.suspend)
    assert.same({ "cancelled", "ready" }, store:say("cancel", "p", "by hand"))
    assert.same({ "warm p 1:cancelled" }, a:claim(1))
    assert.same({}, store:faults())
  end)

  it("wakes a run that backs off, in the attempt that failed", function()
    store:start "p"
    a:claim(1)
    a:turn("p", { "retry", 1000, "{}" })
    store:say("cancel", "p", "by hand")
    assert.same({ "cold p" }, b:claim(1))
    assert.is_nil(store:run("p").attempt)
    assert.same({}, store:faults())
  end)

  it("is the same when it is sent again", function()
    store:start "p"
    a:claim(1)
    store:say("cancel", "p", "by hand")
    store:unchanged(function()
      assert.same({ "cancelled", "running" }, store:say("cancel", "p", "again"))
    end)
  end)

  it("writes nothing of a run that has ended, or is not there", function()
    store:start "p"
    a:claim(1)
    a:turn("p", redis.complete())
    store:unchanged(function()
      assert.same({ "ended", "completed" }, store:say("cancel", "p", "by hand"))
      assert.same({ "missing" }, store:say("cancel", "none", "by hand"))
    end)
  end)

  it("takes away the deadline, so that a clean-up is not woken again and again", function()
    store:announce { timed = { timeout_ms = 100 } }
    store:start("p", "timed")
    a:claim(1)
    a:turn("p", redis.suspend)
    store:say("cancel", "p", "by hand")
    a:claim(1)
    a:turn("p", redis.invoke { operation = "undo", child = "p/undo" }, redis.suspend)
    store:pass(200)
    assert.equal("inf", store:wake "p")
    store:say "promote"
    assert.equal("waiting", store:state "p")
  end)

  it("takes away the deadline of a run that stands ready", function()
    store:announce { timed = { timeout_ms = 100 } }
    store:start("p", "timed")
    a:claim(1)
    a:turn("p", { "suspend", "", 50 })
    store:pass(50)
    store:say "promote"
    assert.equal(100, store:wake "p")
    store:say("cancel", "p", "by hand")
    assert.is_nil(store:wake "p")
    store:pass(100)
    assert.same({ "promoted", 0 }, store:say "promote")
  end)

  describe("of a child by its parent", function()
    before_each(function()
      store:start "p"
      a:claim(1)
      a:turn("p", redis.invoke { operation = "c", child = "p/c" })
    end)

    it("is an outcome at once when the child never began", function()
      assert.equal("running 1:c=cancelled", a:turn("p", { "cancel", "p/c", "no more", "" }, redis.suspend))
      assert.equal("cancelled", store:state "p/c")
      assert.same({}, b:claim(1))
      assert.same({}, store:faults())
    end)

    it("is told to a child that runs, whose end is the outcome", function()
      b:claim(1)
      assert.equal("suspended", a:turn("p", { "cancel", "p/c", "no more", "" }, redis.suspend))
      assert.equal("running 1:cancelled", b:turn("p/c", redis.complete()))
      b:turn("p/c", { "fail", "cancelled", "{}", "" })
      assert.same({ "warm p 1:c=cancelled" }, a:claim(1))
      assert.same({}, store:faults())
    end)

    it("ends a child in the very call that started it", function()
      assert.equal("running 1:d=cancelled", a:turn("p",
        redis.invoke { operation = "d", child = "p/d" }, { "cancel", "p/d", "no more", "" }))
      assert.equal("cancelled", store:state "p/d")
      assert.same({}, store:faults())
    end)

    it("leaves one that was let go alone", function()
      a:turn("p", redis.invoke { operation = "d", child = "p/d", options = { detached = "1" } })
      assert.equal("running", a:turn("p", { "cancel", "p/d", "no more", "" }))
      assert.same({ "ready" }, { store:state "p/d", store:run("p").cancel_pending })
    end)

    it("takes no notice of a child that has ended, or is not there", function()
      b:claim(1)
      b:turn("p/c", redis.complete())
      local before = store:dump()["r:p/c"]
      assert.equal("running 1:c=completed",
        a:turn("p", { "cancel", "p/c", "no more", "" }, { "cancel", "p/none", "no more", "" }))
      assert.equal(before, store:dump()["r:p/c"])
    end)
  end)
end)
