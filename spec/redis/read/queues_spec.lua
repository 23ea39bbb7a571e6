local redis = require "spec.support.redis"

describe("queues", function()
  local store = redis.store()

  it("says how many runs stand in each queue, and which is first", function()
    store:start "p"
    store:start "q"
    store:start("r", "no")
    store.a:claim(1)
    local answer = store:unchanged(function() return store:say "queues" end)
    local seen = {}
    for i = 2, #answer, 3 do seen[answer[i]] = answer[i + 1] .. " " .. answer[i + 2] end
    assert.same({ default = "1 q", ["?no"] = "1 r" }, seen)
  end)
end)
