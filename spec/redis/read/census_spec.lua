local redis = require "spec.support.redis"

describe("census", function()
  local store = redis.store()

  local function census(set, from, count)
    return store:unchanged(function() return store:say("census", set, from, count) end)
  end

  it("counts a page of a set by state and workflow, and names the oldest run of each", function()
    store:announce { w = {}, v = {} }
    for i = 1, 3 do
      store:start("p" .. i)
      store:pass(10)
    end
    store:start("q", "v")
    local begin = tostring(redis.BEGIN)
    assert.same({ "census", 4, "ready", "w", 3, "p1", begin, "ready", "v", 1, "q", tostring(redis.BEGIN + 30) },
      census("ready:default", 0, 10))
    assert.same({ "census", 2, "ready", "w", 2, "p2", tostring(redis.BEGIN + 10) }, census("ready:default", 1, 2))
    assert.same({ "census", 0 }, census("ready:default", 9, 2))
    assert.same({ "census", 0 }, census("ready:none", 0, 2))
  end)

  it("picks runs of a set without an order, each once", function()
    for i = 1, 5 do store:start("p" .. i) end
    store.a:claim(5)
    assert.equal(2, census("owned:" .. store.a.name, 0, 2)[2])
    assert.same({ "census", 5, "running", "w", 5 }, { table.unpack(census("owned:" .. store.a.name, 0, 100), 1, 5) })
  end)

  it("has pages of ids beside it", function()
    for i = 1, 4 do store:start("p" .. i) end
    store.a:claim(1)
    assert.same({ "members", "p3", "p4" }, store:unchanged(function()
      return store:say("members", "ready:default", 1, 10)
    end))
    assert.same({ "members", "p1" }, store:say("members", "owned:" .. store.a.name, 0, 10))
    assert.same({ "members" }, store:say("members", "delayed", 0, 10))
  end)

  it("passes over a run that is gone", function()
    store:start "p"
    store:start "q"
    store:call("DEL", "r:p")
    assert.same({ "census", 2, "ready", "w", 1, "q", tostring(redis.BEGIN) }, census("ready:default", 0, 10))
  end)
end)
