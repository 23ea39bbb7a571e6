local redis = require "spec.support.redis"

describe("start_each", function()
  local store = redis.store()

  local function start_each(...) return store:say("start_each", "w", "", 0, ...) end

  it("begins runs as start does", function()
    assert.same({ "started", 2, 0 }, start_each("a", "[1]", "7", "b", "[2]", "8"))
    assert.same({
      state = "ready", workflow = "w", data = "[1]", seed = "7", created_at = tostring(redis.BEGIN),
    }, store:run "a")
    assert.same({ "a", "b" }, store:call("ZRANGE", "ready:default", 0, -1))
    assert.same({ "a", "b" }, store:call("ZRANGE", "roots", 0, -1))
    assert.same({}, store:faults())
  end)

  it("gives all of them the options", function()
    local answer = store:say("start_each", "w", "",
      4, "queue", "gpu", "priority", 7, "delay_ms", 100, "tags", '{"a":"b"}', "a", "1", "7", "b", "2", "8")
    assert.same({ "started", 2, 0 }, answer)
    for _, id in ipairs { "a", "b" } do
      local run = store:run(id)
      assert.same({ "scheduled", "gpu", "7", '{"a":"b"}' }, { run.state, run.queue, run.priority, run.tags })
      assert.equal(100, store:wake(id))
    end
  end)

  it("starts nothing twice when it is sent again", function()
    start_each("a", "1", "7", "b", "2", "8")
    local answer = store:unchanged(function() return start_each("a", "1", "9", "b", "2", "9") end)
    assert.same({ "started", 0, 2 }, answer)
  end)

  it("begins what is not there yet, and tells which are there otherwise", function()
    store:start("a", "w")
    store:announce { w = {}, v = {} }
    store:start("b", "v")
    local answer = start_each("a", '{"n":1}', "7", "b", "{}", "7", "c", "3", "7", "a", "{}", "7")
    assert.same({ "started", 1, 1, 0, 1 }, answer)
    assert.equal("3", store:run("c").data)
    assert.same({}, store:faults())
  end)

  it("knows an id that comes twice", function()
    local long = ('"%s"'):format(("x"):rep(100))
    assert.same({ "started", 1, 1, 2 }, start_each("a", long, "7", "a", long, "8", "a", "2", "9"))
    assert.same({ long, "7" }, { store:run("a").data, store:run("a").seed })
    assert.equal(1, store:call("ZCARD", "ready:default"))
  end)

  it("refuses an unknown workflow, unless it may start any", function()
    local answer = store:unchanged(function() return store:say("start_each", "no", "", 0, "a", "1", "7") end)
    assert.same({ "unknown" }, answer)
    assert.same({ "started", 1, 0 }, store:say("start_each", "no", "1", 0, "a", "1", "7"))
    assert.same({ "a" }, store:call("ZRANGE", "ready:?no", 0, -1))
  end)

  it("writes nothing when its arguments end in the middle of a run", function()
    local answer = store:unchanged(function() return start_each("a", "1", "7", "b") end)
    assert.equal("error", answer[1])
  end)
end)
