-- Bad workflows: each ends with an error that says what was wrong, and a run beside it, which was
-- under way all the time, takes no notice.

local facts = require "tests.facts"
local json = require "weir.json"
local support = require "tests.support"

local host, store, folder
local last = 0

-- A loop is interrupted by a signal. ThreadSanitizer keeps it back until the thread next calls
-- something that it watches, which a loop in Lua never does.
local interrupts = not support.build:find "tsan"

-- Runs a workflow to its end, with a neighbour.
local function perform(workflow, data)
  last = last + 1
  local gate = ("%s/gate-%d"):format(folder, last)
  local run, neighbour = "run-" .. last, "neighbour-" .. last
  store:start(neighbour, "gated", { gate = gate })
  store:becomes(neighbour, "waiting")
  store:start(run, workflow, data)
  local ended = store:ended(run)
  support.write(gate, "")
  assert.equal('"through"', store:ended(neighbour).result)
  assert.is_nil(host.process:status())
  assert.same({}, store:faults())
  return ended
end

local function fails(code, message, workflow, data)
  local run = perform(workflow, data)
  assert.equal("failed", run.state)
  assert.equal(code, run.error.code, run.error.message)
  assert.matches(message, run.error.message)
  assert.equal(1, run.attempt, "it is not tried again")
  return run
end

describe("a workflow", function()
  lazy_setup(function()
    folder = support.folder()
    host = support.host({ "tests/fixtures/stories" }, {
      flags = {
        "--workers", "2", "--max-cpu", "150ms", "--max-memory", "8MiB", "--max-payload", "64KiB",
        "--max-depth", "5",
      },
    })
    store = facts.of(host.redis)
  end)

  lazy_teardown(function()
    store:close()
    host:stop()
    support.remove(folder)
  end)

  if interrupts then
    it("with an endless loop is blocked, and told where", function()
      fails("blocked", "^stories.lua:%d+: Lua ran for 0.15s without waiting", "endless")
    end)
  end

  it("that eats memory is stopped", function()
    fails("memory", "more than 8 MiB", "glutton")
  end)

  it("may not return what is too large", function()
    fails("payload_too_large", "^the result has 70002 bytes", "voluble", { as = "result", bytes = 70000 })
  end)

  it("may not get from a step what is too large", function()
    fails("payload_too_large", "step", "voluble", { as = "step", bytes = 70000 })
  end)

  it("may not send what is too large", function()
    fails("payload_too_large", "child", "voluble", { as = "data", bytes = 70000 })
  end)

  it("may send what is just not too large", function()
    assert.equal("completed", perform("voluble", { as = "data", bytes = 65000 }).state)
  end)

  it("that invokes itself without end is told the chain", function()
    local run = perform "deep"
    assert.equal("failed", run.state)
    local cause = run.error
    while cause.cause do cause = cause.cause end
    assert.equal("too_deep", cause.code)
    assert.matches("deep > deep > deep", cause.message, 1, true)
    assert.is_not_nil(store:run(run.id .. ("/deeper"):rep(5)))
    assert.is_nil(store:run(run.id .. ("/deeper"):rep(6)))
  end)

  it("below another ends with an error that its parent can catch", function()
    local suspects = { "glutton", "deep", interrupts and "endless" or nil }
    local run = perform("jury", { suspects = suspects })
    local codes = { "memory", "child_failed", interrupts and "blocked" or nil }
    assert.same(codes, json.decode(run.result))
  end)
end)
