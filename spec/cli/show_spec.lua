-- `weir show`: runs as JSON, read page by page.

local commands = require "spec.support.commands"
local json = require "weir.json"
local record = require "weir.record.record"

describe("weir show", function()
  local answers, fields, run

  before_each(function()
    local side = commands.new()
    answers, fields, run = side.answers, side.fields, side.run
  end)

  after_each(commands.unload)

  it("show --json is the run as JSON", function()
    local list = fields { state = "completed", result = "[]" }
    answers.inspect = list
    local status, out = run("show", "a", { json = true })
    assert.equal(0, status)
    assert.equal(record.json(record.read("a", table.move(list, 4, #list, 1, {}))) .. "\n", out)
  end)

  it("show tells how far the run said it is", function()
    answers.inspect = fields { state = "running", started_at = "90000",
                               progress = '{"done":1,"total":2,"text":"page one","status":"busy"}' }
    local _, out = run("show", "a")
    assert.truthy(out:find "\n  status    busy\n  progress  1 of 2 %(50%%%): page one\n")
    _, out = run("show", "a", { json = true })
    assert.truthy(out:find('"progress":{"done":1,"status":"busy","text":"page one","total":2}', 1, true))
  end)

  it("show reads a long run page by page, and again when it went on meanwhile", function()
    local asked, state = {}, "running"
    answers.inspect = function(_, cursor)
      asked[#asked + 1] = cursor
      if cursor == "0" then return { "run", "17", state, "state", state, "workflow", "w", "created_at", "90000" } end
      state = "completed"
      return { "run", "", state, "data", "{}", "result", "[]" }
    end
    local status, out = run("show", "a", { json = true })
    assert.equal(0, status)
    assert.same({ "0", "17", "0", "17" }, asked)
    assert.equal("completed", json.decode(out).state)
  end)
end)
