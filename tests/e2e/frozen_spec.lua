-- Connections that die without a word: the host notices, makes new ones, and its runs go on.

local facts = require "tests.facts"
local support = require "tests.support"
local system = require "system"

local redis, proxy, folder, host, store

before_each(function()
  local of_redis, port = support.free_port(), support.free_port()
  folder = support.folder()
  redis = support.redis { "--bind", "127.0.0.1", "--port", of_redis }
  proxy = support.process { "lua5.4", "tests/support/proxy.lua", port, of_redis, folder }
  local through = { url = ("redis://127.0.0.1:%d"):format(port) }
  support.wait_until("the proxy to carry", function()
    return support.weir("list", { env = { WEIR_REDIS = through.url } }).status == 0
  end)
  host = support.host({ "tests/fixtures/stories" }, { redis = through, flags = { "--workers", "1", "--node", "one" } })
  store = facts.of(redis)
end)

after_each(function()
  support.write(folder .. "/gate", "")
  host:stop()
  proxy:stop()
  store:close()
  redis:stop()
  support.remove(folder)
end)

-- How many connections are frozen now.
local function freeze(which)
  support.write(folder .. "/freeze.new", which)
  assert(os.rename(folder .. "/freeze.new", folder .. "/freeze"))
  return support.wait_until("the proxy to freeze", function()
    return tonumber(support.read(folder .. "/frozen") or "")
  end)
end

local function goes_on_after(which, least)
  store:start("before", "gated", { gate = folder .. "/gate" })
  store:becomes("before", "waiting")
  assert.is_true(freeze(which) >= least)
  support.write(folder .. "/gate", "")
  store:start("after", "gated", { gate = folder .. "/gate" })
  for _, id in ipairs { "before", "after" } do assert.equal("completed", store:ended(id).state) end
  assert.is_nil(host.process:status(), host.process:stderr())
  assert.same({}, store:faults())
end

describe("a host", function()
  it("whose worker has a silent connection goes on with another one", function() goes_on_after("workers", 1) end)

  it("that has only silent connections goes on with others", function() goes_on_after("all", 3) end)
end)

describe("Redis", function()
  it("that stands still for longer than any time limit is waited for", function()
    local other = support.host({ "tests/fixtures/stories" }, { redis = redis, flags = { "--workers", "1" } })
    finally(function() other:stop() end)
    store:start("r", "gated", { gate = folder .. "/gate" })
    store:becomes("r", "waiting")
    redis.process:signal "STOP"
    system.sleep(10)
    redis.process:signal "CONT"
    support.write(folder .. "/gate", "")
    assert.equal("completed", store:ended("r").state)
    for _, one in ipairs { host, other } do
      assert.is_nil(one.process:status(), one.process:stderr())
      assert.not_matches("took back", one.process:stderr())
    end
    assert.same({}, store:faults())
  end)
end)
