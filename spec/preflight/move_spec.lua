-- `weir move`, as far as it is Lua: which runs it leaves, and why. Redis is stubbed.

local bulk = require "weir.client.bulk"
local driver = require "spec.support.driver"
local move = require "weir.preflight.move"
local redis = require "weir.client.redis"

describe("a move to the newest code", function()
  local was, made, asked, reply = {}, nil, nil, nil

  local function files(step)
    return { ["w.lua"] = ([[local weir = require "weir"
      return weir.workflow { id = "w", run = function(ctx)
        ctx:step("%s", function() return 1 end)
        ctx:sleep "1d" end }]]):format(step) }
  end

  before_each(function()
    for name in pairs { records = true, sources = true, registry = true, call = true, not_found = true } do
      was[name] = redis[name]
    end
    made, asked, reply = driver.new { files = files "a" }, {}, { "moved" }
    made:start("w", nil, { id = "r" })
    made:settle()
    function redis.records() return { r = made.flat_of(made.records.r) }, made.now end
    function redis.sources() return files "a" end
    function redis.registry() return { w = { bundle = "b2b2b2b2b2" } } end
    function redis.not_found(id) return "there is no run " .. id end
    function redis.call(...)
      local replies = {}
      for i, group in ipairs { ... } do asked[#asked + 1], replies[i] = table.concat(group, " "), reply end
      return replies
    end
  end)

  after_each(function()
    for name, value in pairs(was) do redis[name] = value end
  end)

  local function answers(...)
    local host = setmetatable({
      guard = function(_, _, call, ...)
        local ok, value = pcall(call, ...)
        if ok then return true, value end
        return nil, "error", value
      end,
    }, { __index = made.host })
    local told = {}
    for i, answer in ipairs(move.runs({ ... },
      { replay = { cpu_ms = 1, memory_bytes = 1, limits = made.limits, host = host } })) do
      told[i] = answer.answer .. ": " .. answer.message
    end
    return told
  end

  it("asks for the turn that was replayed, and for the bundle", function()
    assert.same({ "moved: run r goes on with bundle b2b2b2b2 when it resumes" }, answers "r")
    assert.same({ ("move r %s b2b2b2b2b2"):format(made.records.r.turn) }, asked)
  end)

  it("leaves a run that would not go on", function()
    function redis.sources() return files "b" end
    assert.matches('^mismatch: run r keeps its code: the journal holds operation "a"', answers("r")[1])
    assert.same({}, asked)
  end)

  it("leaves a run that is on the newest code, has ended, or is not there", function()
    function redis.registry() return { w = { bundle = "b1" } } end
    assert.same({ "there: run r is on the newest code already", "missing: there is no run x" }, answers("r", "x"))
    made:cancel "r"
    made:finish "r"
    assert.same({ "ended: run r has ended: it is cancelled" }, answers "r")
    assert.same({}, asked)
  end)

  it("leaves a run whose code cannot be looked at", function()
    function redis.sources() return { ["w.lua"] = "return {" } end
    assert.matches("^refused: run r: bundle b2b2b2b2 does not load here: w.lua:1: ", answers("r")[1])
    function redis.sources() return nil end
    assert.matches("its sources are gone$", answers("r")[1])
    function redis.registry() return {} end
    assert.same({ 'refused: run r: no host has workflow "w"' }, answers "r")
  end)

  it("looks again where Redis says that the run has changed, and gives up in the end", function()
    reply = { "changed" }
    assert.same({ "running: run r does not wait: try again when it does" }, answers "r")
    assert.equal(3, #asked)
  end)

  it("is an act for waiting runs, each by itself", function()
    assert.is_true(bulk.ACTS.move.fits "waiting")
    assert.is_false(bulk.ACTS.move.fits "failed")
    assert.same({ "a", "a/b" }, bulk.separate("move", { "a", "a/b" }))
  end)
end)
