local json = require "weir.json"
local redis = require "spec.support.redis"

describe("refuse", function()
  local store = redis.store()
  local main

  before_each(function() main = store:worker(store.host .. ".0") end)

  local function refuse(...) return main:ask(0, { "refuse", store.host, select("#", ...) // 3, ... }).groups[1] end

  -- The refused folders that `hosts` replies.
  local function told() return store:say("hosts")[10] end

  it("keeps with the host which folders it does not load, until it loads them", function()
    assert.same({ "told" }, refuse("a", "9f2c", "x.lua:1: one\nx.lua:2: two", "b", "1b7e", "y.lua:1: three"))
    assert.same({ { "a", "9f2c", "x.lua:1: one\nx.lua:2: two" }, { "b", "1b7e", "y.lua:1: three" } },
      json.decode(told()))
    refuse("b", "1b7e", "y.lua:1: three")
    assert.same({ { "b", "1b7e", "y.lua:1: three" } }, json.decode(told()))
    refuse()
    assert.equal("", told())
    assert.same({}, store:faults())
  end)

  it("keeps nothing of a host that is gone", function()
    main:ask(0, { "deregister", store.host })
    refuse("a", "9f2c", "x.lua:1: one")
    assert.equal(0, store:call("EXISTS", "host:" .. store.host))
  end)
end)
