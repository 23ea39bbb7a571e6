local redis = require "spec.support.redis"

describe("hand-over", function()
  local store = redis.store()
  local a, b

  before_each(function()
    a, b = store.a, store.b
    store:start "p"
    a:claim(1)
  end)

  it("gives a new child to the caller in the call in which its parent suspends", function()
    local group = a:turn_of("p", redis.invoke { operation = "c", child = "p/c" }, redis.suspend)
    assert.same({ "cold p/c" }, a:claim(1, group))
    local run = store:run "p/c"
    assert.same({ "running", a.name, tostring(redis.BEGIN), store.bundle },
      { run.state, run.owner, run.started_at, run.bundle })
    assert.same({}, store:faults())
  end)

  it("gives the parent back in the call in which its child completes", function()
    a:claim(1, a:turn_of("p", redis.invoke { operation = "c", child = "p/c" }, redis.suspend))
    assert.same({ "warm p 1:c=completed" }, a:claim(1, a:turn_of("p/c", redis.complete())))
    assert.same({ "completed", "running" }, { store:state "p/c", store:state "p" })
    assert.same({}, store:faults())
  end)

  it("gives parent and child in one call when the child ends first", function()
    a:claim(1, a:turn_of("p", redis.invoke { operation = "c", child = "p/c" }))
    assert.same({ "warm p 1:c=completed" },
      a:claim(1, a:turn_of("p", redis.suspend), a:turn_of("p/c", redis.complete())))
  end)

  it("puts new runs behind older ones", function()
    store:start "old"
    local group = a:turn_of("p", redis.invoke { operation = "c", child = "p/c" }, redis.suspend)
    assert.same({ "cold old" }, a:claim(1, group))
    assert.same({ "cold p/c" }, b:claim(1))
  end)

  it("leaves to the queue what the caller has no room for", function()
    local group = a:turn_of("p", redis.invoke { operation = "c", child = "p/c" }, redis.suspend)
    assert.same({}, a:claim(0, group))
    assert.same({ "p/c" }, store:call("ZRANGE", "ready:default", 0, -1))
    assert.same({ "cold p/c" }, b:claim(1))
    b:turn("p/c", redis.complete())
    assert.equal("ready", store:state "p")
    assert.same({ "p" }, store:call("ZRANGE", "ready:@" .. a.name, 0, -1))
    assert.same({}, store:faults())
    assert.same({}, b:claim(5))
    assert.same({ "warm p 1:c=completed" }, a:claim(5))
    assert.same({}, store:faults())
  end)

  it("tells a warm run everything that came before it was claimed", function()
    a:turn("p", redis.invoke { operation = "c", child = "p/c" },
      redis.invoke { operation = "d", child = "p/d" }, redis.suspend)
    b:claim(2)
    b:turn("p/d", redis.complete())
    b:turn("p/c", redis.fail())
    store:say("cancel", "p", "by hand")
    assert.same({ "warm p 1:d=completed 2:c=failed 3:cancelled" }, a:claim(5))
  end)

  it("tells as much as one call should bring, the rest in reply to the next turn", function()
    local large = '"' .. ("x"):rep(300000) .. '"'
    local group = {}
    for i = 1, 9 do group[i] = redis.invoke { operation = "c" .. i, child = "p/c" .. i } end
    a:turn("p", table.unpack(group))
    a:turn("p", redis.suspend)
    b:claim(9)
    for i = 1, 9 do b:turn("p/c" .. i, redis.complete(large)) end
    assert.same({ "warm p 1:c1=completed 2:c2=completed 3:c3=completed" }, a:claim(1))
    assert.equal("running 4:c4=completed 5:c5=completed 6:c6=completed", a:turn("p", redis.suspend))
    assert.equal("running 7:c7=completed 8:c8=completed 9:c9=completed", a:turn("p", redis.suspend))
    assert.equal("suspended", a:turn("p", redis.suspend))
    assert.same({}, store:faults())
  end)

  it("tells every run at least one, however much the others were told", function()
    local large = '"' .. ("x"):rep(900000) .. '"'
    for _, id in ipairs { "q", "r" } do store:start(id) end
    a:claim(2)
    for _, id in ipairs { "p", "q", "r" } do
      a:turn(id, redis.invoke { operation = "c", child = id .. "/c" }, redis.suspend)
    end
    b:claim(3)
    for _, id in ipairs { "p", "q", "r" } do b:turn(id .. "/c", redis.complete(large)) end
    assert.same({ "warm p 1:c=completed", "warm q 1:c=completed", "warm r 1:c=completed" }, a:claim(3))
  end)
end)

