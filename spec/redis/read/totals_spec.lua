local redis = require "spec.support.redis"

describe("totals", function()
  local store = redis.store()

  it("says how many of everything there are", function()
    store:start "p"
    store:start("q", "w", { delay_ms = 100 })
    store.a:claim(1)
    store.a:turn("p", redis.fail())
    local answer = store:unchanged(function() return store:say "totals" end)
    local seen = {}
    for i = 2, #answer, 2 do seen[answer[i]] = tonumber(answer[i + 1]) end
    assert.same({ roots = 2, delayed = 1, failed = 1, expiring = 1, due = 0, deleting = 0, commit = 6 }, seen)
    store:pass(8 * 86400000)
    assert.equal(1, store:say("totals")[11])
  end)
end)
