local redis = require "spec.support.redis"

describe("safety", function()
  local store = redis.store()

  it("says whether Redis keeps what it is given", function()
    local function safety() return store:unchanged(function() return store:say "safety" end) end
    local before = safety()
    assert.equal("noeviction", before[3])
    store.redis:call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    store.redis:call("CONFIG", "SET", "appendonly", "yes")
    local after = safety()
    store.redis:call("CONFIG", "SET", "maxmemory-policy", "noeviction")
    store.redis:call("CONFIG", "SET", "appendonly", before[2] == "1" and "yes" or "no")
    assert.same({ "safety", "1", "allkeys-lru" }, after)
  end)
end)
