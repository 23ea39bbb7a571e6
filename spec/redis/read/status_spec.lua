local redis = require "spec.support.redis"

describe("status", function()
  local store = redis.store()
  local a

  before_each(function() a = store.a end)

  local function status(id)
    local fields, list = {}, store:unchanged(function() return store:say("status", id) end)[2]
    for i = 1, #list, 2 do fields[list[i]] = list[i + 1] end
    return fields
  end

  it("says where a run stands in its queue", function()
    store:start "p"
    store:start "q"
    assert.same({ "ready", "0" }, { status("p").state, tostring(status("p").ahead) })
    assert.equal("1", tostring(status("q").ahead))
  end)

  it("says who holds a run, and until when", function()
    store:start "p"
    a:claim(1)
    local seen = status "p"
    assert.same({ "running", a.name, tostring(redis.BEGIN + redis.LEASE_MS) },
      { seen.state, seen.owner, seen.expires })
    store:call("ZREM", "leases", store.host)
    assert.is_nil(status("p").expires)
  end)

  it("says when a run will be woken, and nothing of the end of time", function()
    store:start "p"
    store:start "q"
    a:claim(2)
    a:turn("p", { "suspend", "", 100 })
    a:turn("q", redis.suspend)
    assert.equal(tostring(redis.BEGIN + 100), status("p").wake)
    assert.is_nil(status("q").wake)
  end)

  it("brings a long error, and leaves data and journal out", function()
    local long = ('{"code":"error","message":"%s"}'):format(("x"):rep(100))
    store:start "p"
    a:claim(1)
    a:turn("p", redis.fail(long))
    local seen = status "p"
    assert.equal(long, seen.error)
    assert.is_nil(seen.data)
  end)

  it("brings several runs, nothing for what is not there", function()
    store:start "p"
    local answer = store:say("status", "p", "none", "p")
    assert.same({ "status", {}, answer[2] }, { answer[1], answer[3], answer[4] })
  end)
end)
