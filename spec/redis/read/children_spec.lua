local redis = require "spec.support.redis"

describe("children", function()
  local store = redis.store()

  -- Pages until the end, each read without a change.
  local function children(id, count)
    local runs, pages, cursor = {}, 0, "0"
    repeat
      local answer = store:unchanged(function() return store:say("children", id, cursor, count) end)
      cursor, pages = answer[2], pages + 1
      for i = 3, #answer do runs[answer[i]] = true end
    until cursor == "0"
    return runs, pages
  end

  local function invoke(n)
    return redis.invoke { operation = "c" .. n, child = "p/c" .. n, entry = "invoke\t0\t1\twork.lua:3\tw\t" }
  end

  before_each(function()
    store:start "p"
    store.a:claim(1)
  end)

  it("are what a run invoked, ended or not, and nothing else that it did", function()
    store.a:turn("p", invoke(1), { "record", "s", "sleep\t0\t1\twork.lua:4\t\t" }, invoke(2), redis.suspend)
    store.b:claim(1)
    store.b:turn("p/c1", redis.complete())
    assert.same({ ["p/c1"] = true, ["p/c2"] = true }, (children("p", 100)))
    assert.same({}, (children("p/c1", 100)))
    assert.same({}, (children("none", 100)))
  end)

  it("are found where the entry is long", function()
    local entry = "invoke\t0\t1\twork.lua:3\tw\t" .. ('{"x":"%s"}'):format(("x"):rep(100))
    store.a:turn("p", redis.invoke { operation = "c", child = "p/c", entry = entry })
    assert.same({ ["p/c"] = true }, (children("p", 100)))
  end)

  it("are those of the latest generation", function()
    store.a:turn("p", redis.invoke { operation = "c", child = "p/c~3", entry = "invoke\t0\t1\twork.lua:3\tw\t" })
    assert.same({ ["p/c~3"] = true }, (children("p", 100)))
    local effects = {}
    for i = 1, 600 do effects[i] = invoke(i) end
    store.a:turn("p", table.unpack(effects))
    local found, pages = children("p", 100)
    assert.is_true(pages > 1)
    assert.is_true(found["p/c~3"])
    assert.is_nil(found["p/c"])
  end)

  it("come in pages where the journal is long", function()
    local effects = {}
    for i = 1, 1500 do effects[i] = invoke(i) end
    store.a:turn("p", table.unpack(effects))
    local found, pages = children("p", 200)
    for i = 1, 1500 do assert.is_true(found["p/c" .. i]) end
    assert.is_true(pages > 5)
  end)
end)
