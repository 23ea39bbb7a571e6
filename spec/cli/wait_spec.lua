-- `weir wait`, and the waits of other commands.

local commands = require "spec.support.commands"
local json = require "weir.json"

describe("weir wait", function()
  local answers, client, fields, run

  before_each(function()
    local side = commands.new()
    answers, client, fields, run = side.answers, side.client, side.fields, side.run
  end)

  after_each(commands.unload)

  describe("wait", function()
    it("prints the result as it is stored, byte for byte", function()
      answers.watch = { "ended", "completed" }
      answers.inspect = fields { state = "completed", result = '{"b": 1,"a":[ ]}', finished_at = "95000" }
      assert.same({ 0, '{"b": 1,"a":[ ]}\n', "" }, { run("wait", "a") })
    end)

    it("tells why a run failed: the error, what caused it, where", function()
      answers.watch = { "ended", "failed" }
      answers.inspect = fields { state = "failed", finished_at = "95000", error = json.encode {
        code = "child_failed", message = "Child execution failed: declined", run = "a", operation = "pay",
        workflow = "payment", traceback = "order.lua:5: in function",
        cause = { code = "error", message = "declined", run = "a/pay", workflow = "payment", details = { reason = 7 } },
      } }
      local status, out, err = run("wait", "a")
      assert.same({ 1, "" }, { status, out })
      assert.equal([[
weir: run a failed: Child execution failed: declined
  child_failed in operation "pay" (payment) of a
    order.lua:5: in function
  caused by error: declined
    in a/pay (payment)
    details {"reason":7}
]], err)
    end)

    it("gives up in time", function()
      answers.watch = { "live", "waiting" }
      answers.status = { "status", { "state", "waiting", "workflow", "work", "created_at", "90000" } }
      local clock = 0
      client.now_ms = function() return clock end
      client.message = function(rest)
        clock = clock + rest
        return nil
      end
      local status, out, err = run("wait", "a", { timeout_ms = 3000 })
      assert.same({ 75, "" }, { status, out })
      assert.equal("weir: run a is still waiting after 3.00s; weir why a says what it waits for\n", err)
    end)

    it("looks again when the connection was lost", function()
      local looked = 0
      answers.watch = function()
        looked = looked + 1
        return { looked < 3 and "live" or "ended", "completed" }
      end
      answers.inspect = fields { state = "completed", result = "1" }
      assert.equal(0, (run("wait", "a")))
      assert.equal(3, looked)
    end)

    it("knows when there is no such run", function()
      answers.watch = { "missing" }
      local status, _, err = run("wait", "nope")
      assert.same({ 66, 'weir: there is no run "nope"; weir list shows the runs\n' }, { status, err })
    end)
  end)
end)
