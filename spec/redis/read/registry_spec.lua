local json = require "weir.json"
local redis = require "spec.support.redis"

describe("registry", function()
  local store = redis.store { bare = true }

  it("brings what is announced of each workflow", function()
    assert.same({ "registry" }, store:say "registry")
    local bundle = store:announce { a = {}, b = { queue = "gpu" } }
    local answer = store:unchanged(function() return store:say "registry" end)
    local seen = {}
    for i = 2, #answer, 2 do seen[answer[i]] = json.decode(answer[i + 1]) end
    local function entry(queue)
      return { bundle = bundle, version = 1, queue = queue, priority = 0, retain_ms = 604800000 }
    end
    assert.same({ a = entry "default", b = entry "gpu" }, seen)
  end)
end)
