-- Attempts and registry entries need the sources of a bundle; the last one that ends removes them.

local redis = require "spec.support.redis"

describe("the sources of a bundle", function()
  local store = redis.store()
  local old, a

  local function is_there(bundle) return store:call("EXISTS", "bundle:" .. bundle) == 1 end

  -- A run on `old`, and another bundle that is the newest.
  before_each(function()
    old, a = store.bundle, store.a
    store:start "p"
    a:claim(1)
    store:announce({ w = {} }, { ["new.lua"] = "" })
    assert.is_true(is_there(old))
  end)

  after_each(function() assert.same({}, store:faults()) end)

  it("go with the last attempt, in the same call", function()
    a:turn("p", redis.suspend)
    assert.is_true(is_there(old))
    store:say("cancel", "p", "by hand")
    a:claim(1)
    assert.is_true(is_there(old))
    a:turn("p", { "fail", "cancelled", "{}", "" })
    assert.is_false(is_there(old))
  end)

  it("stay while one of several runs", function()
    store:announce({ w = {} }, nil, { announce = true })
    store:start "q"
    a:claim(1)
    store:announce({ w = {} }, { ["new.lua"] = "" }, { announce = true })
    a:turn("p", redis.complete())
    assert.is_true(is_there(old))
    a:turn("q", redis.complete())
    assert.is_false(is_there(old))
  end)

  it("go when the next attempt is due, not before: a cancel ends the one that failed", function()
    a:turn("p", { "retry", 100, "{}" })
    assert.is_true(is_there(old))
    store:pass(100)
    store:say "promote"
    assert.is_false(is_there(old))
  end)

  it("are not brought back by a retry by hand, which runs the newest", function()
    a:turn("p", redis.fail())
    assert.is_false(is_there(old))
    store:say("retry", 1, "p", store:run("p").turn, "unhandled")
    assert.same({ "cold p" }, a:claim(1))
    assert.not_equal(old, store:run("p").bundle)
  end)

  it("stay through the death of a host", function()
    local other = store:worker(store:register "other" .. ".1")
    store:pass(2000)
    store:heartbeat(other.name:match "^%d+")
    store:pass(2000)
    store:heartbeat(other.name:match "^%d+")
    assert.same({ "cold p" }, other:claim(1))
    assert.is_true(is_there(old))
    other:turn("p", redis.complete())
    assert.is_false(is_there(old))
  end)

  describe("are counted", function()
    local function counts(name) return store:call("HGETALL", name) end

    it("from 0 while the registry names them, so that a run that is alone creates and deletes no field", function()
      a:turn("p", redis.complete())
      store:start "q"
      a:claim(1)
      local newest = store:run("q").bundle
      assert.same({ newest, "1" }, counts "attempts")
      assert.same({ "w", "1" }, counts "unfinished")
      a:turn("q", redis.complete())
      assert.same({ newest, "0" }, counts "attempts")
      assert.same({ "w", "0" }, counts "unfinished")
      assert.is_true(is_there(newest))
      store:announce({ w = {} }, { ["newer.lua"] = "" })
      assert.is_false(is_there(newest))
      assert.same({}, counts "attempts")
    end)

    it("from 0 again when they were too low", function()
      a:turn("p", redis.complete())
      store:start "q"
      a:claim(1)
      for _, name in ipairs { "attempts", "unfinished" } do store:call("DEL", name) end
      a:turn("q", redis.complete())
      assert.same({}, counts "attempts")
      assert.same({}, counts "unfinished")
    end)
  end)

  it("are found by a claim in the batch in which they would have gone", function()
    store:announce({ w = {} }, nil, { announce = true })
    store:start "q"
    a:ask(1, a:turn_of("p", redis.complete()))
    store:announce({ w = {} }, { ["new.lua"] = "" }, { announce = true })
    assert.same({ old, "running" }, { store:run("q").bundle, store:state "q" })
    assert.is_true(is_there(old))
  end)
end)
