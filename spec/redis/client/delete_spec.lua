local redis = require "spec.support.redis"

describe("delete", function()
  local store = redis.store()
  local a

  before_each(function() a = store.a end)

  local function perform(id, ...)
    store:start(id)
    a:claim(1)
    a:turn(id, ...)
  end

  local function word(...) return redis.words(store:say(...)) end

  local function refuses(answer, id)
    assert.equal(answer, store:unchanged(function() return word("delete", id) end))
  end

  -- A completed root with n children that completed, each of which has `below` of its own.
  local function tree(id, n, below)
    local effects, children = {}, {}
    for i = 1, n do
      children[i] = id .. "/c" .. i
      effects[i] = redis.invoke { operation = "c" .. i, child = children[i] }
    end
    perform(id, table.unpack(effects))
    a:turn(id, redis.suspend)
    a:claim(n)
    for _, child in ipairs(children) do
      for i = 1, below or 0 do
        a:turn(child, redis.invoke { operation = "b" .. i, child = child .. "/b" .. i })
        store:say("cancel", child .. "/b" .. i, "by hand")
      end
      a:turn(child, redis.complete())
    end
  end

  -- Until it is done; how many calls that took.
  local function delete(id)
    for calls = 1, 1000 do
      local answer = word("delete", id, calls > 1 and "resume" or nil)
      if answer ~= "deleting" then
        assert.equal("deleted", answer)
        return calls
      end
    end
    error "it never ends"
  end

  local function runs_left()
    local names = {}
    for name in pairs(store:dump()) do
      if name:find "^[rvd]:" or name:find "^deleting" or name == "roots" or name == "failed" then
        names[#names + 1] = name
      end
    end
    table.sort(names)
    return names
  end

  it("removes an ended run and all below it", function()
    tree("r", 3, 2)
    a:claim(1)
    a:turn("r", redis.fail(('{"message":"%s"}'):format(("x"):rep(100))))
    assert.equal("deleted", word("delete", "r"))
    assert.same({}, runs_left())
    assert.equal("missing", word("delete", "r"))
  end)

  it("refuses a run that has not ended, and one that is not there", function()
    perform("r", redis.suspend)
    refuses("live waiting", "r")
    refuses("missing", "none")
  end)

  it("refuses while a detached descendant lives", function()
    perform("r", redis.invoke { operation = "d", child = "r/d", options = { detached = "1" } }, redis.complete())
    refuses("live_below", "r")
    a:claim(1)
    a:turn("r/d", redis.complete())
    assert.equal("deleted", word("delete", "r"))
    assert.same({}, runs_left())
  end)

  describe("of a child", function()
    before_each(function()
      perform("r", redis.invoke { operation = "a", child = "r/a" }, redis.suspend)
      a:claim(1)
    end)

    it("removes one whose parent has its result", function()
      a:turn("r/a", redis.complete())
      assert.equal("deleted", word("delete", "r/a"))
      assert.same({ "r:r", "roots" }, runs_left())
    end)

    it("refuses one that failed: a retry of its parent asks for it", function()
      a:turn("r/a", redis.fail())
      refuses("in_use failed", "r/a")
    end)

    it("refuses one that its parent had given up: a retry takes its result", function()
      store:say("cancel", "r", "by hand")
      a:claim(1)
      a:turn("r", { "resolve", "a", "timeout", 0, "{}", "" })
      a:turn("r/a", redis.complete())
      refuses("in_use completed", "r/a")
    end)

    it("removes one whose parent is gone", function()
      a:turn("r/a", redis.fail())
      store:call("DEL", "r:r")
      store:call("DEL", "unfinished")
      store:call("DEL", "attempts")
      assert.same({ "r/a: its parent is gone" }, store:faults())
      assert.equal("deleted", word("delete", "r/a"))
      assert.same({}, store:faults())
    end)
  end)

  it("finds the children of every generation", function()
    perform("r", redis.invoke { operation = "a", child = "r/a" }, redis.invoke { operation = "b", child = "r/b" },
      redis.complete())
    for _, id in ipairs { "r/a~2", "r/a~3", "r/b~2", "r/reset", "r/reset~2" } do
      store:call("HSET", "r:" .. id, "state", "completed", "workflow", "w")
    end
    store:call("HSET", "r:r", "c:a", 3, "c:b", 2, "x:reset", "2\trestart")
    for _, id in ipairs { "r/a", "r/b" } do store:say("cancel", id, "by hand") end
    delete "r"
    assert.same({}, runs_left())
  end)

  it("leaves alone what lives below, against all rules", function()
    tree("r", 2)
    a:claim(1)
    a:turn("r", redis.complete())
    store:call("HSET", "r:r/c1", "state", "running")
    delete "r"
    assert.equal("running", store:state "r/c1")
  end)

  describe("of a large tree", function()
    local N = 700 -- two fields each: its journal is a real hash, and takes several pages

    before_each(function()
      tree("r", N)
      a:claim(1)
      a:turn("r", redis.fail(('{"message":"%s"}'):format(("x"):rep(100))))
    end)

    it("goes step by step, and is out of sight from the first", function()
      assert.equal("deleting", word("delete", "r"))
      assert.is_nil(store:run "r")
      assert.equal(0, store:call("ZCARD", "roots"))
      assert.equal(0, store:call("ZCARD", "failed"))
      assert.same({}, store:faults())
      assert.is_true(delete "r" >= N // 200)
      assert.same({}, runs_left())
    end)

    it("takes no run that was begun under its id meanwhile", function()
      word("delete", "r")
      store:sweep()
      perform("r", redis.complete())
      assert.equal("deleted", store:unchanged(function() return word("delete", "r", "resume") end))
    end)

    it("is finished by any host", function()
      assert.equal("deleting", word("delete", "r"))
      store:sweep()
      assert.same({}, runs_left())
      assert.equal("missing", word("delete", "r"))
    end)

    it("is begun again under its id when it is gone, and not before", function()
      word("delete", "r")
      local calls, started = 0
      repeat
        started, calls = store:start "r", calls + 1
      until started ~= "deleting"
      assert.equal("started", started)
      assert.is_true(calls > 2)
      assert.same({ "r:r", "roots" }, runs_left())
      assert.equal("ready", store:state "r")
    end)

    it("goes on when one of it is asked for", function()
      word("delete", "r")
      assert.equal("deleting", word("delete", "r/c1"))
      store:sweep()
      assert.same({}, runs_left())
    end)
  end)

  it("does two of one batch, and the same twice, in that call", function()
    perform("r", redis.complete())
    perform("s", redis.complete())
    local groups = store.client:ask(0, { "delete", "r" }, { "delete", "r" }, { "delete", "s" },
      { "start", "s", "w", "{}", "7", "1", 0 }).groups
    local words = {}
    for i, answer in ipairs(groups) do words[i] = answer[1] end
    assert.same({ "deleted", "deleted", "deleted", "deleting" }, words)
    assert.same({}, runs_left())
  end)

  it("begins none of many under an id that is being deleted", function()
    tree("r", 300)
    a:claim(1)
    a:turn("r", redis.complete())
    word("delete", "r")
    assert.same({ "started", 1, 0, 0 },
      store:say("start_each", "w", "1", 0, "r", "{}", "7", "s", "{}", "7"))
    assert.is_nil(store:run "r")
  end)

  it("is no retry's business once it has begun", function()
    tree("r", 300)
    a:claim(1)
    a:turn("r", redis.complete())
    word("delete", "r")
    assert.equal("missing r/c1", word("retry", 1, "r/c1", 1, "all"))
  end)

  it("waits until those that share a run know how it ended", function()
    perform("r", redis.complete())
    store:call("HSET", "r:r", "waiters", "1", "has_rare", "1")
    refuses("in_use waiters", "r")
  end)

  it("refuses a child under an id that is being deleted", function()
    tree("r", 1, 300)
    word("delete", "r/c1")
    a:claim(1)
    a:turn("r", redis.invoke { operation = "c1", child = "r/c1" })
    local outcome
    for field, value in pairs(store:run "r") do
      if field:find "^%d+$" and value:find "refused" then outcome = value end
    end
    assert.truthy(outcome:find("duplicate_id", 1, true))
  end)
end)
