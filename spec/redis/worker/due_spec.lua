local redis = require "spec.support.redis"

describe("due", function()
  local store = redis.store()

  it("is the earliest wake-up of all runs, or none", function()
    assert.same({ "due", "" }, store:say "due")
    store:start "p"
    store.a:claim(1)
    store.a:turn("p", redis.suspend)
    assert.same({ "due", "" }, store:say "due")
    store:start("q", "w", { delay_ms = 100 })
    store:start("r", "w", { delay_ms = 50 })
    assert.same({ "due", tostring(redis.BEGIN + 50) }, store:unchanged(function() return store:say "due" end))
  end)
end)
