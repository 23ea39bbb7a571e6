-- workflows/quotes.lua: steps that fail first, races.

local testing = require "weir.testing"
local weir = require "weir"

describe("quotes", function()
  local runner

  before_each(function() runner = testing.new { dir = "workflows" } end)

  it("asks again when the line drops", function()
    local carrier = { name = "hare", takes = "1s", price = 9, drops = 2 }
    local result = runner:run("carrier-quote", carrier)
    assert.same({ price = 9, calls = 3 }, result.result)
    assert.equal(1000 + 10 + 20, result.finished_at - result.started_at)
  end)

  it("takes the first, and cancels the others", function()
    local result = runner:run("fastest-quote", { carriers = {
      { name = "turtle", takes = "1h", price = 3 }, { name = "hare", takes = "300ms", price = 9 },
    } })
    assert.same({ carrier = "hare", price = 9 }, result.result)
    assert.cancelled(result.children.turtle)
  end)

  it("lives with silence", function()
    runner:mock_step("carrier-quote", "ask", testing.sequence { { price = 3 }, weir.fatal "nobody there" })
    local result = runner:run("all-quotes", { carriers = {
      { name = "a", takes = 1, price = 0 }, { name = "b", takes = 2, price = 0 },
    } })
    assert.same({ prices = { a = 3 }, silent = { "b" } }, result.result)
  end)
end)
