local redis = require "spec.support.redis"

describe("watch", function()
  local store = redis.store()

  before_each(function() store:start "p" end)

  it("tells when the run ends, and how", function()
    local heard = store:listen "ended:p"
    assert.same({ "live", "ready" }, store:say("watch", "p"))
    store.a:claim(1)
    assert.same({ "live", "running" }, store:unchanged(function() return store:say("watch", "p") end))
    store.a:turn("p", redis.suspend)
    assert.same({}, heard())
    store:say("cancel", "p", "by hand")
    store.a:claim(1)
    store.a:turn("p", { "fail", "cancelled", "{}", "" })
    assert.same({ "cancelled" }, heard())
  end)

  it("tells of a run that never began", function()
    local heard = store:listen "ended:p"
    store:say("watch", "p")
    store:say("cancel", "p", "by hand")
    assert.same({ "cancelled" }, heard())
  end)

  it("publishes nothing about a run that no client watches", function()
    local heard = store:listen "ended:p"
    store:say("cancel", "p", "by hand")
    assert.same({}, heard())
  end)

  it("answers at once when the run has ended, or is not there", function()
    store:say("cancel", "p", "by hand")
    store:unchanged(function()
      assert.same({ "ended", "cancelled" }, store:say("watch", "p"))
      assert.same({ "missing" }, store:say("watch", "none"))
    end)
  end)
end)
