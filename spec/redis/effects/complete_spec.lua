local redis = require "spec.support.redis"

describe("complete", function()
  local store = redis.store()
  local a, b

  before_each(function()
    a, b = store.a, store.b
    store:start "p"
    a:claim(1)
  end)

  it("ends the run with its result, and no worker owns it", function()
    store:pass(5)
    assert.equal("done", a:turn("p", redis.complete '"r"'))
    local run = store:run "p"
    assert.same({ "completed", '"r"', tostring(redis.BEGIN + 5), "" },
      { run.state, run.result, run.finished_at, run.owner })
    assert.same({}, store:call("SMEMBERS", "owned:" .. a.name))
    assert.same({}, store:faults())
  end)

  it("takes away the failure of the attempt before", function()
    a:turn("p", { "retry", 0, '{"code":"error"}' })
    store:say "promote"
    a:claim(1)
    a:turn("p", redis.complete())
    assert.is_nil(store:run("p").error)
  end)

  it("wakes its waiter, which stays where its coroutine is", function()
    a:turn("p", redis.invoke { operation = "c", child = "p/c" }, redis.suspend)
    b:claim(1)
    assert.equal("done", b:turn("p/c", redis.complete()))
    assert.same({ "ready", a.name }, { store:state "p", store:run("p").owner })
    assert.same({}, store:faults())
  end)

  it("records its outcome in a parent that backs off, which goes on backing off", function()
    a:turn("p", redis.invoke { operation = "c", child = "p/c" }, { "retry", 100, "{}" })
    b:claim(1)
    b:turn("p/c", redis.complete())
    assert.same({ "retrying", "1" }, { store:state "p", store:run("p").last_number })
    assert.equal(100, store:wake "p")
  end)

  it("comes after a cancel that was recorded first", function()
    store:say("cancel", "p", "by hand")
    assert.equal("running 1:cancelled", a:turn("p", redis.complete()))
    assert.equal("running", store:state "p")
  end)

  it("comes before a cancel that was recorded after it", function()
    a:turn("p", redis.complete())
    local answer = store:unchanged(function() return store:say("cancel", "p", "by hand") end)
    assert.same({ "ended", "completed" }, answer)
  end)

  local function time_out(operation)
    return { "resolve", operation, "timeout", 0, '{"code":"timeout"}', "" }
  end

  it("waits for children that were told to end, and is woken by the last", function()
    a:turn("p", redis.invoke { operation = "c", child = "p/c" }, redis.invoke { operation = "d", child = "p/d" })
    b:claim(2)
    a:turn("p", time_out "c", { "cancel", "p/c", "timed out", "" }, time_out "d", { "cancel", "p/d", "timed out", "" })
    a:turn("p", { "cancel", "p/d", "at once", "1" })
    assert.equal("2", store:run("p").cancel_pending)
    assert.equal("suspended", a:turn("p", redis.complete '"r"'))
    assert.same({}, store:faults())
    b.known["p/c"], b.known["p/d"] = 1, 2
    b:turn("p/d", { "fail", "cancelled", "{}", "" })
    assert.equal("waiting", store:state "p")
    b:turn("p/c", redis.fail())
    assert.same({ "warm p" }, a:claim(1))
    assert.equal("2", store:run("p").last_number)
    assert.equal("done", a:turn("p", redis.complete '"r"'))
    assert.same({ "completed" }, { store:state "p", store:run("p").cancel_pending })
    assert.same({}, store:faults())
  end)

  it("does not wait for children that were told to end before they began, or have ended", function()
    a:turn("p", redis.invoke { operation = "c", child = "p/c" }, redis.invoke { operation = "d", child = "p/d" })
    b:claim(1)
    b:turn("p/c", redis.complete())
    a:turn("p", { "cancel", "p/c", "no more", "" }, { "cancel", "p/d", "no more", "" }, { "cancel", "p/e", "none", "" })
    assert.equal("done", a:turn("p", redis.complete()))
  end)

  it("reads no more for many children that were told to end than for one", function()
    local many = 2000
    for i = 1, many do
      local path = "p/c" .. i
      a:turn("p", redis.invoke { operation = "c" .. i, child = path })
      b:claim(1)
      a:turn("p", time_out("c" .. i), { "cancel", path, "timed out", "" })
    end
    local function reads()
      local stats, count = store.redis:call("INFO", "commandstats"), 0
      for calls in stats:gmatch "cmdstat_hm?get:calls=(%d+)" do count = count + calls end
      return count
    end
    local before = reads()
    assert.equal("suspended", a:turn("p", redis.complete()))
    assert.truthy(reads() - before < 20, reads() - before)
  end)
end)
