local redis = require "spec.support.redis"

describe("move", function()
  local store = redis.store()
  local a, b, old, new

  before_each(function()
    a, b = store.a, store.b
    old = store:announce({ w = {} }, { ["w.lua"] = "return 1" })
    store:start "p"
    a:claim(1)
    a:turn("p", { "record", "s", "sleep" }, { "suspend", "", 100 })
    new = store:announce({ w = {} }, { ["w.lua"] = "return 2" })
  end)

  local function move(turn, bundle) return redis.words(store:say("move", "p", turn or 1, bundle or new)) end
  local function refused(word, ...)
    local arguments = table.pack(...)
    assert.equal(word, store:unchanged(function() return move(table.unpack(arguments, 1, arguments.n)) end))
  end

  it("gives a waiting run the newest code, in its attempt, and takes its coroutine from its worker", function()
    assert.not_equal(old, new)
    store:pass(5)
    assert.equal("moved", move())
    local run = store:run "p"
    assert.same({ "waiting", "", new, ("1\t%d\t%s"):format(redis.BEGIN + 5, old), nil },
      { run.state, run.owner, run.bundle, run.moved, run.attempt })
    assert.equal(100, store:wake "p")
    assert.same({}, store:call("SMEMBERS", "owned:" .. a.name))
    assert.same({}, store:faults())
    store:pass(95)
    assert.same({ "cold p" }, a:claim(1, { "promote" }))
    assert.equal("done", a:turn("p", redis.complete()))
    assert.same({}, store:faults())
  end)

  it("frees the sources of the bundle that it leaves, once no other run needs them", function()
    local function stored()
      return { store:call("EXISTS", "bundle:" .. old), store:call("EXISTS", "bundle:" .. new) }
    end
    assert.same({ 1, 1 }, stored())
    assert.equal("moved", move())
    assert.same({ 0, 1 }, stored())
    assert.is_false(store:call("HGET", "attempts", old))
    assert.equal("1", store:call("HGET", "attempts", new))
    assert.same({}, store:faults())
  end)

  it("keeps the sources of the bundle for another run on it", function()
    store:announce({ w = {} }, { ["w.lua"] = "return 1" }, { announce = true })
    store:start "q"
    a:claim(1)
    a:turn("q", { "record", "s", "sleep" }, { "suspend", "", 100 })
    assert.equal(old, store:run("q").bundle)
    store:announce({ w = {} }, { ["w.lua"] = "return 2" }, { announce = true })
    assert.equal("moved", move())
    assert.equal(1, store:call("EXISTS", "bundle:" .. old))
    assert.equal("1", store:call("HGET", "attempts", old))
  end)

  it("has its worker drop the coroutine", function()
    local heard = store:listen("wake:" .. a.name:match "^%d+")
    assert.equal("moved", move())
    assert.same({ a.name:match "%d+$" .. " 1 p" }, heard())
  end)

  it("moves one that is ready and not claimed, and gives it to everybody", function()
    store:pass(100)
    store:say "promote"
    assert.equal("moved", move())
    assert.same({ "p" }, store:call("ZRANGE", "ready:default", 0, -1))
    assert.same({}, store:faults())
    assert.same({ "cold p" }, b:claim(1))
    assert.equal(new, store:run("p").bundle)
  end)

  it("may be sent again", function()
    move()
    refused "there"
  end)

  it("keeps the turn of a worker that did not hear of it from being done twice", function()
    move()
    assert.equal("not_owner", a:turn("p", redis.complete()))
    assert.equal("waiting", store:state "p")
  end)

  it("changes nothing where another turn was looked at, or another bundle is the newest by now", function()
    refused("changed", 0)
    refused("changed", 1, old == new and "x" or ("0"):rep(64))
    store:announce({ w = {} }, { ["w.lua"] = "return 3" })
    refused "changed"
  end)

  it("changes nothing while a worker runs it, nor where it has ended, waits for an attempt, or is not there", function()
    store:pass(100)
    a:claim(1, { "promote" })
    refused "running"
    a:turn("p", { "retry", 100, '{"code":"error"}' })
    refused("there", 2)
    store:pass(100)
    a:claim(1, { "promote" })
    a:turn("p", redis.complete())
    refused "ended completed"
    store:call("DEL", "r:p")
    assert.equal("missing", move())
  end)
end)
