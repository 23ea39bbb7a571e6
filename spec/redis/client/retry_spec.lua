-- An ended run that begins again, and its parents: the verb `retry`, the effects `reset` and `reset_done`,
-- and `invoke` of what was reset.

local redis = require "spec.support.redis"

describe("retry of a run that ended", function()
  local store = redis.store()
  local a, b

  before_each(function() a, b = store.a, store.b end)

  local function turn_of(id) return tonumber(store:run(id).turn or 0) end

  local function fail(id)
    store:start(id)
    a:claim(1)
    a:turn(id, { "resolve", "s", "completed", 1, "1", "step" }, redis.fail '{"code":"x"}')
  end

  it("begins another attempt, and leaves the failed", function()
    fail "p"
    assert.same({ "p" }, store:call("ZRANGE", "failed", 0, -1))
    assert.same({ "retried" }, store:say("retry", 1, "p", turn_of "p", "unhandled"))
    assert.same({}, store:call("ZRANGE", "failed", 0, -1))
    assert.same({ "cold p" }, b:claim(1))
    local run = store:run "p"
    assert.same({ "running", "2", "1", "unhandled" }, { run.state, run.attempt, run.attempts_before, run.reset })
    assert.is_nil(run.error or run.finished_at)
    assert.is_truthy(run["o:s"])
    assert.same({ p = 1 }, b.known)
    assert.same({}, store:faults())
  end)

  it("counts its timeout anew", function()
    store:announce { timed = { timeout_ms = 50 } }
    store:start("t", "timed")
    a:claim(1)
    a:turn("t", redis.fail())
    store:pass(1000)
    store:say("retry", 1, "t", turn_of "t", "unhandled")
    assert.equal(1050, store:wake "t")
    assert.same({}, store:faults())
  end)

  it("says the same when it is sent again, and nothing when the run has moved", function()
    fail "p"
    local turn = turn_of "p"
    store:say("retry", 1, "p", turn, "unhandled")
    local answer = store:unchanged(function() return store:say("retry", 1, "p", turn, "unhandled") end)
    assert.same({ "retried" }, answer)
    a:claim(1)
    a:turn("p", redis.fail())
    assert.same({ "changed", "p" },
      store:unchanged(function() return store:say("retry", 1, "p", turn + 7, "unhandled") end))
    store:start "live"
    assert.same({ "changed", "live" },
      store:unchanged(function() return store:say("retry", 1, "live", 0, "unhandled") end))
    assert.same({ "missing", "none" },
      store:unchanged(function() return store:say("retry", 1, "none", 0, "unhandled") end))
  end)

  it("is not taken for another one that was asked at the same turn", function()
    fail "p"
    local turn = turn_of "p"
    store:say("retry", 1, "p", turn, "unhandled")
    assert.same({ "changed", "p" },
      store:unchanged(function() return store:say("retry", 1, "p", turn, "all") end))
  end)

  it("begins a generation when it resets all, or from some operation on", function()
    fail "p"
    store:say("retry", 1, "p", turn_of "p", "from\ts")
    assert.equal("2", store:run("p").generation)
    a:claim(1)
    a:turn("p", { "reset", "s", "drop" }, { "reset_done" }, redis.fail())
    store:say("retry", 1, "p", turn_of "p", "all")
    assert.equal("3", store:run("p").generation)
  end)

  it("says which of its ends it is to forget", function()
    fail "p"
    store:say("retry", 1, "p", turn_of "p", "unhandled")
    assert.equal("1", store:run("p").reset_number)
    store:say("cancel", "p", "by hand") -- not this one
    a:claim(1)
    a:turn("p", { "reset_done" }, redis.suspend)
    assert.same({ nil, "2" }, { store:run("p").reset_number, store:run("p").cancel })
  end)

  it("takes what it resets out of its journal, and an end too", function()
    store:start "p"
    a:claim(1)
    a:turn("p", { "resolve", "s", "failed", 1, "{}", "step" })
    store:say("cancel", "p", "by hand")
    a:turn("p", redis.suspend)
    a:turn("p", { "fail", "cancelled", "{}", "\ts" })
    assert.equal("\ts", store:run("p").redo)
    store:say("retry", 1, "p", turn_of "p", "unhandled")
    b:claim(1)
    assert.same({ p = 2 }, b.known)
    assert.equal("suspended",
      b:turn("p", { "reset", "", "2" }, { "reset", "s", "drop" }, { "reset_done" }, redis.suspend))
    local run = store:run "p"
    assert.same({}, { run["o:s"], run["1"], run["2"], run.reset, run.redo, run.cancel })
    assert.equal("2", run.last_number)
    assert.same({}, store:faults())
  end)

  describe("whose child is asked for again", function()
    local function fail_both()
      store:start "p"
      a:claim(1)
      a:turn("p", redis.invoke { operation = "c", child = "p/c", data = '{"n":1}' }, redis.suspend)
      a:claim(1)
      a:turn("p/c", redis.fail '{"code":"x"}')
      a:claim(1)
      a:turn("p", { "fail", "failed", "{}", "\tc" })
      store:say("retry", 1, "p", turn_of "p", "unhandled")
      a:claim(1)
    end

    local function ask(fields, ...)
      fields.operation, fields.child = "c", fields.child or "p/c"
      return a:turn("p", { "reset", "c", fields.mark or "reuse" }, { "reset_done" }, redis.invoke(fields), ...)
    end

    it("goes on when it is asked the same", function()
      fail_both()
      assert.equal("suspended", ask({ data = '{"n":1}', options = { next_generation = 2 } }, redis.suspend))
      assert.equal("unhandled", store:run("p/c").reset)
      assert.is_nil(store:run("p")["x:c"])
      assert.same({ "cold p/c" }, b:claim(1))
      b:turn("p/c", { "reset_done" }, redis.complete "5")
      assert.same({ "warm p 2:c=completed" }, a:claim(1))
      assert.same({}, store:faults())
    end)

    it("has a new generation when it is asked something else", function()
      fail_both()
      ask({ data = '{"n":2}', options = { next_generation = 2 } }, redis.suspend)
      assert.equal("failed", store:state "p/c")
      assert.equal("2", store:run("p")["c:c"])
      assert.same({ "cold p/c~2" }, b:claim(1))
      b:turn("p/c~2", redis.complete "5")
      assert.same({ "warm p 2:c~2=completed" }, a:claim(1))
      assert.same({}, store:faults())
    end)

    it("has a new generation when it depends on others now", function()
      fail_both()
      ask({ data = '{"n":1}', options = { next_generation = 2, deps = "a\tb" } }, redis.suspend)
      assert.same({ "failed", "2" }, { store:state "p/c", store:run("p")["c:c"] })
      assert.equal("a\tb", store:run("p/c~2").deps)
    end)

    it("has a new generation when that is known only after it was reset", function()
      fail_both()
      a:turn("p", { "reset", "c", "reuse" }, { "reset", "c", "restart" }, { "reset", "d", "restart" }, { "reset_done" })
      local run = store:run "p"
      assert.same({ "1\trestart" }, { run["x:c"], run["x:d"] })
      assert.equal("failed", store:state "p/c")
    end)

    it("is taken as it is when it has completed meanwhile", function()
      fail_both()
      store:say("retry", 1, "p/c", turn_of "p/c", "unhandled")
      b:claim(1)
      b:turn("p/c", { "reset_done" }, redis.complete "5")
      assert.equal("running 2:c=completed", ask { data = '{"n":1}', options = { next_generation = 2 } })
      assert.same({}, store:faults())
    end)

    it("begins again from where it was told to, also when it completed", function()
      fail_both()
      store:say("retry", 1, "p/c", turn_of "p/c", "unhandled")
      b:claim(1)
      b:turn("p/c", { "reset_done" }, redis.complete "5")
      a:turn("p", { "reset", "c", "reuse" }, { "reset_done" }, redis.fail())
      store:say("retry", 2, "p", turn_of "p", "children\tc", "p/c", turn_of "p/c", "all")
      a:claim(1)
      ask({ data = '{"n":1}', options = { next_generation = 2 } }, redis.suspend)
      local run = store:run "p/c"
      assert.same({ "ready", "all", "2" }, { run.state, run.reset, run.generation })
      assert.same({}, store:faults())
    end)

    it("goes by the rule when what was wanted of it was wanted by an earlier retry", function()
      fail_both()
      a:turn("p", { "reset_done" }, redis.fail())
      store:say("retry", 2, "p", turn_of "p", "children\tc", "p/c", turn_of "p/c", "all")
      a:claim(1)
      a:turn("p", { "reset_done" }, { "fail", "cancelled", "{}", "\tc" })
      store:say("retry", 1, "p", turn_of "p", "unhandled")
      a:claim(1)
      ask({ data = '{"n":1}', options = { next_generation = 2 } }, redis.suspend)
      assert.same({ "ready", "unhandled" }, { store:run("p/c").state, store:run("p/c").reset })
      assert.same({}, store:faults())
    end)

    it("keeps in mind that it is to be done anew, should the worker die before it asks", function()
      fail_both()
      assert.equal("running", a:turn("p", { "reset", "c", "restart" }))
      assert.equal("1\trestart", store:run("p")["x:c"])
      ask({ data = '{"n":1}', child = "p/c~2", options = { next_generation = 2 } }, redis.suspend)
      assert.is_nil(store:run("p")["x:c"])
      assert.same({ "cold p/c~2" }, b:claim(1))
      assert.same({}, store:faults())
    end)

    it("keeps in mind which generation that was, and that it is to be done anew, should it be refused", function()
      fail_both()
      ask({ data = '{"n":2}', options = { next_generation = 2 } })
      assert.equal("2", store:run("p")["c:c"])
      a:turn("p", { "reset", "c", "restart" })
      assert.equal("2\trestart", store:run("p")["x:c"])
      a:turn("p", redis.invoke { operation = "c", child = "p/c~3", workflow = "none", unknown = "{}",
        options = { next_generation = 3 } })
      assert.equal("2\trestart", store:run("p")["x:c"])
      a:turn("p", { "reset", "c", "reuse" })
      assert.equal("2\trestart", store:run("p")["x:c"])
      assert.same({}, store:faults())
    end)

    it("stays detached when its invoke timed out and another generation begins", function()
      store:start "p"
      a:claim(1)
      a:turn("p", redis.invoke { operation = "c", child = "p/c", data = '{"n":1}' },
        { "resolve", "c", "timeout", 0, "{}", "" })
      b:claim(1)
      a:turn("p", { "fail", "failed", "{}", "\tc" })
      store:say("retry", 1, "p", turn_of "p", "unhandled")
      a:claim(1)
      ask({ data = '{"n":2}', options = { next_generation = 2 } }, redis.suspend)
      b:turn("p/c", redis.complete "1")
      assert.equal("waiting", store:state "p")
      assert.is_nil(store:run("p")["2"])
      assert.same({}, store:faults())
    end)
  end)
end)

describe("cancel at once", function()
  local store = redis.store()

  it("is told behind the cancel, and wakes a run whose cancel was told already", function()
    local a = store.a
    store:start "p"
    a:claim(1)
    a:turn("p", redis.suspend)
    store:say("cancel", "p", "by hand")
    a:claim(1)
    a:turn("p", redis.suspend)
    assert.same({ "cancelled", "ready" }, store:say("cancel", "p", "by hand", "1"))
    assert.same({ "warm p 2:terminated" }, a:claim(1))
    assert.same({ "cancelled", "running" },
      store:unchanged(function() return store:say("cancel", "p", "by hand", "1") end))
    assert.same({}, store:faults())
  end)
end)
