local redis = require "spec.support.redis"

describe("bundles", function()
  local store = redis.store()

  local function bundles()
    local answer, found = store:unchanged(function() return store:say "bundles" end), {}
    for i = 2, #answer, 4 do found[answer[i]] = table.concat(answer, " ", i + 1, i + 3) end
    return found
  end

  it("are those that attempts or the registry need, with when each became the newest", function()
    local before = store.bundle
    local old = store:announce({ w = {}, x = {} }, { ["w.lua"] = "return 1" })
    store:start "p"
    store.a:claim(1)
    store.a:turn("p", redis.suspend)
    store:pass(5)
    local new = store:announce({ w = {} }, { ["w.lua"] = "return 2" })
    local version = tonumber(store:call("HGET", "meta", "version"))
    assert.same({
      [old] = ("%d %d 1"):format(version - 1, redis.BEGIN), [new] = ("%d %d 0"):format(version, redis.BEGIN + 5),
    }, bundles())
    assert.equal(0, store:call("HEXISTS", "announced", before))
  end)

  it("leave the list with the last that needs them, and their time with them", function()
    local old = store:announce({ w = {} }, { ["w.lua"] = "return 1" })
    store:announce({ w = {} }, { ["w.lua"] = "return 2" })
    assert.is_nil(bundles()[old])
    assert.equal(0, store:call("HEXISTS", "announced", old))
  end)
end)
