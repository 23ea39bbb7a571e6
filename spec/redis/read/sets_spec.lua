local redis = require "spec.support.redis"

describe("sets", function()
  local store = redis.store()

  it("are those that hold runs, with their sizes", function()
    for i = 1, 3 do store:start("p" .. i) end
    store:start("later", "w", { delay_ms = 100 })
    store:start("r", "no")
    store.a:claim(2)
    store.a:turn("p1", redis.suspend)
    store.a:turn("p2", redis.fail())
    local answer, seen = store:unchanged(function() return store:say "sets" end), {}
    for i = 2, #answer, 2 do seen[answer[i]] = answer[i + 1] end
    assert.same({ delayed = 2, ["ready:default"] = 1, ["ready:?no"] = 1, ["owned:" .. store.a.name] = 1, failed = 1,
                  roots = 5 }, seen)
  end)
end)
