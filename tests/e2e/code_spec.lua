-- Code that changes between two starts of a host: an attempt keeps its own, a new one gets the
-- newest, and what does not fit the journal is told so.

local facts = require "tests.facts"
local support = require "tests.support"

local redis, store, host, folder, gate

local WORKFLOW = [[
local weir = require "weir"
return weir.workflow {
  id = "changing",
  retry = { attempts = 100, delay = "10ms", backoff = "fixed", jitter = false },
  run = function(ctx, data)
    %s
  end,
}
]]

local UNTIL_OPEN = [[
while not ctx:step { run = function() return io.open(data.gate) ~= nil end } do ctx:sleep "5ms" end
]]

local function save(body) support.write(folder .. "/changing.lua", WORKFLOW:format(body)) end

-- The host goes on with a changed folder.
local function change_to(body)
  host:kill()
  save(body)
  host:start()
end

local function begin(body)
  save(body)
  host = support.host({ folder }, { redis = redis, flags = { "--node", "one", "--workers", "1" } })
  store:start("r", "changing", { gate = gate })
end

describe("changed code", function()
  before_each(function()
    redis, folder = support.redis(), support.folder()
    store, gate = facts.of(redis), folder .. "/gate"
  end)

  after_each(function()
    assert.same({}, store:faults())
    host:stop()
    store:close()
    redis:stop()
    support.remove(folder)
  end)

  it("is not seen by an attempt that began before", function()
    begin(UNTIL_OPEN .. 'return "old"')
    store:becomes("r", "waiting")
    change_to 'return "new"'
    support.write(gate, "")
    local run = store:ended "r"
    assert.same({ "completed", '"old"' }, { run.state, run.result })
    store:start("later", "changing")
    assert.equal('"new"', store:ended("later").result)
    assert.not_equal(run.bundle, store:run("later").bundle)
  end)

  it("is what the next attempt runs, on the journal of the last", function()
    local first = 'local value = ctx:step("first", function() return %d end)\n'
    begin(first:format(1) .. 'error "a bug"')
    support.wait_until("a second attempt", function() return store:run("r").attempt > 1 end)
    change_to(first:format(2) .. 'return { value, ctx:step("second", function() return 3 end) }')
    local run = store:ended "r"
    assert.same({ "completed", "[1,3]" }, { run.state, run.result })
  end)

  it("that asks for something else under an id is a mismatch, with both lines", function()
    begin 'ctx:step("charge", function() return 1 end)\n    error "a bug"'
    support.wait_until("a second attempt", function() return store:run("r").attempt > 1 end)
    change_to 'local x = 1\n    return ctx:invoke { id = "charge", workflow = "changing" }, x'
    local run = store:ended "r"
    assert.same({ "failed", "replay_mismatch" }, { run.state, run.error.code })
    assert.matches(
      '^operation "charge" was step at changing.lua:6 %(bundle %x+%), ' ..
      'now invoke of "changing" at changing.lua:7 %(bundle %x+%); safe are changes that keep', run.error.message)
    assert.is_nil(store:run "r/charge")
  end)
end)
