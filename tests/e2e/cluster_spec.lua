-- weir on a Redis Cluster of two nodes: a slot that is moved, or that is elsewhere, is a reason to wait.

local facts = require "tests.facts"
local support = require "tests.support"

local SLOT = 13907 -- of {0}

local a, b, host, look

local function id(node) return (node:call("CLUSTER", "MYID")) end

before_each(function()
  a, b = support.cluster_node(), support.cluster_node()
  assert.equal("OK", a:call("CLUSTER", "ADDSLOTSRANGE", 0, 16383))
  a:call("CLUSTER", "MEET", "127.0.0.1", b.port, b.bus_port)
  for _, node in ipairs { a, b } do
    support.wait_until("the nodes to know each other", function()
      local info = node:call("CLUSTER", "INFO")
      return info:find "cluster_state:ok" and info:find "cluster_known_nodes:2"
        and node:call("CLUSTER", "NODES"):find "0%-16383"
    end)
  end
  host = support.host_of({ ["naps.lua"] = [[
    return require("weir").workflow {
      id = "naps",
      run = function(ctx)
        for i = 1, 20 do ctx:sleep("5ms", { id = "nap-" .. i }) end
        return "rested"
      end,
    }]] }, { redis = a, flags = { "--workers", "2" } })
  look = facts.of(a)
end)

after_each(function()
  look:close()
  host:stop()
  a:stop()
  b:stop()
end)

local function says(text)
  support.wait_until("the host to say: " .. text, function() return host.process:stderr():find(text, 1, true) end)
end

local function command(redis, ...)
  local words = { ... }
  words[#words + 1] = { env = { WEIR_REDIS = redis.url } }
  return support.weir(table.unpack(words))
end

local function keys_of(node) return node:call("CLUSTER", "GETKEYSINSLOT", SLOT, 100000) end

-- Moves up to `count` keys of weir, as resharding does.
local function move(count)
  for key in (a:call("CLUSTER", "GETKEYSINSLOT", SLOT, count)):gmatch "[^\n]+" do
    assert.equal("OK", a:call("MIGRATE", "127.0.0.1", b.port, key, 0, 5000))
  end
end

describe("a Redis Cluster", function()
  it("that moves weir's slot runs no call meanwhile, and hosts go on at the new node", function()
    assert.equal("rested", host:weir("start", "naps", "--wait").stdout:match "rested")
    local begun = host:weir("start", "naps", "--id", "r", "--delay", "1s")
    assert.equal(0, begun.status, begun.stderr)

    b:call("CLUSTER", "SETSLOT", SLOT, "IMPORTING", id(a))
    a:call("CLUSTER", "SETSLOT", SLOT, "MIGRATING", id(b))
    says "ASK "
    says "the Redis Cluster is moving weir's keys to the node that the message names: wait until that is done"
    local before = keys_of(a)
    local refused = command(a, "start", "naps", "--id", "late")
    assert.equal(69, refused.status, refused.stderr)
    assert.matches("cannot serve just now: ASK %d+ [^\n]*; the Redis Cluster is moving weir's keys", refused.stderr)
    assert.equal(before, keys_of(a))
    assert.equal("", keys_of(b))

    -- a client or a proxy that follows the redirection, before and after half of the keys have been moved
    for _ = 1, 2 do
      local script = "return redis.call('HINCRBY', KEYS[1] .. 'meta', 'commit', 1)"
      local text = b:call_together({ "ASKING" }, { "EVAL", script, 2, look.key, look.key .. "none" })
      assert.matches("TRYAGAIN", text)
      move(3)
    end
    move(100000)
    for _, node in ipairs { b, a } do
      assert.equal("OK", node:call("CLUSTER", "SETSLOT", SLOT, "NODE", id(b)))
    end
    says(("MOVED %d 127.0.0.1:%d"):format(SLOT, b.port))
    says "give --redis the node that the message names"

    host:kill()
    host.redis, host.options.redis = b, b
    host:start()
    look:close()
    look = facts.of(b)
    local run = look:ended "r"
    assert.equal("completed", run.state)
    assert.equal("", look:faults()[1] or "")
  end)

  it("that is down is waited for", function()
    a:call("CLUSTER", "DELSLOTS", 1)
    says "CLUSTERDOWN "
    says "a node of the Redis Cluster is away, or slots have no node: see CLUSTER INFO"
    a:call("CLUSTER", "ADDSLOTS", 1)
    says "is back"
    assert.equal(0, host:weir("start", "naps", "--wait").status)
  end)
end)
