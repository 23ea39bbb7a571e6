-- A host replays runs in flight before changed files go live. Redis is stubbed;
-- tests/e2e/preflight_spec.lua has a real one.

local change = require "weir.preflight.change"
local driver = require "spec.support.driver"
local engine = require "weir.engine.run"
local redis = require "weir.client.redis"

describe("the preflight of a change", function()
  local was, made, looked_at = {}, nil, nil

  local function files(step, waits)
    return {
      ["w.lua"] = ([[local weir = require "weir"
        return weir.workflow { id = "w", run = function(ctx)
          ctx:step("%s", function() return 1 end)
          ctx:sleep "%s" end }]]):format(step, waits or "1d"),
      ["other.lua"] = 'return require "weir".workflow { id = "other", run = function(ctx) ctx:sleep "1d" end }',
    }
  end

  local function runs_in_flight()
    local page = {}
    for i, id in ipairs(made.order) do
      local record = made.records[id]
      page[i] = { id = id, workflow = record.workflow, state = record.state, bundle = "b1", created_at = i }
    end
    return page
  end

  before_each(function()
    for name in pairs { in_flight = true, records = true, sources = true } do was[name] = redis[name] end
    was.host, looked_at = engine.host, nil
    made = driver.new { files = files "a" }
    for i = 1, 3 do made:start("w", nil, { id = "r" .. i }) end
    made:start("other", nil, { id = "o" })
    made:settle()
    function redis.in_flight(_, workflows)
      local page = runs_in_flight()
      if workflows then looked_at = workflows end
      return function()
        local this = page
        page = nil
        return this, 4
      end
    end
    function redis.records(ids)
      local lists = {}
      for _, id in ipairs(ids) do lists[id] = made.flat_of(made.records[id]) end
      return lists, made.now
    end
    function redis.sources() return files "a" end
    engine.host = setmetatable({
      guard = function(_, _, call, ...) -- as the C host returns it
        local ok, value = pcall(call, ...)
        if ok then return true, value end
        return nil, "error", value
      end,
    }, { __index = made.host })
  end)

  after_each(function()
    engine.host = was.host
    for _, name in ipairs { "in_flight", "records", "sources" } do redis[name] = was[name] end
  end)

  local function look(now) return change.look({ now_ms = function() return 0 end }, "b2", files "a", now, 1, 1) end

  it("leaves the other journals out once it is stopped", function()
    local asked, replayed = 0, 0
    local guard = engine.host.guard
    function engine.host.guard(...)
      replayed = replayed + 1
      return guard(...)
    end
    change.look({ now_ms = function() return 0 end }, "b2", files "a", files("b"), 1, 1, function()
      asked = asked + 1
      return replayed >= 2 -- the first one loads the files
    end)
    assert.equal(2, replayed)
    assert.is_true(asked > 2)
  end)

  it("says nothing where no file changed", function()
    assert.same({ faults = 0 }, look(files "a"))
    assert.is_nil(looked_at)
  end)

  it("looks at runs of the workflows whose code changed", function()
    look(files("a", "2d"))
    assert.same({ "w" }, looked_at)
  end)

  it("counts the runs that would not go on, and tells of one", function()
    local found = look(files "b")
    assert.same({ 3, "w.lua:3" }, { found.faults, found.line })
    assert.matches("1 run would continue, 3 would mismatch at w.lua:3", found.text, 1, true)
    assert.matches('^run r%d: the journal holds operation "a"', found.first)
  end)

  it("does not count a failure that the code of today leads to as well", function()
    local found = look(files("a", 'no" error "again'))
    assert.equal(3, found.faults)
    function redis.sources() return files("a", 'no" error "again') end
    assert.equal(0, look(files("a", 'no" error "again')).faults)
  end)

  it("leaves files that do not load to the loader", function()
    local broken = files "a"
    broken["w.lua"] = "return {"
    assert.same({ faults = 0 }, look(broken))
  end)
end)
