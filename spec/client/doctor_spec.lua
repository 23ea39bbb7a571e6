-- `weir doctor`: findings about hosts, queues and Redis.

local commands = require "spec.support.commands"

local FULL = commands.FULL

describe("weir doctor", function()
  local answers, client, full, run

  before_each(function()
    local side = commands.new()
    answers, client, full, run = side.answers, side.client, side.full, side.run
  end)

  after_each(commands.unload)

  describe("doctor", function()
    before_each(function() answers.audit = { "audit", "0", 3 } end)

    it("is silent when all is well", function()
      assert.same({ 0, "", "" }, { run "doctor" })
    end)

    it("says each fault once", function()
      local pages = { { "audit", "9", 2, "x: is lost" }, { "audit", "0", 1, "x: is lost", "y: is odd" } }
      answers.audit = function(cursor) return pages[cursor == "0" and 1 or 2] end
      assert.same({ 1, "x: is lost\ny: is odd\n" }, { table.unpack({ run "doctor" }, 1, 2) })
    end)

    it("looks at the settings of Redis", function()
      local settings = { appendonly = "no", ["maxmemory-policy"] = "allkeys-lru" }
      client.ask = function(word, _, name) return word == "CONFIG" and { name, settings[name] } or nil end
      local status, out = run "doctor"
      assert.equal(1, status)
      assert.truthy(out:find("config set appendonly yes", 1, true))
      assert.truthy(out:find("maxmemory-policy is allkeys-lru", 1, true))
    end)

    it("names the rights that the user of Redis lacks, with the command that grants them", function()
      answers.rights = { "rights", "ZCOUNT", "SCRIPT" }
      assert.same({ 1, "the user of Redis may not run ZCOUNT, SCRIPT; ACL SETUSER USER +zcount +script|load\n" },
        { table.unpack({ run "doctor" }, 1, 2) })
      client.ask = function(word) return word == "ACL" and "weir" or nil end
      assert.matches("ACL SETUSER weir +zcount", select(2, run "doctor"), 1, true)
    end)

    it("looks at what INFO tells where the settings are not told, and at the engine", function()
      local info = "aof_enabled:0\r\nmaxmemory_policy:allkeys-lfu\r\ndragonfly_version:df-v1.30.0\r\n"
      client.ask = function(word) return word == "INFO" and info or nil end
      local _, out = run "doctor"
      for _, text in ipairs { "appendonly is no", "maxmemory-policy is allkeys-lfu", "this is Dragonfly" } do
        assert.truthy(out:find(text, 1, true), out)
      end
    end)

    it("takes a policy that evicts no key without a TTL for safe", function()
      client.ask = function(word) return word == "INFO" and "maxmemory_policy:volatile-lru\r\n" or nil end
      assert.same({ 0, "", "" }, { run "doctor" })
    end)

    it("says that Redis is full, and does not take its hosts for dead", function()
      full()
      answers.hosts = { "hosts", "1", "node", "90000", "2", "3", "*", "", "", "", "", "" }
      assert.same({ 1, FULL .. "\n" }, { table.unpack({ run "doctor" }, 1, 2) })
    end)

    it("does not count what Redis does not", function()
      full(2 ^ 21)
      assert.same({ 0, "", "" }, { run "doctor" })
    end)
  end)
end)
