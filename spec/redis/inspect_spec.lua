local redis = require "spec.support.redis"

describe("inspect", function()
  local store = redis.store()

  it("brings all fields of a run, values in place", function()
    local long = '"' .. ("x"):rep(100) .. '"'
    store:say("start", "r", "w", long, "7", "", 0)
    local answer = store:unchanged(function() return store:say("inspect", "r") end)
    local fields = {}
    for i = 2, #answer, 2 do fields[answer[i]] = answer[i + 1] end
    assert.equal("run", answer[1])
    assert.same({
      state = "ready", workflow = "w", data = long, seed = "7", created_at = tostring(redis.BEGIN),
    }, fields)
  end)

  it("is missing when there is none", function()
    assert.same({ "missing" }, store:say("inspect", "none"))
  end)
end)
