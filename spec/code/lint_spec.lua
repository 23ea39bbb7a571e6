local lint = require "weir.code.lint"

local function warnings(source, known, elsewhere)
  local lines = {}
  for i, warning in ipairs(lint.check({ ["w.lua"] = source }, known or { charge = true }, elsewhere)) do
    lines[i] = ("%s:%d: %s"):format(warning.path, warning.line, warning.message)
  end
  return lines
end

describe("a literal name of a workflow", function()
  it("that nothing defines is a warning, with the nearest name", function()
    assert.same({ 'w.lua:2: workflow = "chrge" names no workflow of this folder; did you mean "charge"?' },
      warnings 'local function run(ctx)\n  ctx:invoke { id = "a", workflow = "chrge" }\nend\nreturn run')
    assert.same({ 'w.lua:1: workflow = "x" names no workflow of this folder, nor elsewhere' },
      warnings('return { workflow = "x" }', nil, ", nor elsewhere"))
  end)

  it("is none in a comment, in a text, or where the name is computed", function()
    assert.same({}, warnings '-- workflow = "x"\nlocal a = [[ workflow = "x" ]] return { workflow = a .. "x" }')
    assert.same({}, warnings 'return { workflow = "charge" }')
  end)

  it("is found behind many constants, and in each function of a file", function()
    local many = {}
    for i = 1, 300 do many[i] = ('"c%d"'):format(i) end
    local source = 'local t = { workflow = "early" } local list = { ' .. table.concat(many, ",") .. " }\n"
      .. 'return function() return function() return { workflow = "late" } end end'
    assert.equal(2, #warnings(source))
  end)
end)

describe("a local of the file that is assigned while a run runs", function()
  local function names(source)
    local found = {}
    for _, warning in ipairs(lint.check({ ["w.lua"] = source }, {})) do
      found[#found + 1] = warning.message:match '^"(.-)" is a local of the file' .. ":" .. warning.line
    end
    return found
  end

  it("is a warning at the assignment, in run itself and in functions within", function()
    assert.same({ "count:4" }, names [[
local count, other = 0, 0
return weir.workflow { id = "w",
  run = function(ctx)
    count = count + 1
    local own = 1
    own = own + 1
    return other + own
  end }]])
    assert.same({ "last:5" }, names [[
local last
return weir.workflow { run = function(ctx)
  local x = 1
  ctx:step { run = function()
    last = x
    x = 2
  end }
end }]])
  end)

  it("is found in local functions that run calls, and where run has a name", function()
    assert.same({ "count:2" }, names [[
local count = 0
local function bump() count = count + 1 end
local function run(ctx) bump() end
return weir.workflow { id = "w", run = run }]])
    assert.same({ "count:2" }, names [[
local count = 0
local function run() count = 1 end
local function make() return weir.workflow { id = "w", run = run } end
return make()]])
    assert.same({ "cache:2" }, names [[
local cache, fill
fill = function() cache = 1 end
return weir.workflow { id = "w", run = function() fill() end }]])
  end)

  it("is none while the file loads, nor in functions that no run calls", function()
    assert.same({}, names [[
local names = {}
for i = 1, 3 do names = { names } end
local function fill() names = {} end
fill()
return weir.workflow { id = "w", run = function() return #names end }]])
  end)
end)
