-- Workers that wait for runs: who is woken, and how many workers a call reads.

local redis = require "spec.support.redis"

describe("idle workers", function()
  local store = redis.store()

  local function idle(queue) return store:call("ZRANGE", "idle:" .. queue, 0, -1) end

  local function join(node, queues)
    local host = store:register(node, 2, table.concat(queues, ","))
    return store:worker(host .. ".1", queues), store:listen("wake:" .. host)
  end

  it("stand in each queue that they serve, until they are given a run", function()
    local worker = join("n", { "x", "y" })
    worker:claim(1)
    assert.same({ { worker.name }, { worker.name }, {} }, { idle "x", idle "y", idle "*" })
    store:start("r", "w", { queue = "y" })
    assert.same({ "cold r" }, worker:claim(1))
    assert.same({ {}, {} }, { idle "x", idle "y" })
  end)

  it("are woken by queue: first those that serve it by name, and of those the one that has waited longest", function()
    local all, heard_all = join("all", { "*" })
    local late, heard_late = join("late", { "x" })
    local early, heard_early = join("early", { "x" })
    local _, heard_other = join("other", { "y" })
    all:claim(1)
    early:claim(1)
    store:pass(10)
    late:claim(1)
    local function heard() return { #heard_early(), #heard_late(), #heard_all(), #heard_other() } end
    store:start("r1", "w", { queue = "x" })
    assert.same({ 1, 0, 0, 0 }, heard())
    store:pass(1)
    store:start("r2", "w", { queue = "x" })
    assert.same({ 0, 1, 0, 0 }, heard())
    store:start("r3", "w", { queue = "x" })
    assert.same({ 0, 0, 1, 0 }, heard())
    store:start("r4", "w", { queue = "x" })
    assert.same({ 0, 0, 0, 0 }, heard())
    store:pass(100) -- none of them came
    store:start("r5", "w", { queue = "x" })
    assert.same({ 1, 0, 0, 0 }, heard())
  end)

  it("that own a run are woken for it by that queue alone which they serve", function()
    local worker, heard = join("n", { "x", "y" })
    store:start("r", "w", { queue = "y" })
    worker:claim(1)
    worker:turn("r", redis.suspend)
    worker:claim(1)
    store:say("cancel", "r", "by hand")
    assert.same({ "1" }, heard())
    assert.same({ "warm r 1:cancelled" }, worker:claim(1))
  end)

  it("of a host that is gone are forgotten when a run comes", function()
    store:call("ZADD", "idle:x", 5, "77.1")
    local worker, heard = join("n", { "x" })
    worker:claim(1)
    store:start("r", "w", { queue = "x" })
    assert.same({ "1" }, heard())
    assert.same({ worker.name }, idle "x")
  end)

  it("leave when their host dies, stops or reports a long turn, whatever they serve", function()
    local worker = join("n", { "x", "y" })
    local host = worker.name:match "^%d+"
    for _, act in ipairs {
      function() store:worker(host .. ".0"):say("stalled", host, 1, 1, "r", 0, 500) end,
      function() store:worker(host .. ".0"):say("leave", host) end,
      function()
        store:call("ZADD", "leases", store.now, host)
        store:heartbeat(store.host)
      end,
    } do
      store:call("HDEL", "host:" .. host, "leaving")
      worker:claim(1)
      assert.same({ { worker.name }, { worker.name } }, { idle "x", idle "y" })
      act()
      assert.same({ {}, {} }, { idle "x", idle "y" })
    end
  end)

  it("are read by few, however many wait", function()
    for i = 1, 100 do
      local host = store:register("n" .. i, 8)
      for thread = 1, 8 do store:call("ZADD", "idle:*", i, host .. "." .. thread) end
    end
    store.redis:call("CONFIG", "RESETSTAT")
    store:start "r"
    local scores = store.redis:call("INFO", "commandstats"):match "cmdstat_zscore:calls=(%d+)"
    assert.is_true(tonumber(scores) < 20, scores .. " reads")
  end)
end)
