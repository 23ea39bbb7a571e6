local redis = require "spec.support.redis"

describe("audit", function()
  local store = redis.store()
  local a

  -- One run in each state.
  before_each(function()
    a = store.a
    for _, id in ipairs { "completed", "failed", "cancelled", "running", "waiting", "woken", "retrying" } do
      store:start(id)
      a:claim(1)
    end
    a:turn("completed", redis.complete())
    a:turn("failed", redis.fail())
    store:say("cancel", "cancelled", "by hand")
    a:turn("cancelled", { "fail", "cancelled", "{}", "" })
    a:turn("waiting", redis.invoke { operation = "c", child = "waiting/c" }, redis.suspend)
    a:turn("woken", { "suspend", "", 0 })
    a:turn("retrying", { "retry", 1000, "{}" })
    store:say "promote"
    store:start "ready"
    store:start("scheduled", "w", { delay_ms = 1000 })
    store:start("unknown", "no")
  end)

  it("names a run whose creation is no time", function()
    store:call("HSET", "r:ready", "created_at", "x")
    assert.same({ 'ready: its created_at is "x", which is no time' }, store:faults())
  end)

  it("names counts of bundles that do not agree with the registry, and what is left of others", function()
    local bundle = store:announce { v = {}, x = {} }
    local function audited() return table.move(store:say("audit", "0", 1000), 4, 10, 1, {}) end
    store:call("HSET", "serves", bundle, 1)
    store:call("HSET", "announced", "gone", 5)
    assert.same({ ("bundle %s: serves 2 workflows, but is counted as serving 1"):format(bundle),
                  "bundle gone: nothing needs it, but it is kept as announced" }, audited())
    store:call("HSET", "serves", bundle, 2)
    store:call("HDEL", "announced", "gone")
    assert.same({}, audited())
    store:call("DEL", "bundle:" .. bundle)
    assert.same({ ("bundle %s: is registered, but its sources are gone"):format(bundle) }, audited())
  end)

  it("keeps nothing of bundles that came and went", function()
    for i = 1, 50 do store:announce({ v = {}, [i % 2 == 0 and "w" or "x"] = {} }, { ["v.lua"] = "return " .. i }) end
    local in_use = (#store:say "bundles" - 1) // 4
    assert.equal(in_use, #store:call("HKEYS", "announced"))
    assert.is_true(in_use <= 4)
    assert.same({}, store:faults())
  end)

  it("is silent when every run stands where its state says", function()
    assert.same({}, store:unchanged(function() return store:faults() end))
    assert.equal("audit", store:say("audit", "0", 100)[1])
  end)

  -- One wrong record may lead to several findings: `fault` is one of them.
  local function plants(name, command, key, fault, ...)
    local arguments = { ... }
    it("finds " .. name, function()
      store:call(command, key, table.unpack(arguments))
      local found = store:faults()
      for _, line in ipairs(found) do
        if line == fault then return end
      end
      assert.same({ fault }, found)
    end)
  end

  plants("a waiting run that nothing wakes", "ZREM", "delayed",
    "waiting: is waiting but nothing will wake it", "waiting")
  plants("a scheduled run that nothing wakes", "ZREM", "delayed",
    "scheduled: is scheduled but nothing will wake it", "scheduled")
  plants("a retrying run that nothing wakes", "ZREM", "delayed",
    "retrying: is retrying but nothing will wake it", "retrying")
  plants("an ended run that will be woken", "ZADD", "delayed",
    "completed: is completed but stands in the delayed set", 1, "completed")
  plants("a ready run in no queue", "ZREM", "ready:default", "ready: is ready but not in ready:default", "ready")
  plants("a ready run that its worker is not given", "ZREM", "ready:@1.1",
    "woken: is ready but not in ready:@1.1", "woken")
  plants("a ready run of an unknown workflow in no queue", "ZREM", "ready:?no",
    "unknown: is ready but not in ready:?no", "unknown")
  plants("a running run that no worker owns", "HSET", "r:running",
    "running: is running but no worker owns it", "owner", "")
  plants("a run that its owner does not know", "SREM", "owned:1.1",
    "running: is owned by 1.1, which does not know it", "running")
  plants("an ended run that is held", "HSET", "r:completed", "completed: is completed but owned by 1.9",
    "owner", "1.9")
  plants("a failed run that is not among the failed", "ZREM", "failed",
    "failed: failed but is not in the failed set", "failed")
  plants("a root that is not among the roots", "ZREM", "roots", "ready: is a root but not in the roots", "ready")
  plants("a child without a parent", "HSET", "r:gone/c", "gone/c: its parent is gone", "state", "completed")
  plants("a child that outlived its parent", "HSET", "r:waiting", "waiting/c: is ready but its parent completed",
    "state", "completed")

  it("finds what a host that is gone still holds", function()
    store:call("ZREM", "leases", store.host)
    local faults = store:faults()
    assert.equal(4, #faults)
    for _, fault in ipairs(faults) do assert.matches("a host that is gone", fault, 1, true) end
  end)

  it("goes page by page", function()
    for i = 1, 300 do store:start("r" .. i) end
    store:call("ZREM", "ready:default", "r7", "r150", "r299")
    local answer = store:say("audit", "0", 50)
    assert.not_equal("0", answer[2])
    assert.is_true(answer[3] < 150)
    assert.equal(3, #store:faults())
  end)

  it("looks at this prefix alone, whatever its name", function()
    local prefix = store.prefix
    store.prefix = "[t]*?:{0}:"
    store:pass(0)
    store.client:say("start", "x", "no", "{}", "7", "1", 0)
    assert.same({}, store:faults())
    assert.equal(1, store:say("audit", "0", 10000)[3])
    store.prefix = prefix
  end)
end)

describe("audit of a retried run", function()
  local store = redis.store()

  it("accepts a detached child that its parent no longer asks for", function()
    local a = store.a
    store:start "p"
    a:claim(1)
    a:turn("p", redis.invoke { operation = "c", child = "p/c" }, redis.suspend)
    a:claim(1)
    store:say("cancel", "p", "by hand")
    a:claim(1)
    a:turn("p", { "resolve", "c", "timeout", 0, "{}", "" }, { "detach", "p/c" }, redis.suspend)
    a:turn("p", { "fail", "cancelled", "{}", "\tc" })
    store:say("retry", 1, "p", store:run("p").turn, "unhandled")
    a:claim(1)
    a:turn("p", { "reset", "c", "reuse" }, { "reset_done" }, redis.complete())
    assert.same({ "completed", "running" }, { store:state "p", store:state "p/c" })
    assert.same({}, store:faults())
  end)
end)
