local redis = require "spec.support.redis"

describe("suspect", function()
  local store = redis.store()

  before_each(function()
    store:start "p"
    store.a:claim(1)
  end)

  it("blames the run whose Lua does not come back: with its process' death it is the second", function()
    local main = store:worker(store.host .. ".0")
    assert.same({ "suspected" }, main:say("suspect", "p"))
    assert.same({ "suspected" }, main:say("suspect", "p"))
    assert.equal("1", store:run("p").crashes)
    local next_host = store:register "next"
    store:call("ZADD", "leases", 0, store.host)
    store:heartbeat(next_host)
    assert.equal("2", store:run("p").crashes)
  end)

  it("is lost for a run that is not running, and writes nothing", function()
    store.a:turn("p", redis.suspend)
    store:unchanged(function()
      assert.same({ "not_owner" }, store:say("suspect", "p"))
      assert.same({ "not_owner" }, store:say("suspect", "none"))
    end)
  end)
end)
