local redis = require "spec.support.redis"

describe("invoke", function()
  local store = redis.store()
  local a, b

  before_each(function()
    a, b = store.a, store.b
    store:start "p"
    a:claim(1)
  end)

  it("starts a child and records the operation", function()
    a:turn("p", redis.invoke { operation = "c", child = "p/c", data = "[1]", entry = "entry" })
    local child = store:run "p/c"
    assert.same({ "ready", "w", "[1]", "7" }, { child.state, child.workflow, child.data, child.seed })
    assert.equal("\t" .. redis.BEGIN .. "\tentry", store:run("p")["o:c"])
    assert.is_false(store:call("ZSCORE", "roots", "p/c"))
    assert.same({}, store:faults())
  end)

  it("gives the child its options", function()
    a:turn("p", redis.invoke {
      operation = "c", child = "p/c",
      options = { queue = "gpu", priority = 7, delay_ms = 100, retry = '{"attempts":1}' },
    })
    local child = store:run "p/c"
    assert.same({ "scheduled", "gpu", "7", '{"attempts":1}' },
      { child.state, child.queue, child.priority, child.retry })
    assert.equal(100, store:wake "p/c")
  end)

  it("delivers the child's outcome once, with its attempts", function()
    a:turn("p", redis.invoke { operation = "c", child = "p/c" }, redis.suspend)
    b:claim(1)
    b:turn("p/c", { "retry", 0, '{"code":"error"}' })
    store:say "promote"
    b:claim(1)
    b:turn("p/c", redis.complete '"done"')
    assert.equal(('c\tcompleted\t%d\t2\t"done"'):format(redis.BEGIN), store:run("p")["1"])
    assert.equal("1", store:run("p").last_number)
  end)

  it("delivers an outcome under the operation's name, and tells its generation when that is not the first", function()
    a:turn("p", redis.invoke { operation = "s:c", child = "p/s:c~3" }, redis.suspend)
    b:claim(1)
    b:turn("p/s:c~3", redis.complete())
    assert.same({ "warm p 1:s:c~3=completed" }, a:claim(1))
  end)

  it("refuses an unknown workflow with the outcome that the worker gave", function()
    local answer = a:turn("p",
      redis.invoke { operation = "c", child = "p/c", workflow = "no", unknown = '{"code":"u"}' })
    assert.equal("running 1:c=refused", answer)
    assert.is_nil(store:run "p/c")
  end)

  it("runs a child on its parent's bundle when no other has its workflow", function()
    a:turn("p", redis.invoke { operation = "c", child = "p/c", workflow = "no" })
    store:announce({ w = {} }, { ["new.lua"] = "" })
    assert.same({ "cold p/c" }, a:claim(1))
    assert.same({ store.bundle, store.bundle }, { store:run("p").bundle, store:run("p/c").bundle })
    assert.same({}, store:faults())
  end)

  it("refuses to go deeper than the limit, and prints the chain", function()
    a:turn("p", redis.invoke { operation = "c", child = "p/c", depth = 1 })
    a:claim(1)
    assert.equal("running 1:d=refused",
      a:turn("p/c", redis.invoke { operation = "d", child = "p/c/d", workflow = "x", depth = 1 }))
    assert.matches("deeper than 1 runs: w > w", store:run("p/c")["1"], 1, true)
    assert.is_nil(store:run "p/c/d")
  end)

  it("starts no child while a cancel is recorded that the worker was not told", function()
    store:say("cancel", "p", "by hand")
    local answer = a:turn("p", redis.invoke { operation = "c", child = "p/c" }, redis.suspend)
    assert.equal("running 1:cancelled 2:c=refused", answer)
    assert.is_nil(store:run "p/c")
    assert.matches('"code":"cancelled"', store:run("p")["2"], 1, true)
    assert.equal("suspended",
      a:turn("p", redis.invoke { operation = "undo", child = "p/undo" }, redis.suspend))
    assert.equal("ready", store:state "p/undo")
    assert.same({}, store:faults())
  end)

  it("starts a detached child and goes on: no operation gets its outcome", function()
    assert.equal("running 1:c=completed",
      a:turn("p", redis.invoke { operation = "c", child = "p/c", options = { detached = 1 } }))
    assert.equal(('c\tcompleted\t%d\t1\t"p\\/c"'):format(redis.BEGIN), store:run("p")["1"])
    a:turn("p", redis.complete())
    assert.same({}, store:faults())
    assert.same({ "cold p/c" }, b:claim(1))
    b:turn("p/c", redis.complete())
    assert.equal("1", store:run("p").last_number)
    assert.same({}, store:faults())
  end)

  it("takes a child that is there: its end is the outcome, now or later", function()
    store:start "p/c"
    b:claim(1)
    a:turn("p", redis.invoke { operation = "c", child = "p/c" }, redis.suspend)
    b:turn("p/c", redis.complete '"first"')
    assert.same({ "warm p 1:c=completed" }, a:claim(1))
    assert.equal("running 2:d=completed", a:turn("p", redis.invoke { operation = "d", child = "p/c" }))
    assert.equal(('d\tcompleted\t%d\t1\t"first"'):format(redis.BEGIN), store:run("p")["2"])
  end)

  describe("inlined", function()
    local function inlined(fields)
      fields.operation, fields.child, fields.result = "c", "p/c", '"r"'
      fields.bundle = fields.bundle or store.bundle
      return redis.invoke(fields)
    end

    it("writes a child that is born completed, and its outcome", function()
      assert.equal("running 1:c=completed", a:turn("p", inlined {}))
      local child = store:run "p/c"
      assert.same({ "completed", '"r"', store.bundle, tostring(redis.BEGIN) },
        { child.state, child.result, child.bundle, child.finished_at })
      assert.same({}, b:claim(5))
      assert.same({}, store:faults())
    end)

    it("happens once, however often it is sent", function()
      local group = a:turn_of("p", inlined {}, redis.suspend)
      a:ask(0, group)
      assert.equal("running 1:c=completed",
        redis.words(store:unchanged(function() return a:ask(0, group).groups[1] end)))
    end)

    it("keeps long values whole", function()
      local long = '"' .. ("x"):rep(100) .. '"'
      a:turn("p", redis.invoke {
        operation = "c", child = "p/c", bundle = store.bundle, data = long, result = long,
      })
      assert.same({ long, long }, { store:run("p/c").data, store:run("p/c").result })
    end)

    local function goes_the_long_way(fields)
      a:turn("p", inlined(fields or {}), redis.suspend)
      assert.equal("ready", store:state "p/c")
      assert.is_nil(store:run("p")["1"])
      assert.same({}, store:faults())
    end

    it("happens though something older is ready: it took no place in the queue", function()
      store:start "old"
      a:turn("p", inlined {}, redis.suspend)
      assert.same({ "completed", "ready" }, { store:state "p/c", store:state "old" })
    end)

    it("does not happen on code that is not the newest", function()
      store:announce({ w = {} }, { ["new.lua"] = "" })
      goes_the_long_way()
    end)

    it("does not happen in a queue that the worker does not serve", function()
      a.queues = { "gpu" }
      goes_the_long_way()
    end)

    it("does not happen on old code beside one on new code in the same call", function()
      local new = store:announce({ w = {} }, { ["new.lua"] = "" })
      local old = store.bundle
      store:start "q"
      a:claim(1)
      a:ask(0, a:turn_of("q",
        redis.invoke { operation = "c", child = "q/c", bundle = new, result = "1" }, redis.suspend),
        a:turn_of("p", redis.invoke { operation = "c", child = "p/c", bundle = old, result = "1" }))
      assert.same({ "completed", "ready" }, { store:state "q/c", store:state "p/c" })
    end)

    it("does not happen while a cancel is recorded that the worker was not told", function()
      store:say("cancel", "p", "by hand")
      a:turn("p", inlined {}, redis.suspend)
      assert.is_nil(store:run "p/c")
    end)
  end)

  describe("speculated", function()
    local AT = redis.BEGIN - 5
    local function speculate(number, count) return { "speculate", number, AT, count } end
    local function inlined(operation, bundle)
      return redis.invoke {
        operation = operation, child = "p/" .. operation, bundle = bundle or store.bundle, result = '"r"',
      }
    end

    it("is a sequence in one turn: the outcomes take the numbers that follow, at the instant told", function()
      assert.equal("suspended", (a:turn("p", speculate(0, 2), inlined "c", inlined "d", redis.suspend)))
      local run = store:run "p"
      assert.equal(('c\tcompleted\t%d\t1\t"r"'):format(AT), run["1"])
      assert.equal(('d\tcompleted\t%d\t1\t"r"'):format(AT), run["2"])
      assert.same({ "waiting", "completed", tostring(AT) },
        { run.state, store:state "p/d", store:run("p/d").finished_at })
      assert.same({}, store:faults())
    end)

    it("lets what is inlined behind that come as news", function()
      assert.equal("running 1:c=completed 2:d=completed",
        a:turn("p", speculate(0, 1), inlined "c", inlined "d", redis.suspend))
    end)

    local function is_stale(...)
      local group = a:turn_of("p", ...)
      assert.equal("conflict", redis.words(store:unchanged(function() return a:ask(0, group).groups[1] end)))
    end

    it("is stale when something else came first, and nothing is written", function()
      store:say("cancel", "p", "by hand")
      is_stale(speculate(0, 1), inlined "c", redis.suspend)
    end)

    it("is stale when the child would not be inlined", function()
      is_stale(speculate(0, 2), inlined "c", inlined("d", "0123456789abcdef"), redis.suspend)
      store:start "p/c"
      is_stale(speculate(0, 1), inlined "c", redis.suspend)
    end)

    it("is stale when an outcome of its own turn took the number", function()
      local entry = "step\tw.lua:1\t0\t1\t"
      is_stale(speculate(0, 1), { "resolve", "s", "completed", 1, "null", entry }, inlined "c", redis.suspend)
    end)

    it("leaves the other turns of its batch alone", function()
      store:start "q"
      a:claim(1)
      local answer = a:ask(0, a:turn_of("p", speculate(0, 1), inlined("c", "0123456789abcdef")),
        a:turn_of("q", redis.complete '"q"'))
      assert.same({ "conflict", "done" }, { redis.words(answer.groups[1]), redis.words(answer.groups[2]) })
      assert.equal("completed", store:state "q")
    end)
  end)
end)
