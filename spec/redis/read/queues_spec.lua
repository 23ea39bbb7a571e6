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
    for i = 2, #answer, 4 do seen[answer[i]] = answer[i + 1] .. " " .. answer[i + 2] end
    assert.same({ default = "1 q", ["?no"] = "1 r" }, seen)
  end)

  -- The ms after redis.BEGIN at which the first run of the queue became ready.
  local function since() return math.tointeger(tonumber(store:say("queues")[5])) - redis.BEGIN end

  it("say since when the first run is ready: its start", function()
    store:pass(70)
    store:start "p"
    store:pass(1000)
    assert.equal(70, since())
  end)

  it("say since when the first run is ready: its last outcome", function()
    store:start "p"
    store.a:claim(1)
    store.a:turn("p", redis.invoke { operation = "c", child = "p/c" }, redis.suspend)
    store.b:claim(1)
    store:pass(500)
    store.a:say("release", "p", store.a.turns.p)
    store.b:turn("p/c", redis.complete(("x"):rep(500)))
    store:pass(1000)
    assert.equal("ready", store:state "p")
    assert.equal(500, since())
  end)

  it("say since when the first run is ready: the end of a delay, a backoff, a retry", function()
    store:start("p", "w", { delay_ms = 200 })
    store:pass(300)
    store:worker(store.host .. ".0"):say "promote"
    store:pass(50)
    assert.equal(300, since())
    store.a:claim(1)
    store.a:turn("p", { "retry", 400, '{"code":"error"}' })
    store:pass(450)
    store:worker(store.host .. ".0"):say "promote"
    assert.equal(800, since())
    store.a:claim(1)
    store.a:turn("p", redis.fail())
    store:pass(100)
    assert.equal("retried", store:say("retry", 1, "p", store:run("p").turn, "all")[1])
    store:pass(7)
    assert.equal(900, since())
  end)

  it("do not stumble over a record that cannot be read", function()
    store:start "p"
    store:call("DEL", "r:p")
    store:call("SET", "r:p", "x")
    assert.same({ "queues", "default", 1, "p", "0" }, store:say "queues")
  end)
end)
