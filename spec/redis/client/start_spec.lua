local redis = require "spec.support.redis"

describe("start", function()
  local store = redis.store()

  it("puts a new run in its queue", function()
    assert.equal("started", store:start "r")
    assert.same({
      state = "ready", workflow = "w", data = "{}", seed = "7", created_at = tostring(redis.BEGIN),
    }, store:run "r")
    assert.same({ "r" }, store:call("ZRANGE", "ready:default", 0, -1))
    assert.equal(tostring(redis.BEGIN), store:call("ZSCORE", "roots", "r"))
    assert.same({}, store:faults())
  end)

  it("answers what was asked then when the id is there, and writes nothing", function()
    store:say("start", "r", "w", '{"a":1}', "7", "", 0)
    local answer = store:unchanged(function()
      return store:say("start", "r", "other", '{"a":2}', "8", "1", 0)
    end)
    assert.same({ "exists", "w", '{"a":1}', "ready" }, answer)
  end)

  it("refuses an unknown workflow, and writes nothing", function()
    local answer = store:unchanged(function() return store:say("start", "r", "no", "{}", "7", "", 0) end)
    assert.same({ "unknown" }, answer)
  end)

  it("keeps a run of an unknown workflow apart when it is told to", function()
    assert.equal("started", store:start("r", "no"))
    assert.same({ "r" }, store:call("ZRANGE", "ready:?no", 0, -1))
    assert.same({}, store.a:claim(5))
    assert.same({}, store:faults())
  end)

  it("takes queue, priority and timeout from the registry, and options before it", function()
    store:announce { q = { queue = "slow", priority = 5, timeout_ms = 1000 } }
    store:start("one", "q")
    store:start("two", "q", { queue = "fast", priority = -3 })
    local one, two = store:run "one", store:run "two"
    assert.same({ "slow", "5", tostring(redis.BEGIN + 1000) }, { one.queue, one.priority, one.deadline })
    assert.same({ "fast", "-3" }, { two.queue, two.priority })
  end)

  it("lets a run with a delay wait for its time", function()
    local heard = store:listen "due"
    store:start("r", "w", { delay_ms = 250 })
    assert.equal("scheduled", store:state "r")
    assert.equal(250, store:wake "r")
    assert.same({ tostring(redis.BEGIN + 250) }, heard())
    assert.same({}, store.a:claim(1))
    assert.same({}, store:faults())
  end)

  it("counts a timeout from the end of the delay", function()
    store:announce { q = { timeout_ms = 1000 } }
    store:start("r", "q", { delay_ms = 250 })
    assert.equal(tostring(redis.BEGIN + 1250), store:run("r").deadline)
  end)

  it("keeps values over 64 bytes in a key of their own, and small hashes compact", function()
    local long = ('{"text":"%s"}'):format(("x"):rep(100))
    store:say("start", "r", "w", long, "7", "", 0)
    assert.equal(long, store:run("r").data)
    assert.equal(long, store:call("HGET", "v:r", "data"))
    assert.equal("listpack", store.redis:call("OBJECT", "ENCODING", store.prefix .. "r:r"))
    assert.equal(long, store:say("start", "r", "w", "{}", "7", "", 0)[3])
  end)

  it("takes any id for a name", function()
    for _, id in ipairs { "@", "?", "1", "a b", "ü", "%1", "a:b" } do
      store:announce { [id] = {} }
      store:start("run of " .. id, id)
      store:start(id, id)
      assert.equal(id, store:run(id).workflow)
    end
    assert.equal(14, #store.a:claim(20))
    assert.same({}, store:faults())
  end)
end)
