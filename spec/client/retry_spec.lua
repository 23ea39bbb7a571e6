-- `weir retry` of several runs in one call: what is asked of a run itself holds, whatever else is asked of it for the
-- sake of those below it, in whatever order they are named.

local driver = require "spec.support.driver"
local retry = require "weir.client.retry"
local redis = require "weir.client.redis"
local weir = require "weir"

describe("retry of a run whose workflow no host has any more", function()
  local was = { inspect = redis.inspect, call = redis.call, registry = redis.registry }

  after_each(function()
    for name, value in pairs(was) do redis[name] = value end
  end)

  it("says that the run waits, and what to do", function()
    local made = driver.new { workflows = { driver.workflow("gone", function() error "a bug" end) } }
    made:start("gone", {}, { id = "r" })
    made:finish()
    assert.equal("failed", made:state "r")
    local registry = {}
    function redis.inspect() return { r = made:read "r" } end
    function redis.call() return { { "retried" } } end
    function redis.registry() return registry end
    local function message() return retry.runs({ "r" }, {})[1].message end
    assert.matches('; it waits: no host has workflow "gone" any more; save its file again in the folder of a host, '
      .. "or end the run with weir cancel r$", message())
    registry = made.registry
    assert.is_nil(message():find "no host has")
  end)
end)

describe("retry of a run and of its child in one call", function()
  local was, made, done, broken = {}, nil, nil, nil

  local function step(ctx, id)
    ctx:step(id, function() done[ctx.run.id .. ":" .. id] = (done[ctx.run.id .. ":" .. id] or 0) + 1 end)
  end

  local child = driver.workflow("child", function(ctx)
    step(ctx, "a")
    if broken then error(weir.error { code = "boom", message = "it broke", retryable = false }) end
  end)

  local parent = driver.workflow("parent", function(ctx)
    step(ctx, "a")
    local c, d = ctx:spawn { id = "c", workflow = "child" }, ctx:spawn { id = "d", workflow = "child" }
    c:settle()
    d:settle()
    c:await()
  end)

  before_each(function()
    for name in pairs { inspect = true, call = true, registry = true } do was[name] = redis[name] end
    function redis.inspect(ids)
      local runs = {}
      for _, id in ipairs(ids) do runs[id] = made:read(id) end
      return runs
    end
    function redis.call(group)
      local chain = {}
      for i = 3, #group, 3 do chain[#chain + 1], chain[#chain + 2] = group[i], group[i + 2] end
      made:retry(table.unpack(chain))
      return { { "retried" } }
    end
    function redis.registry() return made.registry end
    done, broken = {}, true
    made = driver.new { workflows = { child, parent } }
    made:start("parent", {}, { id = "r" })
    made:finish("r")
    broken = false
  end)

  after_each(function()
    for name, value in pairs(was) do redis[name] = value end
  end)

  for _, ids in ipairs { { "r", "r/c" }, { "r/c", "r" } } do
    local function retried(options)
      for _, reply in ipairs(retry.runs(ids, options)) do assert.equal("retried", reply.answer) end
      assert.equal("completed", made:finish("r").state)
      return done
    end
    local named = table.concat(ids, " ")

    it("does all of both that failed: " .. named, function()
      assert.same({ ["r:a"] = 1, ["r/c:a"] = 1, ["r/d:a"] = 1 }, retried {})
      assert.equal("completed", made:state "r/d")
    end)

    it("does all from scratch: " .. named, function()
      assert.same({ ["r:a"] = 2, ["r/c:a"] = 1, ["r/d:a"] = 1, ["r/c~2:a"] = 1, ["r/d~2:a"] = 1 },
        retried { scratch = true })
      assert.equal("2", made.records.r.fields.generation)
    end)

    it("does all from an operation on: " .. named, function()
      assert.same({ ["r:a"] = 2, ["r/c:a"] = 1, ["r/d:a"] = 1, ["r/c~2:a"] = 1, ["r/d~2:a"] = 1 },
        retried { from = "a" })
    end)
  end
end)
