-- `weir start`: what it sends, prints and refuses.

local commands = require "spec.support.commands"
local json = require "weir.json"

describe("weir start", function()
  local side, answers, client, run

  before_each(function()
    side = commands.new()
    answers, client, run = side.answers, side.client, side.run
  end)

  after_each(commands.unload)

  describe("start", function()
    local started

    before_each(function()
      started = nil
      answers.registry = { "registry", "process-order", json.encode {
        bundle = "9f2c", queue = "default", priority = 0, retain_ms = 604800000,
        schema = '{"type":"object","required":["id"],"properties":{"id":{"type":"string"},"n":{"type":"integer"}}}',
      } }
      answers.start = function(...)
        started = { ... }
        return { "started" }
      end
    end)

    it("sends the data as it is and prints the id", function()
      local status, out = run("start", "process-order", { id = "o1", data = ' {"n": 1, "id":"a"}\n' })
      assert.same({ 0, "o1\n" }, { status, out })
      assert.same({ "o1", "process-order", '{"n": 1, "id":"a"}' }, { table.unpack(started, 1, 3) })
    end)

    it("makes an id that says what it runs", function()
      local _, out = run("start", "process-order", { data = '{"id":"a"}' })
      assert.truthy(out:find("^process%-order%-%w%w%w%w%w%w%w%w%w%w%w%w\n$"))
    end)

    it("hands on what was asked for", function()
      local asked = { data = '{"id":"a"}', queue = "q", priority = -5, delay_ms = 10, tag = { "a=b=c" } }
      run("start", "process-order", asked)
      assert.same({ 4, "queue", "q", "priority", -5, "delay_ms", 10, "tags", '{"a":"b=c"}' },
        { table.unpack(started, 6) })
    end)

    it("names the nearest of the workflows that there are", function()
      local status, out, err = run("start", "proces-order")
      assert.same({ 66, "", 'weir: no workflow "proces-order"; did you mean "process-order"?\n' }, { status, out, err })
    end)

    it("starts any workflow when told so, and warns", function()
      local status, _, err = run("start", "unheard-of", { id = "x", any = true })
      assert.equal(0, status)
      assert.equal('weir: warning: no host knows workflow "unheard-of"; the run waits until one announces it\n', err)
    end)

    it("refuses bad data with every violation", function()
      local status, _, err = run("start", "process-order", { data = '{"n":"x"}' })
      assert.equal(64, status)
      assert.truthy(err:find("/id", 1, true))
      assert.truthy(err:find("/n", 1, true))
      assert.is_nil(started)
    end)

    it("refuses data that is not valid JSON, and ids that no run may have", function()
      local status, _, err = run("start", "process-order", { data = "{id:1}" })
      assert.equal(64, status)
      assert.truthy(err:find("^weir: %-%-data is not valid JSON: .*; quote it for the shell"))
      for _, id in ipairs { "a/b", "a~2", "", ("x"):rep(513), "a\nb" } do
        assert.equal(64, (run("start", "process-order", { data = '{"id":"a"}', id = id })))
      end
      assert.equal(64, (run("start", "process-order", { data = '{"id":"a"}', tag = { "novalue" } })))
    end)

    it("refuses data that a host which may run it does not accept", function()
      local function hosts(...)
        answers.hosts = { "hosts", "1", "wide", "101000", "2", 0, "*", "9f2c", "1000", "", "", "" }
        table.move({ ... }, 1, select("#", ...), #answers.hosts + 1, answers.hosts)
      end
      local data = ('{"id":"%s"}'):format(("x"):rep(200))
      hosts()
      assert.equal(0, (run("start", "process-order", { data = data })))
      hosts("2", "other-queue", "101000", "2", 0, "gpu", "9f2c", "100", "")
      assert.equal(0, (run("start", "process-order", { data = data })))
      hosts("2", "gone", "90000", "2", 0, "*", "9f2c", "100", "")
      assert.equal(0, (run("start", "process-order", { data = data })))
      hosts("2", "narrow", "101000", "2", 0, "gpu\tdefault", "9f2c", "100", "")
      started = nil
      local status, _, err = run("start", "process-order", { data = data })
      assert.same({ 64, "weir: payload_too_large: the data is larger than the 100 bytes that host narrow accepts "
        .. "(--max-payload)\n" }, { status, err })
      assert.is_nil(started)
    end)

    it("finds the same run again, when it was asked the same", function()
      answers.start = { "exists", "process-order", '{"n":5.0,"id":"a"}', "running" }
      assert.equal(0, (run("start", "process-order", { id = "o1", data = '{"id":"a","n":5}' })))
    end)

    it("asks again while what had its id is being deleted", function()
      local calls = 0
      answers.start = function()
        calls = calls + 1
        return { calls < 3 and "deleting" or "started" }
      end
      assert.equal(0, (run("start", "process-order", { id = "o1", data = '{"id":"a"}' })))
      assert.equal(3, calls)
    end)

    it("gives up when that takes too long", function()
      local now = 0
      client.now_ms = function()
        now = now + 1000
        return now
      end
      answers.start = { "deleting" }
      local status, _, err = run("start", "process-order", { id = "o1", data = '{"id":"a"}' })
      assert.equal(75, status)
      assert.equal("weir: the run that had the id o1 is still being deleted; start it again in a moment\n", err)
    end)

    it("refuses an id that another run has", function()
      answers.start = { "exists", "process-order", '{"id":"b"}', "running" }
      local status, _, err = run("start", "process-order", { id = "o1", data = '{"id":"a"}' })
      assert.equal(64, status)
      assert.truthy(err:find('duplicate_id: there is a run "o1" already, of other data', 1, true))
      answers.start = { "exists", "refund", '{"id":"a"}', "running" }
      status, _, err = run("start", "process-order", { id = "o1", data = '{"id":"a"}' })
      assert.equal(64, status)
      assert.truthy(err:find('another workflow, "refund"', 1, true))
    end)

    it("warns of a queue that no living host serves", function()
      answers.hosts = { "hosts", "1", "node", "90000", "2", 0, "*", "", "", "", "", "",
        "2", "other", "101000", "2", 0, "a\tb",
        "9f2c", "", "", "", "" }
      local status, _, err = run("start", "process-order", { data = '{"id":"a"}', queue = "gpu" })
      assert.equal(0, status)
      assert.truthy(err:find('warning: no host serves queue "gpu"', 1, true))
      side.said = {}
      assert.equal("", select(3, run("start", "process-order", { data = '{"id":"a"}', queue = "b" })))
    end)

    it("warns when no host is alive, but not of one whose beat is late", function()
      answers.hosts = { "hosts", "1", "node", "90000", "2", 0, "*", "9f2c", "", "", "", "" }
      local _, _, err = run("start", "process-order", { data = '{"id":"a"}' })
      assert.truthy(err:find("warning: no host is alive; the run waits until one is (weir serve DIR)", 1, true))
      side.said = {}
      answers.hosts = { "hosts", "1", "node", "99000", "2", 0, "*", "9f2c", "", "", "", "" }
      assert.equal("", select(3, run("start", "process-order", { data = '{"id":"a"}' })))
    end)
  end)
end)
