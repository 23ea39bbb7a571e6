local json = require "weir.json"
local redis = require "spec.support.redis"

describe("deps and graph", function()
  local store = redis.store()
  local a

  -- The answer to node p/n when it reads these keys, as Lua values.
  local function read(...)
    a:turn("p/n", { "deps", "deps@1", "entry", select("#", ...), ... })
    return json.decode((store:run("p/n")["1"]:match "^deps@1\tcompleted\t%d+\t1\t(.*)$"))
  end

  before_each(function()
    a = store.a
    store:start "p"
    a:claim(1)
  end)

  local function begin_node()
    a:turn("p", redis.invoke { operation = "n", child = "p/n", options = { deps = "x\ty" } }, redis.suspend)
    a:claim(1)
  end

  it("keep the keys that a node depends on, also of one that is run at once", function()
    begin_node()
    assert.equal("x\ty", store:run("p/n").deps)
    a:turn("p/n", redis.complete())
    a:claim(1)
    local bundle = store:run("p").bundle
    a:turn("p", redis.invoke {
      operation = "f", child = "p/f", bundle = bundle, result = "1", options = { deps = ("key\t"):rep(30) },
    }, redis.invoke { operation = "e", child = "p/e", bundle = bundle, result = "1", options = { deps = "" } })
    local inlined = store:run "p/f"
    assert.same({ "completed", ("key\t"):rep(30) }, { inlined.state, inlined.deps })
    assert.equal("", store:run("p/e").deps)
    assert.same({}, store:faults())
  end)

  it("read what became of each, in the order asked for, texts as they are", function()
    a:turn("p", { "resolve", "x", "completed", 1, '{"n":1.0}', "entry" },
      { "resolve", "y", "timeout", 0, '{"code":"timeout"}', "entry" }, { "record", "z", "entry" })
    begin_node()
    a:turn("p/n", { "deps", "deps@1", "entry", 4, "y", "x", "z", "none" })
    local number, outcome = store:run("p/n")["o:deps@1"], store:run("p/n")["1"]
    assert.equal("1\t" .. redis.BEGIN .. "\tentry", number)
    assert.equal(('deps@1\tcompleted\t%d\t1\t[{"ok":false,"error":{"code":"timeout"}},{"ok":true,"value":{"n":1.0}},'
      .. '{"ok":false},{"ok":false}]'):format(redis.BEGIN), outcome)
    assert.same({}, store:faults())
  end)

  it("read values that stand apart", function()
    local long = ("x"):rep(1000)
    a:turn("p", { "resolve", "x", "completed", 1, json.encode(long), "entry" })
    begin_node()
    assert.same({ { ok = true, value = long } }, read "x")
  end)

  it("end the list where a MiB is passed, one at least", function()
    local long = json.encode(("x"):rep(700 * 1024))
    for _, key in ipairs { "x", "y" } do a:turn("p", { "resolve", key, "completed", 1, long, "entry" }) end
    a:turn("p", { "resolve", "z", "completed", 1, "1", "entry" },
      { "resolve", "huge", "completed", 1, json.encode(("x"):rep(2 * 1024 * 1024)), "entry" })
    begin_node()
    assert.equal(1, #read("x", "y", "z"))
    a:turn("p/n", { "deps", "deps@2", "entry", 2, "huge", "z" })
    assert.matches('^deps@2\tcompleted\t%d+\t1\t%[{"ok":true,"value":"x+"}%]$', store:run("p/n")["2"])
  end)

  it("are one outcome when sent again", function()
    begin_node()
    local effect = { "deps", "deps#x", "entry", 1, "x" }
    local answer = a:turn("p/n", effect)
    assert.equal("running 1:deps#x=completed", answer)
    a.turns["p/n"], a.known["p/n"] = a.turns["p/n"] - 1, 0
    assert.equal(answer, a:turn("p/n", effect))
    assert.equal("1", store:run("p/n").last_number)
  end)

  it("keep the shape of a graph", function()
    local shape = '{"nodes":[{"key":"a","workflow":"w"}]}' .. (" "):rep(100)
    a:turn("p", { "graph", shape }, redis.suspend)
    assert.equal(shape, store:run("p").graph)
  end)
end)