describe("claim", function()
  local store = redis.store()

  it("gives runs by priority, then in the order they came", function()
    store:start "one"
    store:start("low", "w", { priority = -100 })
    store:start("high", "w", { priority = 100 })
    store:start "two"
    assert.same({ "cold high", "cold one" }, store.a:claim(2))
    assert.same({ "cold two", "cold low" }, store.b:claim(5))
  end)

  it("gives each idle worker its share, and no more to who asks first", function()
    local workers = {}
    for i = 1, 6 do
      workers[i] = store:worker(store.host .. "." .. i)
      workers[i]:claim(50)
    end
    for i = 1, 6 do store:start("r" .. i) end
    for i = 1, 6 do assert.same({ "cold r" .. i }, workers[i]:claim(50)) end
    assert.same({}, store:faults())
  end)

  it("shares out the children of the caller, too", function()
    store:start "p"
    store.a:claim(1)
    store.b:claim(1)
    local children = {}
    for i = 1, 10 do children[i] = redis.invoke { operation = "c" .. i, child = "p/c" .. i } end
    assert.equal(5, #store.a:claim(50, store.a:turn_of("p", table.unpack(children))))
    assert.equal(5, #store.b:claim(50))
    assert.same({}, store:faults())
  end)

  it("shares with a worker that was woken and has not come, but not for long", function()
    local heard = store:listen("wake:" .. store.host)
    store.b:claim(50)
    for i = 1, 8 do store:start("r" .. i) end
    assert.same({ "2" }, heard())
    assert.equal(4, #store.a:claim(50))
    store:pass(100)
    assert.equal(2, #store.a:claim(50)) -- it is taken for idle again
    assert.same({ "2" }, heard())
  end)

  it("does not keep runs for workers of a host whose lease has ended", function()
    local dead = store:register "dead"
    store:worker(dead .. ".1"):claim(50)
    store:call("ZADD", "leases", 0, dead)
    for i = 1, 4 do store:start("r" .. i) end
    assert.equal(4, #store.a:claim(50))
  end)

  it("goes by priority and age over all queues", function()
    for i = 1, 3 do store:start("bulk" .. i, "w", { queue = "bulk" }) end
    store:start("urgent", "w", { queue = "mail", priority = 100 })
    store:start("low", "w", { queue = "mail", priority = -1 })
    store:start("late", "w", { queue = "mail" })
    assert.same({ "cold urgent", "cold bulk1", "cold bulk2" }, store.a:claim(3))
    store.a.queues = { "mail", "bulk" }
    assert.same({ "cold bulk3", "cold late", "cold low" }, store.a:claim(5))
    assert.same({}, store:call("ZRANGE", "queues", 0, -1))
    assert.same({}, store:faults())
  end)

  it("knows the first run of a queue when that is cancelled", function()
    store:start("first", "w", { queue = "q", priority = 10 })
    store:start("second", "w", { queue = "q" })
    store:start("other", "w", { queue = "z", priority = 5 })
    store:say("cancel", "first", "no")
    assert.same({}, store:faults())
    assert.same({ "cold other", "cold second" }, store.a:claim(5))
    store:start("gone", "w", { queue = "g" })
    store:say("cancel", "gone", "no")
    assert.same({}, store:call("ZRANGE", "queues", 0, -1))
  end)

  it("passes over a record that cannot be read, and loses no run that stands beside it", function()
    store:start "broken"
    store:start "fine"
    store:call("DEL", "r:broken")
    store:call("SET", "r:broken", "no hash")
    assert.same({ "cold fine" }, store.a:claim(5))
    assert.equal("running", store:state "fine")
  end)

  it("gives no more than there is room for", function()
    for i = 1, 5 do store:start("r" .. i) end
    assert.same({}, store.a:claim(0))
    assert.same({ "cold r1", "cold r2" }, store.a:claim(2))
    assert.same({}, store:faults())
  end)

  it("passes over a bounded number of expired runs, and asks the worker to come again", function()
    store:announce { w = {}, brief = { timeout_ms = 10 } }
    for i = 1, 130 do store:start("e" .. i, "brief", { priority = 1 }) end
    store:start "fine"
    store:pass(20)
    local heard = store:listen("wake:" .. store.host)
    assert.same({}, store.a:claim(50))
    assert.equal("ready", store:state "e130")
    assert.equal("failed", store:state "e100")
    assert.same({ store.a.name:match "%d+$" }, heard())
    assert.same({ "cold fine" }, store.a:claim(50))
    assert.same({}, store:faults())
  end)

  it("gives only runs of the queues that the worker serves", function()
    local gpu = store:worker(store.host .. ".1", { "gpu", "slow" })
    store:start("d", "w")
    store:start("g", "w", { queue = "gpu" })
    assert.same({ "cold g" }, gpu:claim(5))
    assert.same({ "cold d" }, store.b:claim(5))
  end)

  it("gives the whole record, values in place", function()
    local long = '"' .. ("x"):rep(100) .. '"'
    store:say("start", "r", "w", long, "7", "", 0)
    local claim = store.a:ask(1).claims[1]
    assert.same({ "cold", "r", 0, 0, store.bundle, 0, "" }, { table.unpack(claim, 1, 7) })
    local fields = {}
    for i = 8, #claim, 2 do fields[claim[i]] = claim[i + 1] end
    assert.same(store:run "r", fields)
    assert.equal(long, fields.data)
  end)

  it("gives the records of many runs as far as one call should bring them", function()
    local long = '"' .. ("x"):rep(400000) .. '"'
    for i = 1, 4 do store:say("start", "r" .. i, "w", long, "7", "", 0) end
    local claims, cursors = store.a:ask(4).claims, {}
    for i, claim in ipairs(claims) do cursors[i] = claim[7] end
    assert.same({ "", "", "", "0" }, cursors)
    assert.equal(7, #claims[4]) -- it is loaded
    assert.equal("", store.a:say("load", "r4", "0")[7])
    assert.same({}, store:faults())
  end)

  it("gives the record of a run begun in the same call just so", function()
    local long = '"' .. ("x"):rep(100) .. '"'
    local claim = store.a:ask(1, { "start", "r", "w", long, "7", "", 1, "priority", 3 }).claims[1]
    local fields = {}
    for i = 8, #claim, 2 do fields[claim[i]] = claim[i + 1] end
    assert.same(store:run "r", fields)
  end)

  it("passes over runs that expired in the queue, and looks further", function()
    store:announce { w = { timeout_ms = 50 } }
    store:start "r1"
    store:start "r2"
    store:announce { w = {} }
    store:start "r3"
    store:pass(50)
    assert.same({ "cold r3" }, store.a:claim(1))
    assert.same({ "failed", "failed" }, { store:state "r1", store:state "r2" })
    assert.same({}, store:faults())
  end)

  it("counts every call that changes something, and tells the number", function()
    local first = store.a:ask(0, { "start", "r", "w", "{}", "7", "", 0 }).commit
    assert.equal(first + 1, store.a:ask(1).commit)
    assert.equal(first + 1, store.a:ask(0, { "inspect", "r" }).commit)
  end)

  it("gives nothing to a host that lost its lease, and writes nothing for it", function()
    store:start "r"
    store.a:claim(1)
    store:start "s"
    store:call("ZREM", "leases", store.host)
    local reply = store:unchanged(function()
      return store.a:ask(5, store.a:turn_of("r", redis.complete()), { "promote" })
    end)
    assert.same({ "lease_lost", {}, {} }, { reply.word, reply.groups, reply.claims })
    assert.equal(store.now, reply.now)
  end)

  it("writes nothing when Redis is out of memory", function()
    store:start "r"
    store.a:claim(1)
    store:start "s"
    local refused
    store:unchanged(function()
      store.redis:call("CONFIG", "SET", "maxmemory", "1")
      local ok, message = pcall(function()
        store.b:ask(5, { "start", "t", "w", "{}", "7", "", 0 }, { "promote" })
      end)
      store.redis:call("CONFIG", "SET", "maxmemory", "0")
      refused = not ok and message
    end)
    assert.matches("^OOM", refused)
    assert.same({ "cold s" }, store.b:claim(5))
  end)
end)

describe("wake-up", function()
  local store = redis.store()
  local a, b, heard

  before_each(function()
    a, b, heard = store.a, store.b, store:listen("wake:" .. store.host)
  end)

  it("comes to a worker that got less than it asked for", function()
    a:claim(1)
    store:start "r"
    assert.same({ "1" }, heard())
    store:start "s"
    assert.same({}, heard())
  end)

  it("does not come to one that got all it asked for", function()
    store:start "r"
    a:claim(1)
    store:start "s"
    assert.same({}, heard())
  end)

  it("comes to the worker that holds the coroutine", function()
    store:start "p"
    a:claim(1)
    a:claim(2, a:turn_of("p", { "suspend", "", 10 }))
    b:claim(1)
    store:pass(10)
    store:say "promote"
    assert.same({ "1" }, heard())
  end)

  it("comes only to workers that serve the queue", function()
    a.queues = { "x", "gpu" }
    a:claim(1)
    store:start "r"
    assert.same({}, heard())
    store:start("s", "w", { queue = "gpu" })
    assert.same({ "1" }, heard())
  end)

  it("comes to as many workers as there are runs", function()
    store:start "p"
    local c = store:worker(store.host .. ".3")
    c:claim(1)
    a:claim(1)
    b:claim(1)
    c:ask(0, c:turn_of("p", redis.invoke { operation = "c", child = "p/c" },
      redis.invoke { operation = "d", child = "p/d" }, redis.suspend))
    local messages = heard()
    table.sort(messages)
    assert.same({ "1", "2" }, messages)
  end)

  it("passes over a host that does not hear", function()
    local deaf = store:worker(store:register "deaf" .. ".1")
    deaf:claim(1)
    a:claim(1)
    store:start "r"
    assert.same({ "1" }, heard())
  end)

  it("is not for the worker that says what happened", function()
    a:claim(1)
    a:ask(0, { "start", "r", "w", "{}", "7", "", 0 })
    assert.same({}, heard())
  end)
end)
