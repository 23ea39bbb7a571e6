-- How long runs stay after they ended, and how they go: on the real binary, a real host and a real Redis.

local support = require "tests.support"

local WORKFLOWS = [[
local weir = require "weir"

-- Reads what cannot be known in a replay, so that it is a run of its own.
local function brief(ctx) return ctx:step("work", function() return 1 end) end

local short = weir.workflow { id = "short", retain = "1s", run = brief }
local large = weir.workflow {
  id = "large", retain = "2s",
  run = function(ctx) return ctx:step("work", function() return ("x"):rep(900000) end) end,
}
local failing = weir.workflow { id = "failing", retain = "1s", run = function() error(weir.fatal "no luck") end }
local slow = weir.workflow { id = "slow", retain = "1s", run = function(ctx, data) ctx:sleep(data.nap) end }

local parent = weir.workflow {
  id = "parent", retain = "1s",
  run = function(ctx, data)
    ctx:invoke { id = "short", workflow = "short" }
    ctx:spawn { id = "failing", workflow = "failing" }:settle()
    ctx:sleep(data.nap)
  end,
}

local detaching = weir.workflow {
  id = "detaching", retain = "1s",
  run = function(ctx, data) return ctx:invoke { id = "d", workflow = "slow", data = data, detached = true } end,
}

local abandoning = weir.workflow {
  id = "abandoning", retain = "1s",
  run = function(ctx, data)
    ctx:spawn { id = "a", workflow = "slow", data = data, timeout = "50ms", on_timeout = "abandon" }:settle()
  end,
}

local fan = weir.workflow {
  id = "fan", retain = "1h",
  run = function(ctx, data)
    local all = {}
    for i = 1, data.n do all[i] = ctx:spawn { id = "c" .. i, workflow = data.workflow } end
    ctx:all(all)
  end,
}

return { short, large, failing, slow, parent, detaching, abandoning, fan }
]]

