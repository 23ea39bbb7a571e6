local bar = require "weir.view.bar"
local terminal = require "weir.view.terminal"

local function style(columns) return { colours = false, columns = columns or 80, rows = 24 } end

local function counts(fields)
  local all = { noun = "node", completed = 0, failed = 0, cancelled = 0 }
  for name, value in pairs(fields) do all[name] = value end
  return all
end

describe("the bar", function()
  it("shows how much has ended, and how", function()
    assert.equal("██████████████████▒░  94%  94 of 100 nodes, 1 running, 4 failed  2m 5s",
      bar.draw(style(), counts { total = 100, completed = 90, failed = 4, running = 1 }, 125000))
    assert.equal("████████████████████  100%  2 of 2 children  1.00s",
      bar.draw(style(), counts { noun = "child", total = 2, completed = 2 }, 1000))
  end)

  it("has a column for what there is at all", function()
    local text = bar.draw(style(), counts { total = 100000, failed = 1, completed = 1, running = 1 }, 0)
    assert.equal("██▒░░░░░░░░░░░░░░░░░  0%  2 of 100,000 nodes, 1 running, 1 failed  0ms", text)
  end)

  it("shows no share when the total is unknown", function()
    assert.equal("5 operations ended, 1 failed  1.00s",
      bar.draw(style(), counts { noun = "operation", completed = 4, failed = 1 }, 1000))
  end)

  it("is never wider than the terminal", function()
    for columns = 10, 120 do
      for completed = 0, 100, 25 do
        local text = bar.draw(style(columns), counts { total = 100, completed = completed, running = 3, failed = 2 }, 1)
        assert.is_true(terminal.width(text) < columns, text)
      end
    end
  end)
end)
