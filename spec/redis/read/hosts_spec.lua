local redis = require "spec.support.redis"

describe("hosts", function()
  local store = redis.store()

  it("says who is alive, and how many runs each holds", function()
    for i = 1, 3 do store:start("r" .. i) end
    store.a:claim(2)
    store.b:claim(1)
    store.a:turn("r1", redis.suspend)
    local answer = store:unchanged(function() return store:say "hosts" end)
    assert.same({ "hosts", "1", "node", tostring(redis.BEGIN + redis.LEASE_MS), "2", 3, "*", "", "16777216", "",
      tostring(redis.BEGIN), "" }, answer)
  end)

  it("says when each was alive last, and which drain", function()
    store:pass(300)
    store:heartbeat(store.host)
    store:pass(100)
    store:worker(store.host .. ".0"):say("leave", store.host)
    local answer = store:say "hosts"
    assert.same({ tostring(redis.BEGIN + 300), "1" }, { answer[11], answer[12] })
  end)
end)
