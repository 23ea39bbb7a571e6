-- Walks the lines of "Follow one run" in lua/weir/README.md: workflows/order.lua on a real host, held still at
-- each transition. The host serves only the queue the parent was put in, so its child stands in its own
-- queue until this test, as a worker of another host, claims and completes it.

local facts = require "tests.facts"
local json = require "weir.json"
local support = require "tests.support"

local PARENT, CHILD = "order-1", "order-1/validate"
local LEASE_MS <const> = 60000

-- The line of order.lua that stands before the one with this text.
local function line_before(mark)
  local n = 0
  for line in support.read("workflows/order.lua"):gmatch "([^\n]*)\n" do
    if line:find(mark, 1, true) then return ("order.lua:%d"):format(n) end
    n = n + 1
  end
end

describe("follow one run", function()
  local redis, host, look, worker

  -- A call as the worker of the other host makes it: the replies to its groups, and its claims.
  local function batch(capacity, verb, ...)
    local reply = look:call("EVALSHA", look.script, 2, look.key, look.key .. "none", worker or "",
      capacity, 1, "default", verb, select("#", ...), ...)
    assert.equal("ok", reply[1])
    return reply[4][1], reply[5]
  end

  local function operation(id)
    for _, each in ipairs(look:run(PARENT).operations) do
      if each.id == id then return each end
    end
  end

  lazy_setup(function()
    redis = support.redis()
    look = facts.of(redis)
    host = support.host({ "workflows" }, { redis = redis, flags = { "--queues", "front", "--workers", "1" } })
  end)

  lazy_teardown(function()
    look:close()
    host.process:signal "CONT" -- when it was left stopped by a failure
    host:stop()
    redis:stop()
  end)

  it("1 to 6: the invoke is in the journal, the child is ready, the parent waits", function()
    local start = host:weir("start", "process-order", "--id", PARENT, "--queue", "front",
      "--data", '{"order_id":"order-1","amount":5}')
    assert.same({ 0, PARENT .. "\n" }, { start.status, start.stdout }, start.stderr)
    look:becomes(PARENT, "waiting")

    local validate = operation "validate" -- 1 to 3: as it was called, and without an outcome
    assert.same({ "invoke", "validate-order", "running", CHILD, 0 },
      { validate.kind, validate.workflow, validate.state, validate.run, validate.after })
    assert.equal(line_before 'id = "validate"', validate.line)
    assert.is_nil(validate.number)

    local child = look:run(CHILD) -- 6: created in the call in which its parent suspended
    assert.same({ "ready", PARENT, "default" }, { child.state, child.parent, child.queue })
    assert.same({ order_id = "order-1" }, json.decode(child.data))
    assert.same({ CHILD }, look:call("ZRANGE", look.key .. "ready:default", 0, -1))
    assert.equal("inf", look:call("ZSCORE", look.key .. "delayed", PARENT))

    local owner = look:run(PARENT).owner -- 4, 5: its coroutine is kept
    assert.same({ PARENT }, look:call("SMEMBERS", look.key .. "owned:" .. owner))
  end)

  it("7: the child completes; its outcome is the parent's next, and the parent is ready", function()
    host.process:signal "STOP" -- or it would go on before the test can look
    local registered = batch(0, "register", "other", "boot", "namespace", "1", "1", "1", LEASE_MS, "", "16777216", "*")
    worker = registered[2] .. ".1"

    local _, claims = batch(1, "due")
    assert.same({ "cold", CHILD }, { claims[1][1], claims[1][2] })
    assert.equal("running", look:state(CHILD))
    assert.equal("waiting", look:state(PARENT))

    assert.same({ "done" }, (batch(0, "turn", CHILD, claims[1][3], 0, "complete", '{"valid":true}')))
    assert.equal("completed", look:state(CHILD))
    assert.equal("ready", look:state(PARENT))
    local validate = operation "validate"
    assert.same({ "completed", 1, { valid = true } },
      { validate.state, validate.number, json.decode(validate.result) })
  end)

  it("8: the parent is where only the worker that owns it finds it", function()
    local owner = look:run(PARENT).owner
    assert.not_equal(worker, owner)
    assert.same({ PARENT }, look:call("ZRANGE", look.key .. "ready:@" .. owner, 0, -1))
    local _, claims = batch(1, "due")
    assert.same({}, claims)
  end)

  it("9: ctx:invoke returns, in the coroutine that called it", function()
    local before = look:run(PARENT)
    host.process:signal "CONT"
    support.wait_until("the next operation", function() return operation "pay" end)
    look:becomes(PARENT, "waiting")
    local after = look:run(PARENT)
    assert.same({ before.owner, 1, before.started_at }, { after.owner, after.attempt, after.started_at })
    assert.equal(1, operation "pay".after) -- begun once outcome 1 was delivered

    local second = support.host({ "workflows" }, { redis = redis, flags = { "--queues", "default" } })
    finally(function() second:stop() end)
    local run = look:ended(PARENT)
    assert.equal("completed", run.state)
    assert.same({ status = "completed", order_id = "order-1", transaction_id = "txn-order-1" }, json.decode(run.result))
    assert.same({}, look:faults())
  end)
end)