describe("retention", function()
  local host

  setup(function() host = support.host_of { ["work.lua"] = WORKFLOWS } end)

  teardown(function() host:stop() end)

  local function good(...)
    local reply = host:weir(...)
    assert.equal(0, reply.status, reply.stderr)
    return reply.stdout
  end

  local function exists(id) return host.redis:call("EXISTS", "weir:{0}:r:" .. id) == "1" end

  local function is_gone(id)
    support.wait_until(id .. " to be gone", function() return not exists(id) end)
  end

  local STAYS = {
    registry = 1, bundle = 1, bundles = 1, announced = 1, serves = 1, attempts = 1, unfinished = 1,
    host = 1, leases = 1, nodes = 1, idle = 1, queues = 1, meta = 1, tally = 1, epochs = 1, folders = 1,
  }

  -- Keys but for those that stay, and the notes of when runs go: those of runs deleted by hand go with the others.
  local function runs_left()
    local left = {}
    for key in host.redis:call("KEYS", "*"):gmatch "[^\n]+" do
      local name = key:match "^weir:{0}:(%a+)"
      if not STAYS[name] and name ~= "expiry" then left[#left + 1] = key end
    end
    table.sort(left)
    return left
  end

  it("ends when its workflow says so", function()
    good("start", "short", "--id", "r", "--wait")
    is_gone "r"
    assert.equal(66, host:weir("show", "r").status)
    assert.equal("", good "list")
  end)

  describe("in a Redis that is full", function()
    local function used() return tonumber(host.redis:call("INFO", "memory"):match "used_memory:(%d+)") end

    before_each(function()
      for i = 1, 10 do good("start", "large", "--id", "large-" .. i, "--wait") end
      good("start", "slow", "--id", "napper", "--data", '{"nap":"500ms"}') -- it is due meanwhile
    end)

    local function fill()
      host.redis:call("CONFIG", "SET", "maxmemory", used() - 4500000)
      assert.matches("^OOM", host.redis:call("SET", "more", 1))
    end

    after_each(function() host.redis:call("CONFIG", "SET", "maxmemory", 0) end)

    it("makes room", function()
      fill()
      good("start", "short", "--id", "after", "--wait") -- it waits for memory a while
      is_gone "large-10"
      is_gone "napper"
      -- On a busy machine all may be gone before the host writes anything else.
      support.wait_until("the host to say that all is well, if it was refused", function()
        local log = host.process:stderr()
        return not log:find("OOM command not allowed", 1, true) or log:find("is back", 1, true)
      end)
      assert.equal("", good "doctor")
    end)

    it("makes room for a host that begins", function()
      host:kill()
      fill()
      host:start()
      is_gone "large-10"
      is_gone "napper"
      good("start", "short", "--id", "after", "--wait")
    end)
  end)

  it("is a completed child's own, and its root's for a failed one", function()
    good("start", "parent", "--id", "p", "--data", '{"nap":"1h"}')
    host:wait_for("p/failing", "failed")
    is_gone "p/short"
    assert.equal("failed", host:run("p/failing").state)
    assert.equal("completed", host:run("p").operations[1].state)
    good("doctor")
    good("cancel", "p")
    is_gone "p"
    assert.is_false(exists "p/failing")
  end)

  for workflow, child in pairs { detaching = "d", abandoning = "a" } do
    it("does not end while something below lives: " .. workflow, function()
      local live = workflow .. "/" .. child
      good("start", workflow, "--id", workflow, "--data", '{"nap":"1h"}', "--wait")
      good("start", "short", "--id", "later", "--wait") -- it goes after that one would have
      is_gone "later"
      assert.equal("completed", host:run(workflow).state)
      local reply = host:weir("delete", workflow)
      assert.equal(1, reply.status)
      assert.truthy(reply.stderr:find("a detached run below", 1, true))
      assert.equal(1, host:weir("delete", live).status)
      good("cancel", live)
      is_gone(workflow)
      assert.is_false(exists(live))
    end)
  end

  it("leaves nothing", function()
    support.wait_until("the last to go", function()
      return #runs_left() == 0 and host.redis:call("EXISTS", "weir:{0}:expiry") == "0"
    end)
    assert.equal("", host.redis:call("KEYS", "weir:{0}:expiry*"))
    assert.equal("", good "doctor")
  end)

  describe("delete", function()
    local function script_calls()
      return tonumber(host.redis:call("INFO", "commandstats"):match "cmdstat_evalsha:calls=(%d+)")
    end

    it("takes a tree of many children away in short calls", function()
      good("start", "fan", "--id", "big", "--data", '{"n":2000,"workflow":"failing"}')
      host:wait_for("big", "failed")
      assert.equal(1, host:weir("delete", "big/c1").status)
      local before = script_calls()
      good("delete", "big")
      assert.same({}, runs_left())
      assert.is_true(script_calls() - before >= 2000 // 100) -- no more than 100 runs in one
    end)

    it("lets the same id begin anew at once, with nothing of the old tree", function()
      good("start", "fan", "--id", "again", "--data", '{"n":2000,"workflow":"short"}', "--wait")
      good("delete", "again")
      good("start", "fan", "--id", "again", "--data", '{"n":1,"workflow":"slow","nap":0}')
      support.wait_until("its child", function() return exists "again/c1" end)
      assert.equal("slow", host:run("again/c1").workflow)
      assert.is_false(exists "again/c2")
      assert.equal(1, #host:run("again").operations)
      host:wait_for("again", "failed") -- the child's nap is nil
      good("delete", "again")
      assert.equal("", good "doctor")
    end)

    it("refuses what has not ended", function()
      good("start", "slow", "--id", "s", "--data", '{"nap":"1h"}')
      host:wait_for("s", "waiting")
      local reply = host:weir("delete", "s", "none")
      assert.equal(66, reply.status)
      assert.truthy(reply.stderr:find("weir: run s is waiting; it can be deleted when it has ended: weir cancel s, "
        .. "weir wait s\n", 1, true))
      assert.truthy(reply.stderr:find('weir: there is no run "none"; weir list shows the runs\n', 1, true))
      good("cancel", "s")
      is_gone "s"
    end)
  end)

  it("is told by stats", function()
    good("start", "fan", "--id", "kept", "--data", '{"n":0,"workflow":"short"}', "--wait")
    assert.truthy(good("stats"):find(
      "retained   at most %d+ ended runs to expire, %d+ due now, 0 trees being deleted"))
    good("delete", "kept")
  end)
end)
