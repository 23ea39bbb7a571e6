local redis = require "spec.support.redis"

describe("registry", function()
  local store = redis.store { bare = true }

  it("brings what is announced of each workflow", function()
    assert.same({ "registry" }, store:say "registry")
    local bundle = store:announce { a = {}, b = { queue = "gpu" } }
    local answer = store:unchanged(function() return store:say "registry" end)
    local seen = {}
    for i = 2, #answer, 2 do seen[answer[i]] = answer[i + 1] end
    assert.same({
      a = redis.entry(bundle, {}), b = redis.entry(bundle, { queue = "gpu" }),
    }, seen)
  end)
end)
