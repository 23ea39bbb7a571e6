-- Loading all files of a folder: what registers, what require finds, and what each fault says.

local bundle = require "weir.code.bundle"
local identifier = require "weir.base.identifier"
local sandbox = require "weir.code.sandbox"

local function workflow(id, body)
  return ('return require "weir".workflow { id = "%s", run = function(ctx) %s end }')
    :format(id, body or "")
end

local function load_all(files)
  local made, faults = bundle.load("b1", files)
  assert(made, faults and table.concat(faults, "\n"))
  return made
end

local function faults_of(files)
  local made, faults = bundle.load("b1", files)
  assert.is_nil(made)
  return faults
end

local function ids(made)
  local found = {}
  for id in pairs(made.workflows) do
    if not identifier.is_own(id) then found[#found + 1] = id end
  end
  table.sort(found)
  return found
end

local function run_of(made, id)
  local run = { now = function() return 1 end }
  sandbox.enter(made, run)
  local results = table.pack(pcall(made.workflows[id].run))
  sandbox.leave()
  return table.unpack(results, 1, results.n)
end

describe("a bundle", function()
  it("has the workflows that its files return", function()
    local made = load_all {
      ["one.lua"] = workflow "one",
      ["list.lua"] = [[
        local weir = require "weir"
        local function run() end
        local two = weir.workflow { id = "two", run = run }
        return { two, weir.workflow { id = "three", run = run } }]],
      ["deep/four.lua"] = workflow "four",
      ["module.lua"] = "return { helper = function() end }",
      ["empty.lua"] = "",
      ["notes.txt"] = "not Lua at all",
      ["one_spec.lua"] = "error 'a spec is not loaded'",
      ["spec/helper.lua"] = "error 'nor are its helpers'",
      ["deep/spec/helper.lua"] = "error 'nor are these'",
    }
    assert.equal("b1", made.name)
    assert.same({ "four", "one", "three", "two" }, ids(made))
    assert.equal("deep/four.lua", made.workflows.four.file)
    assert.equal(1, made.workflows.four.line)
    assert.equal(4, made.workflows.three.line)
  end)

  it("registers a definition that two files return once", function()
    assert.same({ "one" }, ids(load_all {
      ["one.lua"] = workflow "one",
      ["all.lua"] = 'return { require "one" }',
    }))
  end)

  it("takes files as Lua does, with a byte order mark or a first line for the shell", function()
    assert.same({ "a", "b" }, ids(load_all {
      ["a.lua"] = "\xEF\xBB\xBF" .. workflow "a",
      ["b.lua"] = "#!/usr/bin/lua\n" .. workflow "b",
    }))
  end)

  it("tells every fault with file and line", function()
    assert.same({
      [[args.lua:2: workflow "x": unknown field "retrys"; did you mean "retry"?]],
      [[mixed.lua:1: item 2 of the list that it returns is no workflow]],
      [[raised.lua:2: boom]],
      [[syntax.lua:3: <name> expected near '=']],
      [[table.lua:1: error of one's own]],
      [[twice.lua:1: workflow "x" is already defined at deep/x.lua:1]],
    }, faults_of {
      ["args.lua"] = 'local weir = require "weir"\nreturn weir.workflow { id = "x",\n'
        .. "run = function() end, retrys = 1 }",
      ["deep/x.lua"] = workflow "x",
      ["mixed.lua"] = 'return { require "deep.x", 5 }',
      ["raised.lua"] = "local x\nerror 'boom'",
      ["syntax.lua"] = "local x = 1\n\nlocal = 5",
      ["table.lua"] = 'error(require "weir".error { message = "error of one\'s own" })',
      ["twice.lua"] = workflow "x",
    })
  end)

  it("names files with long paths whole", function()
    local path = ("long/"):rep(20) .. "x.lua"
    assert.same({ path .. ":1: boom" }, faults_of { [path] = "error 'boom'" })
    assert.matches("^" .. path .. ":1: ", faults_of({ [path] = "=" })[1])
    assert.matches("^" .. path .. ":1: attempt to index", faults_of({ [path] = "x.y = 1" })[1])
  end)

  it("tells a fault once, however many files require the one that has it", function()
    assert.same({ "c.lua:1: boom" }, faults_of {
      ["a.lua"] = 'require "c"', ["b.lua"] = 'require "c"', ["c.lua"] = "error 'boom'",
    })
  end)

  it("gives a fault a line where it has none", function()
    assert.same({ "a.lua:2: bare", "b.lua:1: error of type table" }, faults_of {
      ["a.lua"] = "\nerror('bare', 0)",
      ["b.lua"] = "error(setmetatable({}, { __tostring = function() error 'no' end }))",
    })
  end)

  it("refuses to yield while a file loads", function()
    local loads = coroutine.wrap(function()
      return faults_of { ["a.lua"] = "\nrequire 'string'.rep('x', 1) coroutine.yield()" }
    end)
    assert.matches("^a.lua:2: coroutine.yield outside", loads()[1])
  end)

  it("refuses bytecode", function()
    assert.matches("^a.lua:1: unexpected symbol",
      faults_of({ ["a.lua"] = string.dump(function() end) })[1])
  end)
end)

describe("require", function()
  it("finds files of the bundle, each evaluated once", function()
    local made = load_all {
      ["w.lua"] = workflow("w", [[
        local a = require "lib.a"
        return a, require "lib.a" == a, require "lib" ]]),
      ["lib/a.lua"] = "count = (count or 0) + 1 return { name = ..., count = count }",
      ["lib/init.lua"] = "return (...)",
    }
    assert.same({ true, { name = "lib.a", count = 1 }, true, "lib" },
      { run_of(made, "w") })
  end)

  it("gives true for a file that returns nothing, and false as it is", function()
    local made = load_all {
      ["w.lua"] = workflow("w", "return require 'nothing', require 'no'"),
      ["nothing.lua"] = "", ["no.lua"] = "return false",
    }
    assert.same({ true, true, false }, { run_of(made, "w") })
  end)

  it("prefers files of the bundle to modules outside", function()
    local made = load_all { ["w.lua"] = workflow("w", "return require 'cjson'"),
                            ["cjson.lua"] = "return 'ours'" }
    assert.equal("ours", select(2, run_of(made, "w")))
  end)

  it("tells a fault as one line that a terminal does not obey", function()
    local faults = faults_of { ["a.lua"] = [[error("\27]0;x\7\nweir: all is well\xff\u{202E}")]] }
    assert.same({ "a.lua:1: \u{FFFD}]0;x\u{FFFD} weir: all is well\u{FFFD}\u{FFFD}" }, faults)
    assert.is_true(#faults_of({ ["a.lua"] = "error(('x'):rep(1e7))" })[1] < 5000)
  end)

  it("tells a circle", function()
    assert.same({ "b.lua:2: files require each other in a circle: a.lua, b.lua, a.lua" },
      faults_of { ["a.lua"] = 'require "b"', ["b.lua"] = '\nrequire "a"' })
  end)

  it("names what is not there", function()
    assert.same({ [[a.lua:2: module "no.such" not found: no no/such.lua among the workflows,]]
      .. " nothing on --lua-path and --lua-cpath" },
      faults_of { ["a.lua"] = '\nrequire "no.such"' })
    assert.same({ "a.lua:1: bad argument #1 to 'require' (string expected, got nil)" },
      faults_of { ["a.lua"] = "require()" })
  end)

  it("keeps weir's own modules to itself", function()
    assert.same({ [[a.lua:1: module "weir.code.sandbox" is not for workflow code; there are weir and]]
      .. " weir.json" }, faults_of { ["a.lua"] = 'require "weir.code.sandbox"' })
  end)

  it("loads modules of Lua outside in the sandbox, those of C for each bundle", function()
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
    local file <close> = assert(io.open(folder .. "/outside_module.lua", "w"))
    file:write("return { name = ..., clock = os.time, debug = debug.getinfo }")
    file:close()
    local path = package.path
    package.path = folder .. "/?.lua;" .. path
    local made = load_all { ["w.lua"] = workflow("w", [[
      local outside = require "outside_module"
      local cjson = require "cjson"
      cjson.mine = 1
      cjson.encode_sparse_array(true)
      return outside.name, outside.clock == os.time, outside.debug, cjson == require "cjson",
        cjson.encode { [9000] = 1 }]]),
      }
    local other = load_all { ["w.lua"] = workflow("w", [[
      local cjson = require "cjson"
      return cjson.mine, pcall(cjson.encode, { [9000] = 1 })]]) }
    local results = table.pack(run_of(made, "w"))
    package.path = path
    os.execute("rm -r " .. folder)
    assert.same({ true, "outside_module", true, nil, true, '{"9000":1}' }, { table.unpack(results, 1, 6) })
    assert.same({ true, nil, false }, { table.unpack(table.pack(run_of(other, "w")), 1, 3) })
  end)

  it("takes what a module answers to any index for no workflow", function()
    load_all { ["m.lua"] = "return setmetatable({}, { __index = function() error 'asked' end })" }
  end)

  it("lets modules outside change Lua's libraries for their bundle", function()
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
    local file <close> = assert(io.open(folder .. "/changing.lua", "w"))
    file:write [[
      os.exit = function() return "stays" end
      local cache = setmetatable({}, { __mode = "k" })
      return { separator = package.config:sub(1, 1), out = io.stdout, clock = os.clock(), cache = cache }]]
    file:close()
    local path = package.path
    package.path = folder .. "/?.lua;" .. path
    local made = load_all { ["w.lua"] = workflow("w", [[
      local changing = require "changing"
      return os.exit(), changing.separator, changing.clock]]) }
    local other = load_all { ["w.lua"] = workflow("w", "return pcall(os.exit)") }
    local results = table.pack(run_of(made, "w"))
    package.path = path
    os.execute("rm -r " .. folder)
    assert.same({ true, "stays", "/", 0.0 }, { table.unpack(results) })
    assert.is_false(select(2, run_of(other, "w")))
  end)

  it("late, in a run, loads apart from that run", function()
    local made = load_all {
      ["w.lua"] = workflow("w", [[
        mine = 1
        local seen = require "late_spec"
        return seen, mine, late, pcall(os.time)]]),
      ["late_spec.lua"] = "late = 5 return mine == nil",
    }
    local results = table.pack(run_of(made, "w"))
    assert.same({ true, true, 1, nil, true, 1 }, { table.unpack(results, 1, results.n) })
    assert.equal(5, made.environment.globals.late)
  end)
end)

describe("a bundle of which only a part is to run", function()
  local GOOD, BROKEN = workflow "good", "return {"

  it("leaves out the files with faults, and those that need them", function()
    local made, faults, left = bundle.load_sound("b", {
      ["good.lua"] = GOOD, ["broken.lua"] = BROKEN, ["needs.lua"] = 'require "broken" ' .. workflow "needs",
      ["again.lua"] = workflow "good",
    })
    assert.same({ "good" }, ids(made))
    assert.same({ "broken.lua:1: unexpected symbol near <eof>" }, { faults[1] })
    assert.matches('workflow "good" is already defined', faults[2])
    assert.same({ ["again.lua"] = workflow "good" }, left)
  end)

  it("leaves out a graph whose node was in one of them", function()
    local made, faults = bundle.load_sound("b", {
      ["good.lua"] = GOOD, ["broken.lua"] = BROKEN,
      ["graph.lua"] = 'return require "weir".graph { id = "g", nodes = { { key = "a", workflow = "gone" } } }',
    })
    assert.same({ "good" }, ids(made))
    assert.equal(2, #faults)
  end)

  it("is none where the fault is in no file of it", function()
    local path = os.tmpname()
    local file <close> = assert(io.open(path, "w"))
    file:write 'require "weir".workflow { id = "lost", run = print }'
    file:close()
    local before = package.path
    finally(function()
      package.path = before
      os.remove(path)
    end)
    package.path = path:gsub("[^/]*$", "?") .. ";" .. before
    local made, faults = bundle.load_sound("b", { ["a.lua"] = ('require "%s"'):format(path:match "[^/]*$") })
    assert.is_nil(made)
    assert.matches('workflow "lost" is made, but no file returns it', faults[1])
  end)
end)
