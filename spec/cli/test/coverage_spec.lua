-- Which lines have code, and how what did not run is told.

local coverage = require "weir.cli.test.coverage"

describe("coverage", function()
  it("tells lines in ranges, over lines without code", function()
    local lines = { 1, 2, 4, 7, 9, 10 }
    assert.equal("2-7, 10", coverage.ranges({ [2] = true, [4] = true, [7] = true, [10] = true }, lines))
    assert.equal("", coverage.ranges({}, lines))
    assert.equal("1-10", coverage.ranges({ true, true, [4] = true, [7] = true, [9] = true, [10] = true }, lines))
  end)

  it("counts a file that says in which encoding it is, and none that has no code", function()
    assert.same({ path = "a.lua", ran = 1, all = 2, missing = "2" },
      coverage.of("a.lua", "\xEF\xBB\xBFlocal a = 1\nreturn a", { true }))
    assert.is_nil(coverage.of("b.lua", "-- nothing", {}))
  end)

  it("tells the worst first, and the total", function()
    local files = {
      { path = "lib/price.lua", ran = 3, all = 3, missing = "" },
      { path = "order.lua", ran = 199, all = 200, missing = "7" },
      { path = "pay.lua", ran = 1, all = 2, missing = "2" },
    }
    coverage.sort(files)
    assert.equal([[
pay.lua         50%  (1 of 2 lines)  not run: 2
order.lua       99%  (199 of 200 lines)  not run: 7
lib/price.lua  100%  (3 of 3 lines)
total           99%  (203 of 205 lines)
]], coverage.text(files))
  end)

  it("leaves the column to a name that is too long for it", function()
    local long = ("deep/"):rep(30) .. "a.lua"
    assert.equal(long .. "  100%  (1 of 1 lines)\ntotal  100%  (1 of 1 lines)\n",
      (coverage.text { { path = long, ran = 1, all = 1, missing = "" } }:gsub("total +", "total  ")))
  end)
end)
