local redis = require "spec.support.redis"

describe("turn", function()
  local store = redis.store()
  local a, b

  before_each(function()
    a, b = store.a, store.b
    store:start "p"
    a:claim(1)
  end)

  it("says what the run has to say, and how it goes on", function()
    assert.equal("suspended", a:turn("p", { "record", "s", "sleep" }, redis.suspend))
    assert.same({ "waiting", "1" }, { store:state "p", store:run("p").turn })
    assert.equal("\t" .. redis.BEGIN .. "\tsleep", store:run("p")["o:s"])
    assert.same({}, store:faults())
  end)

  it("brings the outcomes that its own effects had", function()
    assert.equal("running 1:s=completed", a:turn("p", { "resolve", "s", "completed", 1, "5", "step" }))
    assert.equal("running 2:t=failed", a:turn("p", { "resolve", "t", "failed", 3, "{}", "step" }))
    assert.equal("done", a:turn("p", redis.complete "1"))
    assert.same({}, store:faults())
  end)

  it("changes the run once, however often it is sent", function()
    local group = a:turn_of("p", { "record", "s", "sleep" }, { "suspend", "", 50 })
    local answer = redis.words(a:ask(0, group).groups[1])
    assert.equal(("suspended %d"):format(redis.BEGIN + 50), answer)
    for _ = 1, 2 do
      local again = store:unchanged(function() return a:ask(0, group).groups[1] end)
      assert.equal(answer, redis.words(again))
    end
  end)

  it("brings what has come meanwhile when it is sent again", function()
    local group = a:turn_of("p", { "resolve", "s", "completed", 1, "5", "step" })
    a:ask(0, group)
    store:say("cancel", "p", "by hand")
    local again = store:unchanged(function() return a:ask(0, group).groups[1] end)
    assert.equal("running 1:s=completed 2:cancelled", redis.words(again))
  end)

  it("answers done when it is sent again after the run ended", function()
    local group = a:turn_of("p", redis.complete())
    a:ask(0, group)
    assert.same({ "done" }, store:unchanged(function() return a:ask(0, group).groups[1] end))
  end)

  it("answers done when it is sent again while the run backs off", function()
    local group = a:turn_of("p", { "retry", 100, "{}" })
    a:ask(0, group)
    assert.same({ "done" }, store:unchanged(function() return a:ask(0, group).groups[1] end))
  end)

  it("is not taken for a turn of the attempt that followed", function()
    local group = a:turn_of("p", { "retry", 100, "{}" })
    a:ask(0, group)
    store:pass(100)
    store:say "promote"
    assert.same({ "cold p" }, a:claim(1))
    assert.same({ "not_owner" }, store:unchanged(function() return a:ask(0, group).groups[1] end))
  end)

  it("is lost for a worker that does not hold the run, and writes nothing", function()
    b.turns.p, b.known.p = 0, 0
    local answer = store:unchanged(function() return b:turn("p", redis.complete()) end)
    assert.equal("not_owner", answer)
  end)

  it("is lost with another number, while the run is not running, or when there is none", function()
    a.turns.p = 1
    assert.equal("not_owner", store:unchanged(function() return a:turn("p", redis.complete()) end))
    a.turns.p = 0
    a:turn("p", redis.suspend)
    assert.equal("not_owner", store:unchanged(function() return a:turn("p", redis.complete()) end))
    a.turns.none, a.known.none = 0, 0
    assert.equal("not_owner", store:unchanged(function() return a:turn("none", redis.complete()) end))
  end)

  it("writes nothing when an effect raises, and leaves the other groups of the batch alone", function()
    store:start "q"
    a:claim(1)
    local reply
    local before = store:dump()
    reply = a:ask(0, a:turn_of("p", { "record", "s", "sleep" }, redis.complete(), redis.suspend),
      a:turn_of("q", redis.complete()), { "no-such-verb" }, a:turn_of("p", { "no-such-effect" }),
      { "turn", "p" })
    assert.equal("error", reply.groups[1][1])
    assert.matches("illegal move of p from completed to waiting", reply.groups[1][2], 1, true)
    assert.same({ "done" }, reply.groups[2])
    assert.same({ "error", "no such verb: no-such-verb" }, reply.groups[3])
    assert.equal("error", reply.groups[4][1])
    assert.same({ "error", "too few arguments" }, reply.groups[5])
    local after = store:dump()
    assert.same({ before["r:p"], before["v:p"] }, { after["r:p"], after["v:p"] })
    assert.equal("completed", store:state "q")
    assert.same({}, store:faults())
  end)

  it("takes away the crashes of a run", function()
    store:call("HSET", "r:p", "crashes", 2, "has_rare", 1)
    a:turn("p", redis.suspend)
    assert.equal("0", store:run("p").crashes)
  end)

  it("expires a run whose time is over", function()
    store:announce { timed = { timeout_ms = 100 } }
    store:start("t", "timed")
    a:claim(1)
    store:pass(100)
    assert.equal("running 1:expired", a:turn("t", redis.complete()))
    assert.equal("done", a:turn("t", redis.fail()))
    assert.equal("failed", store:state "t")
    assert.same({}, store:faults())
  end)

  it("keeps long journal texts whole", function()
    local long = '"' .. ("x"):rep(1000) .. '"'
    assert.equal("running 1:s=completed", a:turn("p", { "resolve", "s", "completed", 1, long, long }))
    local run = store:run "p"
    assert.equal("1\t" .. redis.BEGIN .. "\t" .. long, run["o:s"])
    assert.equal("s\tcompleted\t" .. redis.BEGIN .. "\t1\t" .. long, run["1"])
    assert.equal("listpack", store.redis:call("OBJECT", "ENCODING", store.prefix .. "r:p"))
  end)

  it("brings a bounded number of outcomes, and the run goes on until it was told all", function()
    local effects = {}
    for i = 1, 4500 do effects[i] = { "resolve", "s" .. i, "completed", 1, "{}", "step" } end
    effects[4501] = redis.suspend
    assert.equal(2001, #a:ask(0, a:turn_of("p", table.unpack(effects))).groups[1])
    assert.equal(2000, a.known.p)
    assert.equal(2001, #a:ask(0, a:turn_of("p", redis.suspend)).groups[1])
    local again = a:turn_of("p", redis.suspend)
    assert.equal(501, #a:ask(0, again).groups[1])
    assert.equal(501, #store:unchanged(function() return a:ask(0, again).groups[1] end))
    assert.equal(4500, a.known.p)
    assert.equal("suspended", a:turn("p", redis.suspend))
  end)

  it("takes a journal of ten thousand operations", function()
    for round = 0, 9 do
      local effects = {}
      for i = 1, 1000 do
        effects[i] = { "resolve", ("s%d"):format(round * 1000 + i), "completed", 1, "{}", "step" }
      end
      assert.equal(1001, #a:ask(0, a:turn_of("p", table.unpack(effects))).groups[1])
    end
    a.known.p = 0
    a:say("load", "p", "0")
    assert.equal(10000, a.known.p)
    assert.same({}, store:faults())
  end)
end)
