local redis = require "spec.support.redis"

describe("owned", function()
  local store = redis.store()
  local a, b

  before_each(function() a, b = store.a, store.b end)

  local function all(worker)
    local runs, cursor = {}, "0"
    repeat
      local answer = worker:say("owned", cursor)
      cursor = answer[2]
      table.move(answer, 3, #answer, #runs + 1, runs)
    until cursor == "0"
    table.sort(runs)
    return runs
  end

  it("names the runs that are running in this worker, not those it keeps warm", function()
    for _, id in ipairs { "p", "q", "r", "s" } do store:start(id) end
    a:claim(3)
    b:claim(1)
    a:turn("q", redis.suspend)
    store:unchanged(function()
      assert.same({ "p", "r" }, all(a))
      assert.same({ "s" }, all(b))
    end)
  end)

  it("names what a lost reply gave", function()
    store:start "p"
    store:batch(a.name, 1, {})
    assert.same({ "p" }, all(a))
    a:say("load", "p", "0")
    assert.equal("done", a:turn("p", redis.complete()))
    assert.same({}, all(a))
  end)

  it("names more than a page of them", function()
    for i = 1, 1500 do store:start("r" .. i) end
    store:batch(a.name, 2000, {})
    assert.equal(1500, #all(a))
  end)
end)
