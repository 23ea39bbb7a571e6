-- `weir list`: tables and JSON.

local commands = require "spec.support.commands"

describe("weir list", function()
  local answers, run

  before_each(function()
    local side = commands.new()
    answers, run = side.answers, side.run
  end)

  after_each(commands.unload)

  describe("list", function()
    before_each(function()
      answers.list = function(set, before)
        if before ~= "" then return { "list" } end
        return set == "failed" and { "list", "3", "c/x" } or { "list", "2", "b", "1", "a" }
      end
      answers.status = function(...)
        local reply = { "status" }
        for _, id in ipairs { ... } do
          reply[#reply + 1] = id == "gone" and {} or {
            "state", id == "a" and "completed" or id == "b" and "waiting" or "failed", "workflow", "work",
            "created_at", "90000", "started_at", "90001",
            "progress", id ~= "c/x" and '{"done":1,"total":2,"status":"busy"}' or "broken",
            "finished_at", id ~= "b" and "90010" or nil,
            id == "c/x" and "error" or nil, id == "c/x" and '{"message":"outer","cause":{"message":"no luck"}}' or nil,
          }
        end
        return reply
      end
    end)

    it("stands newest first, under its heads", function()
      local _, out = run("list", { limit = 50 })
      local lines = {}
      for line in out:gmatch("[^\n]+") do lines[#lines + 1] = line end
      assert.truthy(lines[1]:find("^STATE%s+RUN%s+WORKFLOW"))
      assert.truthy(lines[2]:find("^waiting%s+b%s+work%s+10.0s ago.-  busy; 1 of 2 %(50%%%)$"))
      assert.truthy(lines[3]:find("^completed%s+a%s+work%s+10.0s ago%s+9ms$"))
    end)

    it("knows states, and what made failed runs fail", function()
      local _, out = run("list", { limit = 50, state = "failed" })
      assert.truthy(out:find("failed%s+c/x%s.*no luck"))
      local status, _, err = run("list", { limit = 50, state = "faild" })
      assert.same({ 64, "weir: --state cannot be faild; did you mean failed?\n" }, { status, err })
    end)

    it("shows no more than it was told to", function()
      local _, out = run("list", { limit = 1 })
      assert.is_nil(out:find("completed", 1, true))
    end)
  end)
end)
