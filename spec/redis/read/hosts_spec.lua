local redis = require "spec.support.redis"

describe("hosts", function()
  local store = redis.store()

  it("says who is alive, and how many runs each holds", function()
    for i = 1, 3 do store:start("r" .. i) end
    store.a:claim(2)
    store.b:claim(1)
    store.a:turn("r1", redis.suspend)
    local answer = store:unchanged(function() return store:say "hosts" end)
    assert.same({ "hosts", "1", "node", tostring(redis.BEGIN + redis.LEASE_MS), "2", 3, "*", "", "16777216", "" },
      answer)
  end)
end)
