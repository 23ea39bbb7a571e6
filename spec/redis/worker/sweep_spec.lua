local redis = require "spec.support.redis"

describe("retention", function()
  local store = redis.store()
  local a

  before_each(function()
    a = store.a
    store:announce { w = { retain_ms = 60000 }, brief = { retain_ms = 1000 }, gone = { retain_ms = 0 } }
  end)

  -- A run of `workflow` that says these effects at once.
  local function perform(id, workflow, ...)
    store:start(id, workflow)
    a:claim(1)
    a:turn(id, ...)
  end

  -- `parent` has invoked `child` and waits for it; the child is claimed.
  local function begin_child(child, options)
    local parent, operation = child:match "^(.*)/(.*)$"
    store:start(parent, "w")
    a:claim(1)
    a:turn(parent, redis.invoke { operation = operation, child = child, workflow = "brief", options = options },
      redis.suspend)
    a:claim(1)
  end

  -- Keys that are left of runs, without those that stay.
  local function left()
    local names = {}
    for name in pairs(store:dump()) do
      if name:find "^[rvd]:" or name:find "^expiry" or name:find "^deleting" or name == "roots" or name == "failed" then
        names[#names + 1] = name
      end
    end
    table.sort(names)
    return names
  end

  describe("of a root", function()
    it("is its workflow's, whatever its state", function()
      perform("completed", "w", redis.complete())
      perform("failed", "w", redis.fail())
      store:start("cancelled", "w")
      store:say("cancel", "cancelled", "by hand")
      store:pass(60000 - 40)
      assert.equal(0, store:sweep())
      store:pass(1000)
      assert.equal(3, store:sweep())
      assert.same({}, left())
      assert.same({}, store:faults())
    end)

    it("is noted, too, in the call that sweeps the list it goes into", function()
      perform("one", "gone", redis.complete())
      store:start("two", "gone")
      store:worker(store.host .. ".0"):ask(0, { "sweep" }, { "cancel", "two", "by hand" })
      store:pass(1000)
      assert.equal(1, store:sweep())
      assert.same({}, left())
    end)

    it("is a week when no host has announced the workflow", function()
      store:start("r", "unheard-of")
      store:say("cancel", "r", "by hand")
      store:pass(7 * 86400000 - 20)
      assert.equal(0, store:sweep())
      store:pass(86400000 // 8)
      assert.equal(1, store:sweep())
    end)

    it("of 0 ends with the next sweep", function()
      perform("r", "gone", redis.complete())
      assert.equal(1, store:sweep())
      assert.is_nil(store:run "r")
    end)

    it("takes its values, its journal and its children along", function()
      begin_child "r/a"
      a:turn("r/a", redis.fail(('{"code":"error","message":"%s"}'):format(("x"):rep(100))))
      a:claim(1)
      a:turn("r", redis.complete(('"%s"'):format(("x"):rep(100))))
      store:pass(70000)
      store:sweep()
      assert.same({}, left())
    end)

    it("counts from its last end", function()
      perform("r", "w", redis.complete())
      store:pass(50000)
      store:call("HSET", "r:r", "finished_at", store.now) -- it was retried
      store:pass(15000)
      store:sweep()
      assert.equal("completed", store:state "r")
      store:pass(50000)
      store:sweep()
      assert.is_nil(store:run "r")
    end)

    it("grows when its workflow is announced with a longer one", function()
      perform("r", "brief", redis.complete())
      store:announce { brief = { retain_ms = 60000 } }
      store:pass(3000)
      store:sweep()
      assert.equal("completed", store:state "r")
      store:pass(60000)
      store:sweep()
      assert.same({}, left())
    end)
  end)

  it("keeps what lives under the id of one that ended", function()
    perform("r", "brief", redis.complete())
    store:say("delete", "r")
    perform("r", "brief", redis.suspend)
    store:pass(3000)
    store:sweep()
    assert.equal("waiting", store:state "r")
  end)

  it("ends with nothing written while nothing is due", function()
    perform("r", "w", redis.complete())
    store:unchanged(function() return store:say "sweep" end)
  end)

  local function beat_and_sweep()
    local host = store.host
    return store:worker(host .. ".0"):ask(0, { "heartbeat", host, redis.LEASE_MS, 5 }, { "sweep" }).groups
  end

  it("leaves Redis to others between two steps", function()
    perform("r", "gone", redis.complete())
    store:call("HSET", "meta", "swept_at", store.now - 5)
    assert.same({ "swept", 0, "10" }, beat_and_sweep()[2])
    assert.equal("completed", store:state "r")
  end)

  it("goes on at the host that did the last step, so that not all hosts ask for the next one", function()
    perform("r", "gone", redis.complete())
    store:call("HSET", "meta", "swept_at", store.now - 5)
    local main = store:worker(store.host .. ".0")
    assert.same({ "swept", 0, "0" }, store:unchanged(function() return main:say "sweep" end))
    assert.same({ "swept", 0, "10" }, a:say "sweep") -- to a worker it tells how late the sweeps are
  end)

  it("begins with the first heartbeat of an interval", function()
    store:heartbeat(store.host)
    perform("r", "gone", redis.complete())
    store:pass(redis.LEASE_MS // 6 - 1)
    assert.same({ { "renewed" }, { "swept", 0, "0" } }, beat_and_sweep())
    store:pass(1)
    assert.same({ "swept", 1, "0" }, beat_and_sweep()[2])
  end)

  it("rests less the longer runs are due", function()
    for i = 1, 400 do
      store:start("r" .. i, "gone")
      store:say("cancel", "r" .. i, "by hand")
    end
    local worker, rests = store:worker(store.host .. ".0"), {}
    for i, pause in ipairs { 20, 1000, 5000 } do
      store:pass(pause)
      rests[i] = worker:say("sweep")[3]
    end
    assert.same({ "10", "5", "2" }, rests)
    store:pass(1)
    assert.same({ "swept", 0, "0" }, worker:say "sweep")
    store:pass(1)
    assert.is_true(worker:say("sweep")[2] > 0)
  end)

  it("goes on when Redis' clock was put back", function()
    perform("r", "gone", redis.complete())
    store:call("HSET", "meta", "swept_at", store.now + 3600000)
    store:pass(20)
    assert.equal(1, store:worker(store.host .. ".0"):say("sweep")[2])
    assert.same({}, left())
  end)

  describe("of a child", function()
    it("is its own once its parent has its outcome", function()
      begin_child "r/a"
      a:turn("r/a", redis.complete())
      store:pass(3000)
      store:sweep()
      assert.is_nil(store:run "r/a")
      assert.equal("ready", store:state "r")
      assert.same({}, store:faults())
    end)

    it("is that of an inlined one too", function()
      local bundle = store:announce({ brief = { retain_ms = 1000 } }, { ["w.lua"] = "" })
      perform("r", "w", redis.invoke { operation = "a", child = "r/a", workflow = "brief", bundle = bundle,
                                       result = "1" })
      assert.equal("completed", store:state "r/a")
      store:pass(3000)
      assert.equal(1, store:sweep())
      assert.is_nil(store:run "r/a")
    end)

    it("is its root's when it failed", function()
      begin_child "r/a"
      a:turn("r/a", redis.fail())
      store:pass(3000)
      store:sweep()
      assert.equal("failed", store:state "r/a")
      a:claim(1)
      a:turn("r", redis.complete())
      store:pass(62000)
      store:sweep()
      assert.same({}, left())
    end)

    it("is its root's when its parent had given it up", function()
      begin_child "r/a"
      store:say("cancel", "r", "by hand") -- wakes it
      a:claim(1)
      a:turn("r", { "resolve", "a", "timeout", 0, "{}", "" })
      a:turn("r/a", redis.complete())
      store:pass(3000)
      store:sweep()
      assert.equal("completed", store:state "r/a")
    end)

    it("is its root's when it is to begin again", function()
      begin_child "r/a"
      a:turn("r/a", redis.complete())
      a:claim(1)
      a:turn("r", redis.fail())
      store:say("retry", 2, "r", store:run("r").turn, "children\ta", "r/a", store:run("r/a").turn, "all")
      store:pass(3000)
      store:sweep()
      assert.equal("completed", store:state "r/a")
    end)

    it("ends for all below it at once", function()
      begin_child "r/a"
      a:turn("r/a", redis.invoke { operation = "b", child = "r/a/b", workflow = "w" }, redis.suspend)
      a:claim(1)
      a:turn("r/a/b", redis.fail())
      a:claim(1)
      a:turn("r/a", redis.complete())
      store:pass(3000)
      store:sweep()
      assert.is_nil(store:run "r/a")
      assert.is_nil(store:run "r/a/b")
      assert.same({}, store:faults())
    end)
  end)

  describe("while a detached descendant lives", function()
    -- r ended; r/d is detached and running.
    local function detach()
      store:start("r", "brief")
      a:claim(1)
      a:turn("r", redis.invoke { operation = "d", child = "r/d", workflow = "w", options = { detached = "1" } },
        redis.complete())
      a:claim(1)
    end

    it("does not end, and begins when that has ended", function()
      detach()
      assert.equal("1", store:run("r").live_detached)
      store:pass(10000)
      store:sweep()
      assert.equal("completed", store:state "r")
      a:turn("r/d", redis.fail())
      assert.is_nil(store:run("r").live_detached)
      store:pass(3000)
      store:sweep()
      assert.same({}, left())
    end)

    it("counts those below a detached one", function()
      detach()
      a:turn("r/d", redis.invoke { operation = "e", child = "r/d/e", options = { detached = "1" } }, redis.complete())
      a:claim(1)
      assert.equal("1", store:run("r").live_detached)
      store:pass(70000)
      store:sweep()
      assert.equal("completed", store:state "r/d")
      a:turn("r/d/e", redis.complete())
      store:pass(70000)
      store:sweep()
      assert.same({}, left())
    end)

    it("keeps a completed child above it, and not its siblings", function()
      store:start("r", "w")
      a:claim(1)
      a:turn("r", redis.invoke { operation = "a", child = "r/a", workflow = "brief" },
        redis.invoke { operation = "b", child = "r/b", workflow = "brief" }, redis.suspend)
      a:claim(2)
      a:turn("r/a", redis.invoke { operation = "d", child = "r/a/d", options = { detached = "1" } }, redis.complete())
      a:turn("r/b", redis.complete())
      store:pass(3000)
      store:sweep()
      assert.equal("completed", store:state "r/a")
      assert.is_nil(store:run "r/b")
    end)

    it("counts a child whose invoke timed out until it ends", function()
      begin_child "r/a"
      store:say("cancel", "r", "by hand")
      a:claim(1)
      local turn = a:turn_of("r", { "resolve", "a", "timeout", 0, "{}", "" }, { "detach", "r/a" },
        { "fail", "cancelled", "{}", "" })
      a:ask(0, turn)
      assert.equal("1", store:run("r").live_detached)
      store:unchanged(function() a:ask(0, turn) end)
      store:pass(70000)
      store:sweep()
      assert.equal("cancelled", store:state "r")
      a:turn("r/a", redis.complete())
      assert.is_nil(store:run("r").live_detached)
      store:pass(70000)
      store:sweep()
      assert.same({}, left())
    end)

    it("counts a detached child again that is retried", function()
      detach()
      a:turn("r/d", redis.fail())
      assert.equal("retried", store:say("retry", 1, "r/d", 1, "unhandled")[1])
      assert.equal("1", store:run("r").live_detached)
      store:pass(3000)
      store:sweep()
      assert.equal("completed", store:state "r")
      a:claim(1)
      a:turn("r/d", redis.complete())
      assert.is_nil(store:run("r").live_detached)
    end)

    it("counts a child no longer that its parent asks for again", function()
      begin_child "r/a"
      store:say("cancel", "r", "by hand")
      a:claim(1)
      a:turn("r", { "resolve", "a", "timeout", 0, "{}", "" }, { "detach", "r/a" },
        { "fail", "cancelled", "{}", "" })
      store:say("retry", 1, "r", store:run("r").turn, "unhandled")
      a:claim(1)
      a:turn("r", { "reset", "a", "reuse" }, redis.invoke { operation = "a", child = "r/a", workflow = "brief",
                                                             options = { next_generation = 2 } }, redis.suspend)
      assert.is_nil(store:run("r").live_detached)
      a:turn("r/a", redis.complete())
      assert.equal("ready", store:state "r")
      assert.is_nil(store:run("r").live_detached)
      assert.same({}, store:faults())
    end)

    it("does not count a child that ended before its invoke timed out", function()
      begin_child "r/a"
      a:turn("r/a", redis.complete())
      a:claim(1)
      a:turn("r", { "detach", "r/a" })
      assert.is_nil(store:run("r").live_detached)
    end)
  end)

  describe("of a run that stands for a key", function()
    local function ask(id, within_ms)
      return store:say("start", id, "brief", "{}", id, "", 2, "dedupe", "k", "within_ms", within_ms)
    end

    it("is as long as the key's, when that is longer", function()
      ask("one", 3600000)
      a:claim(1)
      a:turn("one", redis.complete())
      store:pass(2000)
      store:sweep()
      assert.same({ "deduplicated", "one" }, ask("two", 1000))
      store:pass(3500000)
      store:sweep()
      assert.equal("completed", store:state "one")
      store:pass(200000)
      store:sweep()
      assert.same({}, left())
      assert.same({ "started" }, ask("two", 1000))
      assert.same({}, store:faults())
    end)

    it("keeps those above it, too, but no run that failed", function()
      store:start("top", "brief")
      a:claim(1)
      a:turn("top", redis.invoke { operation = "a", child = "top/a", workflow = "brief",
                                   options = { dedupe = "k", within_ms = 3600000 } }, redis.suspend)
      a:claim(1)
      a:turn("top/a", redis.invoke { operation = "b", child = "top/a/b", workflow = "brief",
                                     options = { dedupe = "l", within_ms = 60000 } }, redis.suspend)
      a:claim(1)
      a:turn("top/a/b", redis.complete '"b"')
      a:claim(1)
      a:turn("top/a", redis.complete '"a"')
      a:claim(1)
      a:turn("top", redis.fail())
      store:pass(100000)
      store:sweep()
      assert.same({ "failed", "completed" }, { store:state "top", store:state "top/a" })
      assert.same({ "deduplicated", "top/a" }, ask("two", 1000))
      assert.is_nil(store:state "top/a/b")
      store:pass(3600000)
      store:sweep()
      assert.same({}, left())

      ask("failing", 3600000)
      a:claim(1)
      a:turn("failing", redis.fail())
      store:pass(2000)
      store:sweep()
      assert.same({}, left())
    end)

    it("does not keep a person from deleting it", function()
      ask("one", 3600000)
      a:claim(1)
      a:turn("one", redis.complete())
      assert.same({ "deleted" }, store:say("delete", "one"))
      assert.same({ "started" }, ask("two", 1000))
    end)
  end)

  describe("of a root whose start is sent again", function()
    it("is over, and it is not begun twice", function()
      local function start() return store:say("start", "r", "gone", "[1]", "17", "", 0) end
      local function start_each() return store:say("start_each", "gone", "", 0, "r", "[1]", "17", "s", "[2]", "18") end
      assert.same({ "started" }, start())
      a:claim(1)
      a:turn("r", redis.complete())
      store:pass(1000)
      store:sweep()
      assert.same({}, left())
      assert.same({ "exists", "gone", "[1]", "completed" }, store:unchanged(start))
      assert.same({ "started", 1, 1 }, start_each())
      assert.same({ "started", 0, 2 }, store:unchanged(start_each))
      assert.is_nil(store:state "r")
      store:pass(60000)
      store:sweep()
      assert.is_nil(store:dump().gone)
      assert.same({ "started" }, start())
    end)

    it("may be begun anew by another start", function()
      store:say("start", "r", "gone", "{}", "17", "", 0)
      a:claim(1)
      a:turn("r", redis.complete())
      store:pass(1000)
      store:sweep()
      assert.same({ "started" }, store:say("start", "r", "gone", "{}", "18", "", 0))
    end)
  end)

  it("deletes many in bounded calls", function()
    for i = 1, 1000 do
      store:start("r" .. i, "gone")
      store:say("cancel", "r" .. i, "by hand")
    end
    store:pass(20)
    local answer = store:say "sweep"
    assert.equal("10", answer[3])
    assert.is_true(answer[2] <= 200)
    assert.equal(1000 - answer[2], store:sweep())
    assert.same({}, left())
  end)
end)
