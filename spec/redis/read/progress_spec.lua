local redis = require "spec.support.redis"

describe("progress", function()
  local store = redis.store()
  local a

  before_each(function() a = store.a end)

  local function progress(id, from, shape)
    return store:unchanged(function() return store:say("progress", id, from or 0, shape or "") end)
  end

  -- next, completed, failed, cancelled
  local function counted(id, from)
    local reply = progress(id, from)
    return { table.unpack(reply, 5, 8) }
  end

  it("counts what has ended, by how it ended", function()
    store:start "p"
    a:claim(1)
    assert.same({ 0, 0, 0, 0 }, counted "p")
    a:turn("p", { "record", "a", "step" }, { "record", "b", "step" }, { "record", "c", "step" },
      { "resolve", "a", "completed", 1, "1", "" }, { "resolve", "b", "failed", 1, '{"code":"error"}', "" })
    assert.same({ 2, 1, 1, 0 }, counted "p")
    assert.same({ "progress", "running", tostring(redis.BEGIN), 2 }, { table.unpack(progress "p", 1, 4) })
    assert.equal("", progress("p")[10])
  end)

  it("counts only what came after an outcome counted before, long ones too", function()
    store:start "p"
    a:claim(1)
    a:turn("p", { "record", "a", "step" }, { "record", "b", "step" }, { "resolve", "a", "completed", 1, "1", "" })
    a:turn("p", { "resolve", "b", "completed", 1, ('"%s"'):format(("x"):rep(200)), "" })
    assert.same({ 2, 1, 0, 0 }, counted("p", 1))
    assert.same({ 2, 0, 0, 0 }, counted("p", 2))
    assert.same({ 9, 0, 0, 0 }, counted("p", 9))
  end)

  it("counts the nodes of a graph that began, exactly", function()
    store:start "p"
    a:claim(1)
    a:turn("p", { "graph", '{"nodes":[]}' },
      redis.invoke { operation = "a", child = "p/a" }, redis.invoke { operation = "b", child = "p/b" },
      { "record", "c", "step" }, { "resolve", "c", "completed", 1, "1", "" }, redis.suspend)
    assert.equal(3, progress("p")[10])
    store:say("cancel", "p", "enough")
    a:claim(1)
    assert.same({ 2, 1, 0, 0 }, counted "p")
  end)

  it("takes no more than a page at once", function()
    store:start "p"
    a:claim(1)
    local effects = {}
    for i = 1, 2500 do
      effects[#effects + 1] = { "record", "s" .. i, "step" }
      effects[#effects + 1] = { "resolve", "s" .. i, "completed", 1, "1", "" }
    end
    a:turn("p", table.unpack(effects))
    assert.same({ 1000, 1000, 0, 0 }, counted "p")
    assert.same({ 2500, 500, 0, 0 }, counted("p", 2000))
    assert.same({ 2000, 1000, 0, 0 }, counted("p", 1000))
  end)

  it("stops where it has read a MiB of results", function()
    store:start "p"
    a:claim(1)
    local effects, large = {}, ('"%s"'):format(("x"):rep(400 * 1024))
    for i = 1, 5 do
      effects[#effects + 1] = { "record", "s" .. i, "step" }
      effects[#effects + 1] = { "resolve", "s" .. i, "completed", 1, large, "" }
    end
    a:turn("p", table.unpack(effects))
    assert.same({ 3, 3, 0, 0 }, counted "p")
    assert.same({ 5, 2, 0, 0 }, counted("p", 3))
  end)

  it("counts no field of a run's own as a node, also of one that is the run of a key", function()
    store:start("p", "w", { dedupe = "k", within_ms = 60000 })
    a:claim(1)
    a:turn("p", { "graph", '{"nodes":[]}' }, redis.invoke { operation = "a", child = "p/a" }, redis.suspend)
    a:claim(1)
    a:turn("p/a", redis.complete())
    a:claim(1)
    assert.equal(1, progress("p")[10])
    a:turn("p", redis.complete())
    assert.equal("completed", store:state "p")
    assert.equal(1, progress("p")[10])
  end)

  it("brings the shape of a graph when asked", function()
    store:start("p", "weir.graph")
    assert.equal("", progress("p")[11])
    assert.equal("{}", progress("p", 0, 1)[11])
    store:start "q"
    assert.equal("", progress("q", 0, 1)[11])
    assert.same({ "missing" }, progress "none")
  end)
end)
