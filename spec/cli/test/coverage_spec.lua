-- Which lines have code, and how what did not run is told.

local bytecode = require "weir.cli.test.bytecode"
local coverage = require "weir.cli.test.coverage"

local function lines_of(source)
  local lines = {}
  for line in pairs(bytecode.lines(source)) do lines[#lines + 1] = line end
  table.sort(lines)
  return lines
end

describe("the lines that have code", function()
  it("are those of all functions, called or not", function()
    assert.same({ 1, 2, 4 }, lines_of "local a = 1\nlocal b = a\n-- nothing\nreturn b")
    assert.same({ 2, 4, 5, 6 }, lines_of("local function f()\n  local a = 1\n  return function()\n"
      .. "    return a\n  end\nend"))
  end)

  it("leave out the end of a function that returns by itself", function()
    assert.same({ 2, 4, 5 }, lines_of "local function f(a)\n  if a then\n\n    return 1 end\n  return 2 end")
  end)

  it("leave out the return behind a tail call, which never runs", function()
    assert.same({ 2, 3, 5 }, lines_of "local function f(g)\n  return g {\n    a = 1,\n  }\nend")
  end)

  it("are found far apart, among constants of all kinds", function()
    local gap = ("\n"):rep(1000)
    local source = ("local a, b = 1.5, 'text'%s local c = { %q, 12345678901, nil, true }%s return a, b, c, '%s'")
      :format(gap, ("long "):rep(40), gap, ("x"):rep(200))
    assert.same({ 1, 1001, 2001 }, lines_of(source))
  end)

  it("are what debug.getinfo tells of each function", function()
    local source = assert(io.open "lua/weir/replay/journal.lua"):read "a"
    local chunk = assert(load(source, "=journal"))
    local told = debug.getinfo(chunk, "L").activelines
    local found, last = bytecode.lines(source), select(2, source:gsub("\n", "\n"))
    for line in pairs(told) do assert.is_true(found[line] or line >= last, "line " .. line) end
  end)

  it("are none where nothing compiles", function() assert.is_nil(bytecode.lines "return return") end)
end)

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
