local redis = require "spec.support.redis"

describe("in_flight", function()
  local store = redis.store()
  local bundle

  before_each(function()
    bundle = store:announce({ w = {}, other = {} }, { ["w.lua"] = "return 1" })
    for i, workflow in ipairs { "w", "other", "w" } do
      store:start("r" .. i, workflow)
      store.a:claim(1)
      store.a:turn("r" .. i, { "suspend", redis.BEGIN + 1000 * i, "" })
    end
    store:start("later", "w", { delay_ms = 5000 })
    store:start("ready", "w")
  end)

  local function page(...)
    local arguments = { ... }
    local answer = store:unchanged(function() return store:say("in_flight", table.unpack(arguments)) end)
    local runs = {}
    for i = 3, #answer, 5 do runs[#runs + 1] = table.concat({ answer[i], answer[i + 1], answer[i + 2] }, " ") end
    return runs, answer
  end

  it("brings the runs that wait and that an attempt has begun, page by page", function()
    local runs, answer = page(0, 10, "")
    assert.same({ "r3 w waiting", "r2 other waiting", "r1 w waiting" }, runs)
    assert.same({ 4, bundle, tostring(redis.BEGIN) }, { answer[2], answer[6], answer[7] })
    assert.same({ "r3 w waiting" }, (page(0, 2, "")))
    assert.same({ "r2 other waiting", "r1 w waiting" }, (page(2, 2, "")))
  end)

  it("leaves out those of a bundle, and of other workflows than those asked for", function()
    assert.same({}, (page(0, 10, bundle)))
    assert.same({ "r2 other waiting" }, (page(0, 10, "", "other", "unknown")))
  end)

  it("brings runs of a workflow with a long id", function()
    local long = ("w"):rep(100)
    store:announce({ [long] = {} }, { ["long.lua"] = "return 1" })
    store:start("long", long)
    store.a:claim(2)
    store.a:turn("long", { "suspend", redis.BEGIN + 9000, "" })
    assert.same({ ("long %s waiting"):format(long) }, (page(0, 10, "", long)))
  end)

  it("leaves out a run whose record cannot be read", function()
    store:call("DEL", "r:r2")
    store:call("SET", "r:r2", "no hash")
    assert.same({ "r3 w waiting", "r1 w waiting" }, (page(0, 10, "")))
    store:call("DEL", "r:r2")
    store:call("ZREM", "delayed", "r2")
  end)

  it("brings those that are to try again", function()
    store.a:claim(1)
    store.a:turn("ready", { "retry", 100, '{"code":"error"}' })
    assert.same({ "r3 w waiting", "r2 other waiting", "r1 w waiting", "ready w retrying" }, (page(0, 10, "")))
  end)
end)
