-- The functions of a chunk, and the lines of it that have code.

local bytecode = require "weir.code.bytecode"

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

describe("the functions of a chunk", function()
  it("have their constants, and their upvalues with names", function()
    local main = bytecode.read "local a, b = 1\nreturn function() b = { a, 'text' } return function() return b end end"
    local inner = main.functions[1]
    assert.same({ "b", "a" }, { inner.upvalues[1].name, inner.upvalues[2].name })
    assert.same({ in_stack = true, index = 1, name = "b" }, inner.upvalues[1])
    assert.same({ in_stack = false, index = 0, name = "b" }, inner.functions[1].upvalues[1])
    assert.equal("text", inner.constants[1])
    assert.equal(#inner.code, #inner.lines)
  end)

  it("are not there where the chunk does not compile", function() assert.is_nil(bytecode.read "return }") end)
end)
