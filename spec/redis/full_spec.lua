-- Redis at its maxmemory: what would make it fuller is refused and has written nothing, what frees memory goes on.

local redis = require "spec.support.redis"

describe("at maxmemory", function()
  local store = redis.store()
  local PAYLOAD = ('"%s"'):format(("x"):rep(1000000))
  local CHILDREN = 150 -- more than one call deletes

  local function limit(bytes) store.redis:call("CONFIG", "SET", "maxmemory", bytes) end

  local before -- bytes used when it was full

  local function fill()
    before = tonumber(store.redis:call("INFO", "memory"):match "used_memory:(%d+)")
    limit(1)
  end

  -- The freed memory is enough for a run: a limit somewhat below the memory used before is far away.
  local function starts(id)
    limit(before - 300000)
    assert.equal("started", store:start(id))
  end

  before_each(function()
    function store:pass(ms) -- the clock stands in a key
      local most = self.redis:call("CONFIG", "GET", "maxmemory")[2]
      limit(0)
      getmetatable(self).pass(self, ms)
      limit(most)
    end
  end)

  after_each(function() limit(0) end)

  local function ended(id, workflow, result)
    store:start(id, workflow)
    store.a:claim(1)
    assert.equal("done", store.a:turn(id, redis.complete(result or PAYLOAD)))
  end

  local function ended_tree(id)
    store:start(id)
    store.a:claim(1)
    local effects, result = {}, ('"%s"'):format(("x"):rep(20000))
    for i = 1, CHILDREN do
      local operation = "c" .. i
      effects[i] = redis.invoke {
        operation = operation, child = id .. "/" .. operation, bundle = store.bundle, result = result,
      }
    end
    effects[#effects + 1] = redis.complete()
    assert.equal("done", store.a:turn(id, table.unpack(effects)))
  end

  local function refused(act)
    local message
    store:unchanged(function()
      local ok, raised = pcall(act)
      message = not ok and raised
    end)
    assert.matches("^OOM", message)
  end

  local function start() store:start "next" end

  local function heartbeat_and_sweep()
    return store:worker(store.host .. ".0"):ask(0, { "heartbeat", store.host, redis.LEASE_MS, 5 }, { "sweep" }).groups
  end

  it("renews leases, so that no host loses its own while another one has something to delete", function()
    store:heartbeat(store.host)
    fill()
    refused(start)
    store:pass(100)
    assert.same({ { "renewed" }, { "swept", 0, "0" } }, heartbeat_and_sweep())
    assert.equal(tostring(store.now + redis.LEASE_MS), store:call("ZSCORE", "leases", store.host))
  end)

  it("deletes by hand", function()
    ended "r"
    fill()
    refused(start)
    assert.same({ "deleted" }, store:say("delete", "r"))
    starts "next"
  end)

  it("deletes a tree of more than one call", function()
    ended_tree "p"
    fill()
    refused(start)
    assert.same({ "deleting" }, store:say("delete", "p"))
    refused(start)
    assert.same({ "deleted" }, store:say("delete", "p"))
    starts "next"
  end)

  it("begins an id again whose old tree is on its way out", function()
    ended_tree "p"
    assert.same({ "deleting" }, store:say("delete", "p"))
    fill()
    assert.equal("deleting", store:start "p")
    starts "p"
  end)

  it("sweeps what is due, in the call of the heartbeat", function()
    store:announce { w = { retain_ms = 1000 } }
    ended "r"
    fill()
    refused(start)
    refused(heartbeat_and_sweep)
    store:pass(5000)
    assert.same({ "swept", 1, "0" }, heartbeat_and_sweep()[2])
    assert.is_nil(store:state "r")
    starts "next"
  end)

  it("passes over what is due no longer, however many that are", function()
    store:announce { w = { retain_ms = 0 } }
    for i = 1, 120 do ended(("r%03d"):format(i), "w", "{}") end
    store:pass(1000)
    store:announce { v = { retain_ms = 0 }, w = { retain_ms = 1000000 } }
    ended("gone", "v")
    store:pass(5000)
    fill()
    assert.equal(121, store:sweep())
    assert.is_nil(store:state "gone")
    assert.equal("completed", store:state "r001")
    starts "next"
  end)

  it("deletes keys of dedupe whose time is over, and so the host renews its lease", function()
    store:start("r", "w", { dedupe = ("k"):rep(1000000), within_ms = 1000 })
    fill()
    refused(heartbeat_and_sweep)
    store:pass(1001)
    assert.equal("heartbeat", heartbeat_and_sweep()[1][1])
    starts "next"
  end)
end)
