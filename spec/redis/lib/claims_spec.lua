-- Claims and sweeps of a dataset in which a key has the wrong type. Redis does not undo the writes of a script, so a
-- claim that raises must not have taken a run out of its queue.

local redis = require "spec.support.redis"

describe("a claim", function()
  local store = redis.store()
  local a, b

  before_each(function() a, b = store.a, store.b end)

  -- Puts a text where another type belongs; the function returned puts the key back.
  local function spoil(key)
    local full = store.prefix .. key
    local is_there = store.redis:call("EXISTS", full) == 1
    if is_there then store.redis:call("RENAME", full, full .. ".aside") end
    store:call("SET", key, "no such type")
    return function()
      store:call("DEL", key)
      if is_there then store.redis:call("RENAME", full .. ".aside", full) end
    end
  end

  -- Every key that a claim reads for all runs: worker a sends a turn and asks for more, while b is idle.
  local SHARED = {
    ["ready:default"] = "the queue", queues = "the list of queues", registry = "the registry",
    ["idle:*"] = "the idle workers", leases = "the leases", meta = "the counters",
    ["ready:other"] = "a queue that the turn puts a run into",
  }
  for key, what in pairs(SHARED) do
    it(("raises and writes nothing when %s cannot be read: %s"):format(what, key), function()
      store:announce { w = {} }
      store:start "p"
      a:claim(1)
      b:claim(1)
      for i = 1, 3 do store:start("r" .. i) end
      local invoke = redis.invoke { operation = "c", child = "p/c", options = { queue = "other" } }
      local turn = a:turn_of("p", invoke, redis.suspend)
      local mend = spoil(key)
      local ok = store:unchanged(function() return (pcall(a.ask, a, 2, turn)) end)
      assert.is_false(ok)
      mend()
      local claimed = { table.unpack(a:claim(2, turn)) }
      table.move(b:claim(5), 1, 5, #claimed + 1, claimed)
      table.sort(claimed)
      assert.same({ "cold p/c", "cold r1", "cold r2", "cold r3" }, claimed)
      assert.same({}, store:faults())
    end)
  end

  for key, what in pairs { ["ready:@"] = "the runs promoted for the worker", ["host:"] = "its host" } do
    it(("raises and writes nothing when %s cannot be read"):format(what), function()
      local mend = spoil(key .. (key == "host:" and store.host or a.name))
      local ok = store:unchanged(function() return (pcall(a.ask, a, 2)) end)
      assert.is_false(ok)
      mend()
      store:start "p"
      assert.same({ "cold p" }, a:claim(2))
      assert.same({}, store:faults())
    end)
  end

  describe("that meets a record that cannot be read", function()
    local LONG = ("q"):rep(100)

    -- Claims the run that is spoilt and two that stand beside it, with a turn in the same batch.
    local function claim_beside(keys, start)
      store:announce { w = {}, timed = { timeout_ms = 100 } }
      store:start "p"
      a:claim(1)
      start()
      store:start "one"
      store:start "two"
      store:pass(200)
      local mends = {}
      for i, key in ipairs(keys) do mends[i] = spoil(key) end
      local claims = a:claim(9, a:turn_of("p", redis.complete "1"))
      assert.same({ "one", "two" }, { claims[#claims - 1]:match "%S+$", claims[#claims]:match "%S+$" })
      for _, mend in ipairs(mends) do mend() end
      assert.same({ "completed", "running", "running" }, { store:state "p", store:state "one", store:state "two" })
      assert.same({}, b:claim(9))
      return claims
    end

    it("passes over a run", function()
      assert.equal(2, #claim_beside({ "r:broken" }, function() store:start "broken" end))
    end)

    it("passes over as many of them as come", function()
      store:start "p"
      for i = 1, 50 do
        store:start("broken" .. i, "w", { priority = 1 })
        spoil("r:broken" .. i)
      end
      assert.same({ "cold p" }, a:claim(3))
    end)

    it("passes over a run whose long values are needed", function()
      assert.equal(2, #claim_beside({ "v:broken" }, function()
        local workflow = "w" .. ("x"):rep(100)
        store:announce { [workflow] = {} }
        store:start("broken", workflow)
      end))
    end)

    it("announces a run whose long values only its journal needs: loading it raises for that run alone", function()
      local claims = claim_beside({ "v:broken" }, function()
        store:say("start", "broken", "w", '"' .. LONG .. '"', "7", "", 0)
      end)
      assert.equal("cold broken", claims[1])
      local mend = spoil "v:broken"
      assert.equal("error", a:say("load", "broken", "0")[1])
      mend()
      assert.equal("cold", a:say("load", "broken", "0")[1])
    end)

    it("passes over a warm run whose outcomes cannot be read", function()
      local claims = claim_beside({ "v:w" }, function()
        store:start "w"
        a:claim(1)
        a:turn("w", redis.invoke { operation = "c", child = "w/c" }, redis.suspend)
        b:claim(1)
        b:turn("w/c", redis.complete('"' .. LONG .. '"'))
      end)
      assert.equal(2, #claims)
    end)

    -- The run expires when it is claimed; its end is the outcome of others.
    local function start_below(options)
      a:turn("q", redis.invoke { operation = "c", child = "q/c", workflow = "timed", options = options },
        redis.suspend)
    end

    it("passes over a run that expires and whose parent cannot be read", function()
      assert.equal(2, #claim_beside({ "r:q" }, function()
        store:start "q"
        a:claim(1)
        start_below()
      end))
    end)

    it("passes over a run that expires and whose waiters cannot be read", function()
      assert.equal(2, #claim_beside({ "waiters:s" }, function()
        store:start "q"
        a:claim(1)
        store:say("start", "s", "timed", "{}", "7", "", 2, "dedupe", "k", "within_ms", 1000)
        start_below { dedupe = "k", within_ms = 1000 }
      end))
    end)
  end)
end)

-- A run whose record cannot be read keeps no other run from what hosts do for all.
describe("a sweep that meets a record that cannot be read", function()
  local store = redis.store()

  local function spoil(key)
    store:call("DEL", key)
    store:call("SET", key, "no hash")
  end

  it("promotes the other runs", function()
    for _, id in ipairs { "broken", "fine" } do store:start(id, "w", { delay_ms = 100 }) end
    spoil "r:broken"
    store:pass(200)
    assert.same({ "promoted", 2 }, store:say "promote")
    assert.equal("ready", store:state "fine")
    assert.same({ "promoted", 0 }, store:say "promote")
  end)

  it("expires the other runs, when the parent of one cannot be read", function()
    store:announce { w = {}, timed = { timeout_ms = 100 } }
    for _, id in ipairs { "p", "q" } do store:start(id) end
    store.a:claim(2)
    for _, id in ipairs { "p", "q" } do
      store.a:turn(id, redis.invoke { operation = "c", child = id .. "/c", workflow = "timed" }, redis.suspend)
    end
    spoil "r:p"
    store:pass(200)
    assert.same({ "promoted", 2 }, store:say "promote")
    assert.equal("failed", store:state "q/c")
  end)

  it("releases the other runs of a dead host", function()
    for _, id in ipairs { "broken", "fine" } do store:start(id) end
    store.a:claim(2)
    spoil "r:broken"
    store:pass(redis.LEASE_MS - 100)
    local other = store:register "other"
    store:pass(101)
    store:heartbeat(other)
    assert.equal("ready", store:state "fine")
    assert.same({ "cold fine" }, store:worker(other .. ".1"):claim(2))
  end)

  it("deletes the other runs that expire", function()
    store:announce { w = { retain_ms = 1000 } }
    for _, id in ipairs { "broken", "fine" } do store:start(id) end
    store.a:claim(2)
    for _, id in ipairs { "broken", "fine" } do store.a:turn(id, redis.complete()) end
    spoil "r:broken"
    store:pass(5000)
    store:heartbeat(store.host)
    store:sweep()
    assert.is_nil(store:run "fine")
  end)

  it("moves the other runs of an announced workflow to their queue", function()
    for _, id in ipairs { "broken", "fine" } do store:start(id, "late") end
    spoil "r:broken"
    store:announce { w = {}, late = {} }
    assert.same({ "cold fine" }, store.a:claim(2))
  end)
end)
