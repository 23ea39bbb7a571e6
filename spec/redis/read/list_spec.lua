local redis = require "spec.support.redis"

describe("list", function()
  local store = redis.store()

  local function page(set, before, count, since)
    local answer = store:unchanged(function() return store:say("list", set, before, count, since) end)
    local runs = {}
    for i = 2, #answer, 2 do runs[#runs + 1] = answer[i + 1] end
    return runs, #answer > 1 and table.concat(answer, " ", #answer - 1) or ""
  end

  before_each(function()
    for i = 1, 5 do
      store:start("r" .. i)
      store:pass(1)
    end
  end)

  it("brings the roots, newest first, page by page", function()
    local runs, last = page("roots", "", 2)
    assert.same({ "r5", "r4" }, runs)
    runs, last = page("roots", last, 2)
    assert.same({ "r3", "r2" }, runs)
    assert.same({ "r1" }, (page("roots", last, 2)))
  end)

  it("is stable while newer runs arrive", function()
    local _, last = page("roots", "", 2)
    store:start "r6"
    assert.same({ "r3", "r2" }, (page("roots", last, 2)))
  end)

  it("goes on by time when the last of the page before is gone", function()
    local _, last = page("roots", "", 2)
    store:call("ZREM", "roots", "r4")
    assert.same({ "r3", "r2" }, (page("roots", last, 2)))
  end)

  it("brings the failed, by the time they failed", function()
    store.a:claim(3)
    store.a:turn("r3", redis.fail())
    store:pass(1)
    store.a:turn("r1", redis.fail())
    assert.same({ "r1", "r3" }, (page("failed", "", 10)))
  end)

  it("leaves out what had ended by an instant with all below it, but for the last of a page", function()
    store.a:claim(4)
    store.a:turn("r2", redis.complete())
    store.a:turn("r3", redis.invoke { operation = "d", child = "r3/d", options = { detached = "1" } },
      redis.complete())
    store:pass(1)
    store.a:turn("r1", redis.complete())
    assert.same({ "r5", "r4", "r3", "r1" }, (page("roots", "", 10, redis.BEGIN + 6)))
    local runs, last = page("roots", "", 4, redis.BEGIN + 6)
    assert.same({ "r5", "r4", "r3", "r2" }, runs)
    assert.same({ "r1" }, (page("roots", last, 4, redis.BEGIN + 6)))
    assert.same({ "r5", "r4", "r3", "r2", "r1" }, (page("roots", "", 10, redis.BEGIN + 5)))
  end)

  it("leaves out what lacks a tag, but for the last of a page", function()
    local long = ('{"shop":"berlin","note":"%s"}'):format(("x"):rep(100))
    store:start("t1", "w", { tags = long })
    store:start("t2", "w", { tags = '{"shop":"bonn"}' })
    store:start "t3"
    local function tagged(...)
      local answer = store:say("list", "roots", "", 100, "", ...)
      local runs = {}
      for at = 3, #answer, 2 do runs[#runs + 1] = answer[at] end
      return runs
    end
    assert.same({ "t1", "r1" }, tagged("shop", "berlin"))
    assert.same({ "t2", "r1" }, tagged("shop", "bonn"))
    assert.same({ "r1" }, tagged("shop", "bonn", "lane", "2"))
    store:call("HSET", "r:t2", "tags", "no JSON")
    store:call("DEL", "r:t3")
    store:call("SET", "r:t3", "x")
    assert.same({ "t1", "r1" }, tagged("shop", "berlin"))
  end)
end)
