local redis = require "spec.support.redis"

describe("stalled", function()
  local store = redis.store()
  local a, b, main

  before_each(function()
    a, b, main = store.a, store.b, store:worker(store.host .. ".0")
  end)

  local function report(number, run, ...) return { "stalled", store.host, number, 1, run, 0, 60 }, ... end

  it("gives what waits behind a long turn to another worker, in its order, before all others", function()
    for _, id in ipairs { "one", "two", "three" } do store:start(id) end
    a:claim(3)
    store:start "four"
    local answers = main:ask(0, report(1, "one", { "requeue", "two", 0 }, { "requeue", "three", 0 })).groups
    assert.same({ { "stalled" }, { "requeued" }, { "requeued" } }, answers)
    assert.same({ "running", "ready" }, { store:state "one", store:state "two" })
    assert.same({}, store:faults())
    assert.same({ "cold two", "cold three", "cold four" }, b:claim(5))
    assert.equal("done", a:turn("one", redis.complete()))
    assert.equal("not_owner", a:turn("two", redis.complete()))
    assert.same({}, store:faults())
  end)

  it("keeps priorities above the order in which runs were given back", function()
    store:start("low", "w", { priority = -1 })
    store:start "one"
    a:claim(2)
    store:start "late"
    main:ask(0, report(1, "one", { "requeue", "low", 0 }))
    assert.same({ "cold late", "cold low" }, b:claim(5))
  end)

  it("gives a warm run away from its coroutine", function()
    store:start "warm"
    store:start "slow"
    a:claim(2)
    a:turn("warm", { "suspend", "", 10 })
    store:pass(10)
    assert.same({ "warm warm" }, a:claim(1, { "promote" }))
    main:ask(0, report(1, "slow", { "requeue", "warm", 1 }))
    assert.same({ "cold warm" }, b:claim(1))
    assert.same({}, store:faults())
  end)

  it("gives to all what was promoted for the worker", function()
    store:start "warm"
    store:start "slow"
    a:claim(2)
    a:turn("warm", { "suspend", "", 10 })
    store:pass(10)
    store:say "promote"
    main:ask(0, report(1, "slow"))
    assert.same({ "cold warm" }, b:claim(1))
    assert.same({}, store:faults())
  end)

  it("takes nothing that has begun its turn, was given elsewhere, or is another worker's", function()
    for _, id in ipairs { "one", "two", "three" } do store:start(id) end
    a:claim(2)
    b:claim(1)
    a:turn("two")
    local answers = main:ask(0, report(1, "one", { "requeue", "two", 0 }, { "requeue", "three", 0 },
      { "requeue", "none", 0 })).groups
    assert.same({ { "stalled" }, { "not_owner" }, { "not_owner" }, { "not_owner" } }, answers)
  end)

  it("does nothing when it is sent again, though the runs stand there again", function()
    store:start "one"
    store:start "two"
    a:claim(2)
    main:ask(0, report(1, "one", { "requeue", "two", 0 }))
    assert.same({ "cold two" }, a:claim(1))
    local answers = main:ask(0, report(1, "one", { "requeue", "two", 0 })).groups
    assert.same({ { "reported" }, { "not_owner" } }, answers)
    assert.equal("running", store:state "two")
    assert.same({ { "stalled" }, { "requeued" } }, main:ask(0, report(2, "one", { "requeue", "two", 0 })).groups)
  end)

  it("is shown until the run has come to its next turn", function()
    store:start "slow"
    a:claim(1)
    main:ask(0, report(1, "slow"))
    assert.same({ "turns", a.name, "node", "slow", tostring(store.now - 60) }, store:say "turns")
    a:turn "slow"
    assert.same({ "turns" }, store:unchanged(function() return store:say "turns" end))
  end)

  it("counts the worker no longer", function()
    local heard = store:listen("wake:" .. store.host)
    store:start "slow"
    a:claim(1)
    a:claim(1) -- idle
    main:ask(0, report(1, "slow"))
    store:start "next"
    assert.same({}, heard())
  end)
end)

describe("requeue", function()
  local store = redis.store()

  it("gives back a run that was claimed and not begun", function()
    store:start "one"
    store:start "two"
    store.a:claim(2)
    assert.same({ "requeued" }, store.a:say("requeue", "two", 0))
    assert.same({ "not_owner" }, store.a:say("requeue", "two", 0))
    assert.same({ "not_owner" }, store.b:say("requeue", "one", 0))
    assert.same({ "cold two" }, store.b:claim(2))
    assert.is_nil(store:run("two").crashes)
    assert.same({}, store:faults())
  end)
end)

describe("leave", function()
  local store = redis.store()

  it("lets no worker of the host be woken any more, whatever it was about to say", function()
    local main, heard = store:worker(store.host .. ".0"), store:listen("wake:" .. store.host)
    store.a:claim(1)
    assert.same({ "left" }, main:say("leave", store.host))
    store.b:claim(1) -- was under way
    store:start "r"
    assert.same({}, heard())
    assert.same({}, store:call("ZRANGE", "idle:*", 0, -1))
    assert.same({ "left" }, main:say("leave", store.host))
  end)

  it("wakes others for what the host gives back", function()
    local next_host = store:register "next"
    local main, heard = store:worker(store.host .. ".0"), store:listen("wake:" .. next_host)
    store:start "r"
    store.a:claim(1)
    store.b:claim(1)
    store:worker(next_host .. ".1"):claim(1)
    main:say("leave", store.host)
    main:say("deregister", store.host)
    assert.same({ "1" }, heard())
    assert.same({}, store:faults())
  end)
end)
