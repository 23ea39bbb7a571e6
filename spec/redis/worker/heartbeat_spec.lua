local redis = require "spec.support.redis"

describe("heartbeat", function()
  local store = redis.store()
  local a, other, c

  before_each(function()
    a = store.a
    other = store:register "other"
    c = store:worker(other .. ".1")
  end)

  local function expires(host) return store:call("ZSCORE", "leases", host) end

  -- The host goes on beating until the other one, which does not, has lost its lease.
  local function outlive()
    for _ = 1, 4 do
      store:heartbeat(store.host)
      store:pass(redis.LEASE_MS // 4)
    end
  end

  it("renews the lease", function()
    store:pass(300)
    assert.same({ "heartbeat", 0, "0" }, store:heartbeat(store.host))
    assert.equal(tostring(store.now + redis.LEASE_MS), expires(store.host))
    assert.equal(tostring(redis.BEGIN + redis.LEASE_MS), expires(other))
  end)

  describe("behind the first one of an interval", function()
    local INTERVAL = redis.LEASE_MS // 6

    -- The commands that a call of the script runs.
    local function commands(act)
      local function count()
        local total = 0
        for calls in store.redis:call("INFO", "commandstats"):gmatch "calls=(%d+)" do total = total + calls end
        return total
      end
      local before = count()
      act()
      return count() - before
    end

    it("renews the lease, and leaves the rounds to that one", function()
      store:start "r"
      c:claim(1)
      store:call("ZADD", "leases", store.now, other)
      store:call("HSET", "meta", "rounds_at", store.now)
      store:pass(INTERVAL - 1)
      assert.same({ "renewed" }, store:beat(store.host))
      assert.equal(tostring(store.now + redis.LEASE_MS), expires(store.host))
      assert.equal("running", store:state "r")
      store:pass(1)
      assert.same({ "heartbeat", 1, "1" }, store:beat(store.host))
      assert.equal("ready", store:state "r")
    end)

    it("goes on with rounds that had too much to do", function()
      for i = 1, 150 do store:start("r" .. i) end
      c:claim(200)
      store:call("ZADD", "leases", store.now, other)
      store:call("HDEL", "meta", "rounds_at")
      local third = store:register "third"
      assert.same({ "heartbeat", 100, "1" }, store:beat(store.host))
      assert.same({ "heartbeat", 50, "1" }, store:beat(third))
      assert.same({ "heartbeat", 0, "0" }, store:beat(store.host))
      assert.same({ "renewed" }, store:beat(third))
    end)

    it("does the rounds when a host is back under its name, whose runs go on at once", function()
      store:start "r"
      c:claim(1)
      store:heartbeat(store.host)
      store:say("register", "other", "boot", "ns", 200, 5, 2, redis.LEASE_MS, other, 16777216, "*")
      assert.same({ "heartbeat", 1, "1" }, store:beat(store.host))
    end)

    it("does them, too, when Redis stood still, and when its clock was put back", function()
      store:heartbeat(store.host)
      store:pass(10000)
      assert.equal("heartbeat", store:beat(store.host)[1])
      assert.equal(tostring(redis.BEGIN + redis.LEASE_MS + 10000), expires(other))
      store:pass(-5000)
      assert.equal("heartbeat", store:beat(store.host)[1])
    end)

    it("tells which of its own workers have runs to ask for, and wakes none of others", function()
      local heard = store:listen("wake:" .. other)
      a:claim(1)
      c:claim(1)
      store:heartbeat(store.host)
      store:start "r"
      store:start "s"
      heard()
      store:pass(100)
      assert.same({ "renewed", "1" }, store:beat(store.host))
      assert.same({ "renewed" }, store:beat(store.host)) -- it was woken just now
      assert.same({}, heard())
    end)

    it("costs as much with 100 hosts as with two", function()
      store:heartbeat(store.host)
      local few = commands(function() store:beat(store.host) end)
      for i = 1, 100 do
        local host = store:register("n" .. i, 16)
        for thread = 1, 16 do store:worker(host .. "." .. thread):claim(1) end
      end
      assert.equal(few, commands(function() store:beat(store.host) end))
    end)
  end)

  it("tells when the next run is due", function()
    store:start("r", "w", { delay_ms = 100 })
    local reply = a:ask(0, { "heartbeat", store.host, redis.LEASE_MS, 5 })
    assert.equal(tostring(redis.BEGIN + 100), reply.due)
  end)

  it("is lost for a host that is not there any more, and writes nothing", function()
    store:unchanged(function() assert.same({ "lease_lost" }, store:say("heartbeat", "77", redis.LEASE_MS, 5)) end)
  end)

  describe("of another host, when one has died", function()
    before_each(function()
      store:start "running"
      store:start "warm"
      store:start "woken"
      c:claim(3)
      c:turn("warm", { "suspend", "", 5000 })
      c:turn("woken", redis.suspend)
    end)

    it("takes back what it held, each run as its state says", function()
      outlive()
      store:say("cancel", "woken", "by hand")
      assert.same({ "heartbeat", 3, "1" }, store:heartbeat(store.host))
      assert.same({ "ready", "waiting", "ready" },
        { store:state "running", store:state "warm", store:state "woken" })
      assert.same({ "1" }, { store:run("running").crashes, store:run("warm").crashes, store:run("woken").crashes })
      assert.same({}, store:faults())
      assert.same({ "heartbeat", 0, "0" }, store:heartbeat(store.host))
      assert.is_false(expires(other))
      assert.is_nil(store:dump()["host:" .. other])
      assert.same({}, store:faults())

      local claims = a:claim(5)
      table.sort(claims)
      assert.same({ "cold running", "cold woken" }, claims)
      store:pass(5000)
      store:say "promote"
      assert.same({ "cold warm" }, a:claim(5))
      assert.same({}, store:faults())
    end)

    it("refuses every write of a dead host once it is deleted", function()
      outlive()
      store:heartbeat(store.host)
      assert.equal("not_owner", c:turn("running", redis.complete()))
      store:heartbeat(store.host)
      local reply = store:unchanged(function() return c:ask(5, c:turn_of("running", redis.complete())) end)
      assert.equal("lease_lost", reply.word)
    end)

    it("wakes those who can go on with it", function()
      a:claim(1)
      outlive()
      assert.same({ "heartbeat", 3, "1", "1" }, store:heartbeat(store.host))
    end)
  end)

  it("counts crashes until something is recorded, and loses the run at the limit", function()
    store:start "r"
    for death = 1, 3 do
      local host = store:register("doomed" .. death)
      local worker = store:worker(host .. ".1")
      assert.same({ "cold r" }, worker:claim(1))
      assert.equal(death - 1, worker:say("load", "r", "0")[4])
      if death == 3 then worker:say("quarantine", "r") end
      store:call("ZADD", "leases", 0, host)
      store:heartbeat(store.host, 3)
      store:heartbeat(store.host, 3)
      assert.equal(tostring(death), store:run("r").crashes)
    end
    assert.equal(("\tcrash_loop\t%d\t0\tcrash_loop: 3 processes died while they ran it"):format(redis.BEGIN),
      store:run("r")["1"])
    assert.same({ "cold r" }, a:claim(1))
    assert.equal("done", a:turn("r", redis.fail()))
    assert.equal("0", store:run("r").crashes)
    assert.same({}, store:faults())
  end)

  describe("of another host, when hosts die with runs that they did not tell of", function()
    -- A host that holds runs ends, and another one takes them back.
    local function die(tell, ids)
      local host = store:register "doomed"
      local worker = store:worker(host .. ".1")
      worker:claim(#ids)
      tell(worker, store:worker(host .. ".0"), host)
      store:call("ZADD", "leases", 0, host)
      store:heartbeat(store.host, 5)
      store:heartbeat(store.host, 5)
    end

    local function crashes()
      return { store:run("one").crashes or "0", store:run("two").crashes or "0" }
    end

    before_each(function()
      store:start "one"
      store:start "two"
    end)

    it("makes them suspects, and counts no further", function()
      for _ = 1, 7 do die(function() end, { "one", "two" }) end
      assert.same({ "2", "2" }, crashes())
      assert.same({ "ready", "ready" }, { store:state "one", store:state "two" })
    end)

    it("counts for the run alone that had a long turn", function()
      for _ = 1, 4 do
        die(function(_, main, host) main:say("stalled", host, 1, 1, "two", 0, 500) end, { "one", "two" })
      end
      assert.same({ "0", "4" }, crashes())
    end)

    it("does not hold a long turn against a run that has recorded it", function()
      die(function(worker, main, host)
        main:say("stalled", host, 1, 1, "two", 0, 500)
        worker:turn("two")
      end, { "one", "two" })
      assert.same({ "1", "1" }, crashes())
    end)

    it("counts for a suspect only when it is tried", function()
      for _ = 1, 2 do die(function() end, { "one", "two" }) end
      die(function(worker) worker:say("quarantine", "one") end, { "one", "two" })
      assert.same({ "3", "2" }, crashes())
    end)

    it("keeps to whom it blames while it takes back many runs in many calls", function()
      for i = 1, 150 do store:start("other" .. i) end
      local host = store:register "doomed"
      local worker = store:worker(host .. ".1")
      worker:claim(200)
      store:worker(host .. ".0"):say("stalled", host, 1, 1, "two", 0, 500)
      store:call("ZADD", "leases", 0, host)
      repeat until store:heartbeat(store.host, 5)[3] == "0"
      assert.same({ "0", "1" }, crashes())
      for i = 1, 150 do assert.is_nil(store:run("other" .. i).crashes) end
    end)
  end)

  describe("of a host whose wake-ups were lost", function()
    it("tells which of its workers have runs to ask for", function()
      a:claim(1)
      store.b:claim(1)
      store:start "r" -- the message is heard by none
      assert.same({ "heartbeat", 0, "0" }, { table.unpack(store:heartbeat(other), 1, 3) })
      store:pass(100)
      local answer = store:heartbeat(store.host)
      assert.equal(4, #answer)
      assert.matches("^[12]$", answer[4])
      assert.same({ "cold r" }, store:worker(store.host .. "." .. answer[4]):claim(1))
      assert.same({ "heartbeat", 0, "0" }, store:heartbeat(store.host))
    end)

    it("wakes workers of other hosts by a message", function()
      local heard = store:listen("wake:" .. other)
      c:claim(1)
      store:start "r"
      assert.same({ "1" }, heard())
      store:heartbeat(store.host)
      assert.same({}, heard()) -- it may still come
      store:pass(100)
      store:heartbeat(store.host)
      assert.same({ "1" }, heard())
    end)
  end)

  it("takes back first the runs of a dead host that could move, however many others wait", function()
    for i = 1, 5000 do
      local id = "waits" .. i
      store:call("HSET", "r:" .. id, "state", "waiting", "owner", c.name, "workflow", "w")
      store:call("SADD", "owned:" .. c.name, id)
      store:call("ZADD", "delayed", store.now + 1000000, id)
    end
    for i = 1, 20 do store:start("moves" .. i) end
    c:claim(20)
    store:start "wakes"
    c:claim(1)
    c:turn("wakes", { "suspend", "", 10 })
    store:pass(10)
    store:say "promote"
    store:call("ZADD", "leases", store.now, other)
    local taken = 0
    repeat
      local answer = store:heartbeat(store.host)
      taken = taken + answer[2]
    until answer[2] == 100 -- these wait
    assert.equal("", store:run("wakes").owner)
    for i = 1, 20 do assert.equal("ready", store:state("moves" .. i)) end
    assert.is_true(taken <= 121 + 100)
    repeat until store:heartbeat(store.host)[3] == "0"
    assert.is_false(expires(other))
    assert.equal(0, store:call("EXISTS", "owned:" .. c.name))
  end)

  it("forgets what is promoted for a dead worker and not owned by it", function()
    store:call("ZADD", "ready:@" .. c.name, 1, "gone")
    store:call("ZADD", "leases", store.now, other)
    repeat until store:heartbeat(store.host)[3] == "0"
    assert.is_false(expires(other))
    assert.equal(0, store:call("EXISTS", "ready:@" .. c.name))
  end)

  it("takes back a bounded number of runs a call", function()
    for i = 1, 450 do store:start("r" .. i) end
    c:claim(300)
    store:worker(other .. ".2"):claim(300)
    outlive()
    for _ = 1, 4 do assert.same({ "heartbeat", 100, "1" }, store:heartbeat(store.host)) end
    assert.same({ "heartbeat", 50, "1" }, store:heartbeat(store.host))
    assert.same({ "heartbeat", 0, "0" }, store:heartbeat(store.host))
    assert.equal(450, #a:claim(500))
    assert.same({}, store:faults())
  end)

  it("extends every lease by the gap when no host could send a heartbeat: Redis stood still", function()
    store:start "r"
    c:claim(1)
    store:heartbeat(store.host)
    store:pass(10000)
    assert.same({ "heartbeat", 0, "0" }, store:heartbeat(store.host))
    assert.equal(tostring(redis.BEGIN + redis.LEASE_MS + 10000), expires(other))
    store:heartbeat(other)
    assert.equal(tostring(store.now + redis.LEASE_MS), expires(other))
    assert.equal("done", c:turn("r", redis.complete()))
  end)

  describe("after Redis' clock was put back", function()
    local HOUR = 3600000

    it("takes back what a dead host held within a lease", function()
      store:start "r"
      c:claim(1)
      store:heartbeat(store.host)
      store:pass(-HOUR)
      store:heartbeat(store.host)
      assert.equal(tostring(store.now + redis.LEASE_MS), expires(other))
      outlive()
      assert.same({ "heartbeat", 1, "1" }, store:heartbeat(store.host))
      assert.same({ "cold r" }, a:claim(5))
      assert.same({}, store:faults())
    end)

    it("keeps the lease of one that lives", function()
      store:heartbeat(other)
      store:pass(-HOUR)
      for _ = 1, 8 do
        assert.same({ "heartbeat", 0, "0" }, store:heartbeat(store.host))
        assert.same({ "heartbeat", 0, "0" }, store:heartbeat(other))
        store:pass(redis.LEASE_MS // 4)
      end
    end)

    it("relieves a worker at once of warm runs that were ready before", function()
      store:start "r"
      c:claim(1)
      c:turn("r", { "suspend", "", 10 })
      store:pass(10)
      store:say "promote"
      a:claim(5) -- idle
      store:pass(-HOUR)
      store:heartbeat(store.host)
      assert.same({ "cold r" }, a:claim(5))
      assert.same({}, store:faults())
    end)
  end)

  it("extends no lease of a host that is known to be dead", function()
    store:call("ZADD", "leases", 0, other)
    store:heartbeat(store.host)
    store:pass(10000)
    store:heartbeat(store.host)
    assert.is_false(expires(other))
  end)

  -- A run that has been ready for so long that the worker with its coroutine may be relieved of it.
  local function leave_ready(ms)
    store:start "r"
    c:claim(1)
    c:turn("r", { "suspend", "", 10 })
    store:pass(10)
    store:say "promote"
    store:pass(ms)
  end

  it("leaves a busy worker its warm runs while no other one could take them", function()
    leave_ready(1000)
    store:worker(store.host .. ".2", { "elsewhere" }):claim(1)
    store:heartbeat(store.host)
    assert.equal(c.name, store:run("r").owner)
    assert.same({ "warm r" }, c:claim(5))
    assert.same({}, store:faults())
  end)

  it("relieves a worker in a long turn, also when all others are busy", function()
    store:start "slow"
    c:claim(1)
    store:worker(other .. ".0"):ask(0, { "stalled", other, 1, 1, "slow", 0, 60 })
    leave_ready(100)
    store:heartbeat(store.host)
    assert.equal("", store:run("r").owner)
    assert.same({ "cold r" }, a:claim(5))
    assert.same({}, store:faults())
  end)

  it("relieves a worker that does not take its warm runs for 100 ms", function()
    leave_ready(99)
    store:heartbeat(store.host)
    assert.same({}, a:claim(5))
    store:pass(1)
    store:heartbeat(store.host)
    assert.equal("", store:run("r").owner)
    assert.same({}, store:faults())
    assert.same({ "cold r" }, a:claim(5))
    assert.same({}, c:claim(5))
    assert.equal("not_owner", c:turn("r", redis.complete()))
    assert.same({}, store:faults())
  end)
end)
