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

-- A sanitizer makes Lua several times slower, and keeps memory that was freed.
local is_sanitized = support.build:find "[at]san" ~= nil
local MAX_CPU = is_sanitized and "2s" or "150ms"

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
        "--workers", "2", "--max-cpu", MAX_CPU, "--max-memory", "8MiB", "--max-payload", "64KiB",
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
      fails("cpu_limit", "^stories.lua:%d+: Lua ran for [%d.]+s without waiting", "endless")
    end)
  end

  it("that eats memory is stopped", function()
    fails("memory_limit", "more than 8 MiB", "glutton")
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
    local codes = { "memory_limit", "child_failed", interrupts and "cpu_limit" or nil }
    assert.same(codes, json.decode(run.result))
  end)
end)

describe("data of 20 MiB", function()
  local place, data

  lazy_setup(function()
    place = support.folder()
    support.write(place .. "/measure.lua", [[
      local weir = require "weir"
      return { weir.workflow { id = "measure", run = function(_, text) return #text end } }
    ]])
    data = place .. "/data.json"
    support.write(data, ('"%s"'):format(("x"):rep(20 * 1024 * 1024)))
  end)

  lazy_teardown(function() support.remove(place) end)

  it("is refused by weir run before it starts, and goes through with a larger limit", function()
    local refused = support.weir("run", "measure", "--dir", place, "--data", "@" .. data)
    assert.same({ 64, "" }, { refused.status, refused.stdout })
    assert.matches("payload_too_large: the data is larger than the 16777216 bytes that host [^\n]+ accepts",
      refused.stderr)
    local ran = support.weir("run", "measure", "--dir", place, "--data", "@" .. data, "--max-payload", "64MiB")
    assert.same({ 0, "20971520\n" }, { ran.status, ran.stdout }, ran.stderr)
  end)

  it("is refused by weir start where one of the hosts of its queue does not accept it", function()
    local wide = support.host({ place }, { flags = { "--node", "wide", "--max-payload", "64MiB" } })
    local narrow
    finally(function()
      if narrow then narrow:stop() end
      wide:stop()
    end)
    assert.equal("20971520\n", wide:weir("start", "measure", "--wait", "--data", "@" .. data).stdout)
    narrow = support.host({ place }, { redis = wide.redis, flags = { "--node", "narrow" } })
    local refused = wide:weir("start", "measure", "--wait", "--data", "@" .. data)
    assert.equal(64, refused.status)
    assert.matches("that host narrow accepts", refused.stderr, 1, true)
  end)
end)

describe("a host", function()
  local COUNT, LIMIT_MIB = 20, 50

  -- Of its process, in MiB.
  local function resident(hoarder)
    local status = support.read(("/proc/%d/status"):format(hoarder.process.pid))
    return tonumber(status:match "VmRSS:%s+(%d+) kB") / 1024
  end

  local measures = is_sanitized and pending or it
  measures("keeps waiting runs in memory up to a limit, and gives back what it had", function()
    local hoarder = support.host({ "tests/fixtures/stories" }, {
      flags = { "--workers", "2", "--warm-memory", LIMIT_MIB .. "MiB" },
    })
    local runs, place = facts.of(hoarder.redis), support.folder()
    finally(function()
      runs:close()
      hoarder:stop()
      support.remove(place)
    end)
    for i = 1, COUNT do runs:start("h" .. i, "hoards", { gate = place .. "/gate" }) end
    for i = 1, COUNT do
      support.wait_until("it to wait", function() return next(runs:outcomes("h" .. i)) end)
    end
    -- Beside what is kept: the run that each worker is in, and what is to be collected.
    support.wait_until("memory to be given back", function() return resident(hoarder) < 5 * LIMIT_MIB end)
    support.write(place .. "/gate", "")
    for i = 1, COUNT do assert.equal("150000", runs:ended("h" .. i).result) end
    support.wait_until("all of it to be", function() return resident(hoarder) < 2 * LIMIT_MIB end)
    assert.same({}, runs:faults())
  end)
end)
