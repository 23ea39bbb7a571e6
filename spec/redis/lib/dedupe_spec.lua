-- Invokes and starts with the same `dedupe` key: one run stands for all of them, and each that waits is told its end.

local redis = require "spec.support.redis"

describe("dedupe", function()
  local store = redis.store()
  local a

  local function ask(id, key, within_ms)
    return store:say("start", id, "w", "{}", "7", "", 2, "dedupe", key or "k", "within_ms", within_ms or 1000)
  end

  local function shared(operation, parent, options)
    options = options or {}
    options.dedupe, options.within_ms = options.dedupe or "k", options.within_ms or 1000
    return redis.invoke { operation = operation, child = parent .. "/" .. operation, options = options }
  end

  -- Two roots that run, `p` and `q`.
  before_each(function()
    a = store.a
    store:start "p"
    store:start "q"
    a:claim(2)
  end)

  describe("of a start", function()
    it("names the earlier run as long as that is young, also when it has completed", function()
      assert.same({ "started" }, ask "one")
      assert.same({ "deduplicated", "one" }, store:unchanged(function() return ask "two" end))
      a:claim(1)
      a:turn("one", redis.complete())
      assert.same({ "deduplicated", "one" }, ask "two")
      store:pass(999)
      assert.same({ "deduplicated", "one" }, ask "two")
      store:pass(1)
      assert.same({ "started" }, ask "two")
      assert.same({ "deduplicated", "two" }, ask "three")
    end)

    it("says the same when it is sent again", function()
      ask "one"
      assert.same({ "exists", "w", "{}", "ready" }, store:unchanged(function() return ask "one" end))
    end)

    it("does not count a run that has taken the id of the earlier one", function()
      ask "one"
      a:claim(1)
      a:turn("one", redis.complete())
      store:say("delete", "one")
      store:pass(1)
      store:start "one"
      assert.same({ "started" }, ask "two")
    end)

    it("keeps keys and workflows apart", function()
      store:announce { w = {}, v = {} }
      ask "one"
      assert.same({ "started" }, ask("two", "other"))
      assert.same({ "started" },
        store:say("start", "three", "v", "{}", "7", "", 2, "dedupe", "k", "within_ms", 1000))
    end)

    it("does not count one that failed or was cancelled, once it has ended", function()
      ask "one"
      a:claim(1)
      store:say("cancel", "one", "stop")
      assert.same({ "deduplicated", "one" }, ask "two")
      a.known.one = 1
      a:turn("one", { "fail", "cancelled", "{}", "" })
      assert.same({ "started" }, ask "two")
      a:claim(1)
      a:turn("two", redis.fail())
      assert.same({ "started" }, ask "three")
    end)

    it("sees what was begun in the same batch", function()
      local groups = {}
      for i, id in ipairs { "one", "two" } do
        groups[i] = { "start", id, "w", "{}", "7", "", 2, "dedupe", "k", "within_ms", 1000 }
      end
      assert.same({ { "started" }, { "deduplicated", "one" } }, store.client:ask(0, table.unpack(groups)).groups)
    end)
  end)

  describe("of an invoke", function()
    it("starts a child for the first, and resolves all by its end", function()
      a:turn("p", shared("c", "p"), redis.suspend)
      a:turn("q", shared("d", "q"), redis.suspend)
      assert.is_nil(store:run "q/d")
      assert.equal("p/c", store:run("q")["w:d"])
      assert.same({ "q/d" }, store:call("SMEMBERS", "waiters:p/c"))
      assert.same({ "cold p/c" }, a:claim(1))
      a:turn("p/c", redis.complete '"done"')
      assert.equal(('c\tcompleted\t%d\t1\t"done"'):format(redis.BEGIN), store:run("p")["1"])
      assert.equal(('d\tcompleted\t%d\t1 p/c\t"done"'):format(redis.BEGIN), store:run("q")["1"])
      assert.same({ "ready", "ready" }, { store:state "p", store:state "q" })
      assert.same({}, store:call("SMEMBERS", "waiters:p/c"))
      assert.is_nil(store:run("p/c").waiters)
      assert.same({}, store:faults())
    end)

    it("takes the outcome of one that has completed", function()
      ask "one"
      a:claim(1)
      a:turn("one", redis.complete '"done"')
      assert.equal("running 1:c=completed", a:turn("p", shared("c", "p"), redis.suspend))
      assert.equal(('c\tcompleted\t%d\t1 one\t"done"'):format(redis.BEGIN), store:run("p")["1"])
      assert.is_nil(store:run "p/c")
    end)

    it("tells the failure of what it waited for, and starts anew after it", function()
      ask "one"
      a:claim(1)
      a:turn("p", shared("c", "p"), redis.suspend)
      a:turn("one", redis.fail '{"code":"no"}')
      assert.equal(('c\tfailed\t%d\t1 one\t{"code":"no"}'):format(redis.BEGIN), store:run("p")["1"])
      a:turn("q", shared("d", "q"), redis.suspend)
      assert.equal("ready", store:state "q/d")
    end)

    it("writes the same when the turn is sent again", function()
      ask "one"
      local turn = a:turn_of("p", shared("c", "p"), redis.suspend)
      a:ask(0, turn)
      assert.same({ "suspended" }, { store:unchanged(function() return a:ask(0, turn).groups[1][1] end) })
    end)

    it("gives a detached one the id, and does not wait", function()
      ask "one"
      assert.equal("running 1:c=completed", a:turn("p", shared("c", "p", { detached = "1" }), redis.suspend))
      assert.equal(('c\tcompleted\t%d\t1 one\t"one"'):format(redis.BEGIN), store:run("p")["1"])
      assert.is_nil(store:run("one").waiters)
    end)

    it("cancels only the operation that waits", function()
      ask "one"
      a:turn("p", shared("c", "p"))
      assert.equal("running 1:c=cancelled", a:turn("p", { "cancel", "p/c", "stop", "" }, redis.suspend))
      assert.equal("ready", store:state "one")
      assert.same({}, store:call("SMEMBERS", "waiters:one"))
      a:claim(1)
      a:turn("one", redis.complete())
      assert.is_nil(store:run("p")["2"])
      assert.same({}, store:faults())
    end)

    it("leaves what it waits for alone when its time is over", function()
      ask "one"
      a:turn("p", shared("c", "p"))
      a:turn("p", { "resolve", "c", "timeout", 0, '{"code":"timeout"}', "" }, { "cancel", "p/c", "stop", "" })
      assert.same({}, store:call("SMEMBERS", "waiters:one"))
      assert.same({ "ready", "1" }, { store:state "one", store:run("p").last_number })
      assert.equal("done", a:turn("p", redis.complete()))
    end)

    it("refuses to wait for a run that waits for it", function()
      store:say("start", "top", "w", "{}", "7", "", 2, "dedupe", "k", "within_ms", 1000)
      a:claim(1)
      a:turn("top", redis.invoke { operation = "c", child = "top/c" }, redis.suspend)
      a:claim(1)
      assert.equal("running 1:d=refused", a:turn("top/c", shared("d", "top/c"), redis.suspend))
      assert.truthy(store:run("top/c")["1"]:find('"code":"cycle"', 1, true))
      assert.truthy(store:run("top/c")["1"]:find([[top\/c waits for top waits for top\/c]], 1, true))
    end)

    it("no longer stores whom it waited for once the operation is reset", function()
      ask "one"
      a:turn("p", shared("c", "p"))
      a:turn("p", { "reset", "c", "reuse" })
      assert.is_nil(store:run("p")["w:c"])
      assert.same({}, store:call("SMEMBERS", "waiters:one"))
    end)
  end)

  describe("in a circle", function()
    -- A root that is known by its own name and runs.
    local function root(id)
      ask(id, id)
      a:claim(1)
    end

    local in_10_ms = { "suspend", "", 10 }

    local function pass_10_ms()
      store:pass(10)
      store:say "promote"
      a:claim(1)
    end

    -- Starts a child that is known by its id, and claims it.
    local function child(run, name, options)
      local id = run .. "/" .. name
      options = options or {}
      options.dedupe, options.within_ms = id, 1000
      a:turn(run, redis.invoke { operation = name, child = id, options = options }, in_10_ms)
      a:claim(1)
    end

    local timed_out = '{"code":"timeout"}'

    -- The outcome when a run asks for another one.
    local function waits_for(run, other)
      local name = "for-" .. other:gsub("/", "-")
      return a:turn(run, shared(name, run, { dedupe = other }), redis.suspend)
    end

    local function refused(run, other)
      assert.truthy(waits_for(run, other):find("^running %d+:for%-.*=refused$"))
      local fields = store:run(run)
      local outcome = fields[fields.last_number]
      assert.truthy(outcome:find('"code":"cycle"', 1, true), outcome)
      return outcome:match('neither could ever end: ([^"]*)'):gsub([[\/]], "/")
    end

    it("is refused between two trees, and told by the ids of the runs", function()
      root "a"
      root "b"
      child("a", "x")
      child("b", "y")
      assert.equal("suspended", waits_for("a/x", "b/y"))
      assert.equal("b/y waits for a waits for a/x waits for b/y", refused("b/y", "a"))
      assert.same({}, store:faults())
    end)

    it("is refused between three trees", function()
      for _, id in ipairs { "a", "b", "c" } do
        root(id)
        child(id, "x")
      end
      assert.equal("suspended", waits_for("a/x", "b"))
      assert.equal("suspended", waits_for("b/x", "c/x"))
      assert.equal("c/x waits for a waits for a/x waits for b waits for b/x waits for c/x", refused("c/x", "a"))
    end)

    it("is refused when the other half of it was said in the same batch", function()
      root "a"
      root "b"
      local reply = a:ask(0, a:turn_of("a", shared("for-b", "a", { dedupe = "b" }), redis.suspend),
        a:turn_of("b", shared("for-a", "b", { dedupe = "a" }), redis.suspend))
      assert.same({ "suspended", "running 1:for-a=refused" }, { reply.groups[1][1], redis.words(reply.groups[2]) })
      a:turn("b", redis.complete())
      assert.equal("ready", store:state "a")
    end)

    it("is none when runs wait for the same one on two ways", function()
      for _, id in ipairs { "a", "b", "c", "d" } do root(id) end
      assert.equal("suspended", waits_for("b", "a"))
      assert.equal("suspended", waits_for("c", "a"))
      a:turn("d", shared("for-b", "d", { dedupe = "b" }))
      assert.equal("suspended", waits_for("d", "c"))
      root "e"
      assert.equal("suspended", waits_for("a", "e"))
      assert.truthy(refused("e", "d"):find "^e waits for d waits for [bc] waits for a waits for e$")
      assert.same({}, store:faults())
    end)

    for _, effect in ipairs { { "cancel", "a/for-b", "timed out", "" }, { "detach", "a/for-b" } } do
      it("is none when the time of the one that waited is over: " .. effect[1], function()
        root "a"
        root "b"
        a:turn("a", shared("for-b", "a", { dedupe = "b" }), in_10_ms)
        pass_10_ms()
        a:turn("a", { "resolve", "for-b", "timeout", 0, timed_out, "" }, effect, redis.suspend)
        assert.same({}, store:call("SMEMBERS", "waiters:b"))
        assert.equal("suspended", waits_for("b", "a"))
      end)
    end

    it("is none when the one that waits was cancelled and will wait no longer", function()
      root "a"
      root "b"
      a:turn("a", redis.invoke { operation = "for-b", child = "a/for-b", entry = "invoke\t0\t1\tw.lua:1\tw\t",
        options = { dedupe = "b", within_ms = 1000 } }, redis.suspend)
      store:say("cancel", "a", "stop")
      assert.equal("suspended", waits_for("b", "a"))
    end)

    it("is none through a detached child", function()
      root "a"
      child("a", "x", { detached = "1" })
      assert.equal("suspended", waits_for("a/x", "a"))
    end)

    it("is none through a child whose invoke timed out, until that is awaited again", function()
      root "a"
      child("a", "x")
      pass_10_ms()
      a:turn("a", { "resolve", "x", "timeout", 0, timed_out, "" }, { "detach", "a/x" }, redis.fail())
      store:say("retry", 1, "a", store:run("a").turn, "unhandled")
      a:claim(1)
      assert.equal("suspended", waits_for("a/x", "a"))
      assert.equal("running 2:x=refused", a:turn("a", { "reset", "x", "reuse" }, { "reset_done" },
        redis.invoke { operation = "x", child = "a/x", options = { next_generation = 2 } }, redis.suspend))
      assert.truthy(store:run("a")["2"]:find([[a waits for a\/x waits for a"]], 1, true))
      assert.equal("timeout", store:run("a/x").detached)
      a:turn("a", redis.complete())
      assert.equal("ready", store:state "a/x")
      assert.same({}, store:faults())
    end)

    it("is looked for among so many runs, however many wait, but always among those above", function()
      root "top"
      child("top", "c")
      child("top/c", "b")
      local waiters = 1500
      for i = 1, waiters do
        store:start("p" .. i)
        a:claim(1)
        waits_for("p" .. i, "top/c/b")
      end
      root "c"
      assert.equal("top/c/b waits for top waits for top/c waits for top/c/b", refused("top/c/b", "top"))
      local function reads() return store.redis:call("INFO", "commandstats"):match "cmdstat_hmget:calls=(%d+)" end
      local before = reads()
      assert.equal("suspended", waits_for("top/c/b", "c"))
      assert.truthy(reads() - before < 1100, reads() - before)
    end)
  end)

  it("tells many a part at a time, and keeps the end of the run in the delayed set until all know", function()
    ask "one"
    a:claim(1)
    local waiters = 250
    for i = 1, waiters do
      store:start("p" .. i)
      a:claim(1)
      a:turn("p" .. i, shared("c", "p" .. i), redis.suspend)
    end
    a:turn("one", redis.complete '"done"')
    local function told()
      local n = 0
      for i = 1, waiters do
        if store:run("p" .. i)["1"] then n = n + 1 end
      end
      return n
    end
    assert.same({ 100, 0 }, { told(), store:wake "one" })
    assert.same({}, store:faults())
    store:say "promote"
    store:say "promote"
    assert.same({ waiters, "completed" }, { told(), store:state "one" })
    store:say "promote"
    assert.is_nil(store:wake "one")
    assert.is_nil(store:run("one").waiters)
    assert.same({}, store:faults())
  end)

  it("deletes keys whose time is over", function()
    ask("one", "short", 10)
    ask("two", "long", 1000)
    store:pass(10)
    store:heartbeat(store.host)
    assert.same({ "w\tlong", ("%d\t%d\ttwo"):format(redis.BEGIN + 1000, redis.BEGIN) }, store:call("HGETALL", "dedupe"))
  end)
end)
