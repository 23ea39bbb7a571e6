-- `weir delete`: runs and all below them.

local commands = require "spec.support.commands"

describe("weir delete", function()
  local answers, run

  before_each(function()
    local side = commands.new()
    answers, run = side.answers, side.run
  end)

  after_each(commands.unload)

  describe("delete", function()
    it("calls until all is gone, and takes nothing that was begun meanwhile", function()
      local said_to_delete = {}
      answers.delete = function(...)
        said_to_delete[#said_to_delete + 1] = table.concat({ ... }, " ")
        return { #said_to_delete < 3 and "deleting" or "deleted" }
      end
      assert.same({ 0, "", "" }, { run("delete", "r") })
      assert.same({ "r", "r resume", "r resume" }, said_to_delete)
    end)

    local function says(status, text, ...)
      local answer = { ... }
      it("says " .. text, function()
        answers.delete, answers.inspect = answer, { "missing" }
        assert.same({ status, "", "weir: " .. text .. "\n" }, { run("delete", "r/a") })
      end)
    end

    says(66, 'there is no run "r/a"; weir list shows the runs', "missing")
    says(1, "run r/a is waiting; it can be deleted when it has ended: weir cancel r/a, weir wait r/a", "live",
      "waiting")
    says(1, "a detached run below r/a still goes on; wait for it or cancel it: weir show r/a", "live_below")
    says(1, "run r/a is failed, and a retry of r would go on with it; delete the whole tree: weir delete r", "in_use",
      "failed")
    says(1, "run r has not taken the result of r/a; delete the whole tree: weir delete r", "in_use", "completed")

    it("goes through all, and the worst decides", function()
      answers.delete = function(id) return { id == "a" and "missing" or "deleted" } end
      assert.equal(66, (run("delete", "a", "b")))
      assert.equal(64, (run "delete"))
    end)
  end)
end)
