-- Globals and modules that workflow code can reach, and those it cannot: small files are loaded as a bundle, and their
-- workflows are called as the engine does it, between enter and leave.

local PARK = require "weir.base.park"
local bundle = require "weir.code.bundle"
local json = require "weir.json"
local sandbox = require "weir.code.sandbox"

local function new_run(step)
  return {
    id = "r", step = step,
    now = function() return 1790000000.25 end,
    random = function(_, m, n) return m and n and m + n or m or 0.5 end,
  }
end

local function load_bundle(body)
  local source = 'local weir = require "weir"\n' .. body
  if not body:find("weir.workflow", 1, true) then
    source = source:gsub("\n", '\nreturn weir.workflow { id = "w", run = function(ctx) ', 1)
      .. " end }"
  end
  local made, faults = bundle.load("b1", { ["w.lua"] = source })
  assert(made, faults and table.concat(faults, "\n"))
  return made
end

local function call(made, run, ...)
  sandbox.enter(made, run)
  local results = table.pack(pcall(made.workflows.w.run, ...))
  sandbox.leave()
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

-- The values that the body of a workflow's run returns.
local function result_of(body, run)
  return call(load_bundle(body), run or new_run())
end

local function refusal_of(body, run)
  local ok, raised = pcall(result_of, body, run)
  assert.is_false(ok, "nothing was refused")
  return raised
end

describe("globals", function()
  it("belong to one run", function()
    local made = load_bundle [[
      return weir.workflow { id = "w", run = function(_, value)
        local before = counter
        counter = value
        return before, counter, _G.counter, rawget(_G, "counter")
      end }]]
    local first, second = new_run(), new_run()
    assert.same({ nil, 1, 1, 1 }, { call(made, first, nil, 1) })
    assert.same({ nil, 2, 2, 2 }, { call(made, second, nil, 2) })
    assert.same({ 1, 3, 3, 3 }, { call(made, first, nil, 3) })
    assert.is_nil(rawget(_G, "counter"))
  end)

  it("set while the file loads are seen by all runs, and cleared by each for itself", function()
    local made = load_bundle [[
      limit = 5
      return weir.workflow { id = "w", run = function(_, change)
        local before = limit
        if change then limit = nil end
        return before, limit
      end }]]
    assert.same({ 5, nil }, { call(made, new_run(), nil, true) })
    assert.same({ 5, 5 }, { call(made, new_run(), nil, false) })
  end)

  it("are made only for a run that writes one", function()
    local run = new_run()
    result_of("return string.rep('x', 2)", run)
    assert.is_nil(run.globals)
    result_of("rawset(_G, 'x', 1)", run)
    assert.equal(1, run.globals.x)
  end)

  it("are what pairs(_G) walks", function()
    local run = new_run()
    assert.is_true(result_of([[
      mine = 1
      local seen = {}
      for name in pairs(_G) do seen[name] = true end
      return seen.mine and seen.string and seen.pairs and not seen.arg]], run))
  end)

  it("have their own metatable locked", function()
    assert.matches("protected metatable", refusal_of "setmetatable(_G, {})")
    assert.equal("_G", result_of "return getmetatable(_G)")
  end)

  it("cannot be written while no run runs", function()
    local made = load_bundle [[
      return weir.workflow { id = "w", run = function() x = 1 end }]]
    assert.error_matches(made.workflows.w.run, "global 'x' written while no run of this bundle")
  end)

  it("of the host are out of reach", function()
    _G.of_the_host = 1
    assert.is_nil(result_of "return of_the_host")
    assert.is_nil(result_of "return load('return of_the_host')()")
    _G.of_the_host = nil
  end)
end)

describe("libraries", function()
  it("refuse writes", function()
    for _, name in ipairs { "string", "table", "math", "utf8", "os", "io", "coroutine", "debug",
                            "weir", "weir.json" } do
      for _, write in ipairs { "library.x = 1", "rawset(library, 'x', 1)",
                               "table.insert(library, 1)" } do
        assert.matches(name .. " cannot be written",
          refusal_of("local library = require '" .. name .. "'\n" .. write), 1, true)
      end
      assert.matches("protected metatable",
        refusal_of("setmetatable(require '" .. name .. "', nil)"))
    end
  end)

  it("can be walked and read, never reached themselves", function()
    assert.is_true(result_of [[
      local found
      for name, member in pairs(string) do found = found or name == "rep" and member end
      local _, walked = pairs(string)
      return found == string.rep and walked == string and rawget(string, "rep") == found]])
  end)

  it("lock the metatable of strings", function()
    assert.matches("cannot be written", refusal_of "getmetatable('').__index = {}")
    assert.matches("string cannot be written", refusal_of "getmetatable('').__index.rep = 1")
    assert.equal("xx", result_of "return ('x'):rep(2)")
  end)

  it("are the same when required", function()
    assert.is_true(result_of [[
      return require "string" == string and require "debug" == debug and require "_G" == _G
        and require "weir" == weir and require "weir.json" == weir.json]])
  end)

  it("lack what reaches around the sandbox", function()
    assert.same({ "", "", "/" }, { result_of "return package.path, package.cpath, package.config:sub(1, 1)" })
    assert.is_true(result_of "return package.loaded.string == string and package.loaded['weir.code.sandbox'] == nil")
    assert.is_true(result_of [[
      local names = {}
      for name in pairs(debug) do names[#names + 1] = name end
      return #names == 1 and names[1] == "traceback"]])
    for _, body in ipairs { "collectgarbage()", "dofile 'x'", "loadfile 'x'", "os.exit()",
                            "string.dump(print)", "os.setlocale()", "package.searchpath('x', 'y')",
                            "package.loadlib('x', '*')" } do
      assert.matches("^w.lua:2: [%w.]+ is not for workflow code: ", refusal_of(body))
      assert.matches("is not for workflow code", refusal_of(body, new_run {}))
    end
  end)

  it("load text only", function()
    assert.equal(3, result_of "return load('return 1 + 2')()")
    assert.equal(4, result_of "return load('return x', 'n', 't', { x = 4 })()")
    local bytecode = string.format("%q", string.dump(function() end)):gsub("\\\n", "\\n")
    assert.matches("attempt to load a binary chunk",
      select(2, result_of("return load(" .. bytecode .. ", 'n', 'b')")))
  end)

  it("refuse __gc", function()
    assert.matches("^w.lua:2: setmetatable: __gc", refusal_of "setmetatable({}, { __gc = print })")
    assert.equal(1, result_of "return setmetatable({}, { __index = { a = 1 } }).a")
  end)

  it("refuse weak tables, save in steps", function()
    assert.matches("^w.lua:2: setmetatable: __mode", refusal_of "setmetatable({}, { __mode = 'v' })")
    assert.is_table(result_of("return setmetatable({}, { __mode = 'v' })", new_run {}))
    local _, faults = bundle.load("b", { ["a.lua"] = "setmetatable({}, { __mode = 'k' })" })
    assert.matches("^a.lua:1: setmetatable: __mode", faults[1])
  end)

  it("give the methods of strings the same limits", function()
    assert.matches("string.dump is not for workflow code", refusal_of "return ('x').dump(print)")
    assert.equal("table: 1", result_of "return ('%s'):format({})")
  end)

  it("load no chunk under a name of weir's own", function()
    for _, name in ipairs { "=[weir]/x", "=[C]" } do
      assert.matches("^w.lua:2: load: a chunk name", refusal_of(("load('return 1', %q)"):format(name)))
    end
    assert.equal(1, result_of "return load('return 1', '=mine')()")
  end)

  it("keep null, the mark of arrays and the metatable of errors as they are", function()
    for _, shared in ipairs { "weir.null", "getmetatable(weir.array {})" } do
      assert.matches("cannot be written", refusal_of("rawset(" .. shared .. ", 'x', 1)"))
      assert.matches("attempt to write", refusal_of(shared .. ".x = 1"))
      assert.matches("protected metatable", refusal_of("setmetatable(" .. shared .. ", nil)"))
    end
    assert.is_string(result_of "return getmetatable(weir.fatal 'x')")
  end)
end)

describe("order", function()
  it("is the same everywhere", function()
    assert.same({ 1, 2, "a", "b" }, { result_of [[
      local keys = {}
      for key in pairs { b = 1, a = 2, 3, 4 } do keys[#keys + 1] = key end
      return table.unpack(keys)]] })
    assert.equal("a", result_of "return (next { b = 1, a = 2 })")
  end)

  it("refuses other keys outside of a step", function()
    assert.matches("^w.lua:2: pairs: keys of type boolean cannot be ordered",
      refusal_of "for _ in pairs { [true] = 1 } do end")
    assert.is_true(result_of("for key in pairs { [true] = 1 } do return key end", new_run {}))
  end)
end)

describe("clock and chance", function()
  it("are the run's", function()
    assert.equal(1790000000, result_of "return os.time()")
    local run = new_run()
    run.created_at = 1790000000000
    assert.equal(0.25, result_of("return os.clock()", run))
    assert.equal(os.date("!%F", 1790000000), result_of "return os.date('!%F')")
    assert.equal(0.5, result_of "return math.random()")
    assert.equal(7, result_of "return math.random(3, 4)")
    assert.equal(0.5, result_of "math.randomseed(1) return math.random()")
  end)

  it("are real in a step", function()
    assert.is_true(math.abs(os.time() - result_of("return os.time()", new_run {})) <= 2)
    assert.is_true(result_of("return os.clock()", new_run {}) < 1790000000)
    assert.is_true(result_of("return math.random(5, 6)", new_run {}) <= 6)
  end)

  it("are refused while a file loads", function()
    for _, code in ipairs { "os.time()", "os.clock()", "os.date()", "math.random()" } do
      local _, faults = bundle.load("b", { ["a.lua"] = "local x = " .. code })
      assert.matches("^a.lua:1: [%w.]+ would give each worker another value while a file loads",
        faults[1])
    end
    assert.is_truthy(bundle.load("b", { ["a.lua"] = "math.randomseed(1)" }))
  end)
end)

describe("the world outside", function()
  it("is refused in workflow code, naming ctx:step", function()
    for _, code in ipairs { "io.open('x')", "io.lines('x')", "io.write('x')", "io.popen('x')",
                            "os.execute('x')", "os.remove('x')", "os.rename('x', 'y')",
                            "os.tmpname()", "io.stdout:write('x')" } do
      assert.matches("^w.lua:2: [%w.:]+ does not work in workflow code, which replays: call it in a"
        .. " ctx:step", refusal_of(code))
      local _, faults = bundle.load("b", { ["a.lua"] = "local x = " .. code })
      assert.matches("^a.lua:1: [%w.:]+ does not work while a file loads: call it in a ctx:step",
        faults[1])
    end
    assert.matches("os.getenv does not work in run", refusal_of "os.getenv 'HOME'")
  end)

  it("is there in a step", function()
    local path = os.tmpname()
    assert.equal("written", result_of(([[
      local file <close> = assert(io.open(%q, "w"))
      file:write("written")
      file:close()
      return io.lines(%q)() ]]):format(path, path), new_run {}))
    os.remove(path)
    assert.equal(os.getenv "HOME", result_of("return os.getenv 'HOME'", new_run {}))
    assert.equal("file", result_of("return getmetatable(io.stdout)", new_run {}))
  end)

  it("shows its environment while a file loads", function()
    local made = load_bundle [[
      local home = os.getenv "HOME"
      return weir.workflow { id = "w", run = function() return home end }]]
    assert.equal(os.getenv "HOME", call(made, new_run()))
  end)

  it("gets what is printed by the log", function()
    local told
    local before = sandbox.on_print
    sandbox.on_print = function(run, text) told = { run.id, text } end
    result_of "print('a', nil, 5)"
    sandbox.on_print = before
    assert.same({ "r", "a\tnil\t5" }, told)
  end)
end)

describe("names of what has an address", function()
  it("are numbers of the run, in the order in which it asks", function()
    local made = load_bundle [[
      local shared = {}
      return weir.workflow { id = "w", run = function()
        local a, f = {}, function() end
        return tostring(a), ("%s and %s"):format(f, a), tostring(coroutine.create(f)), ("%p"):format(a),
          ("%-5p|%%p|%5.1f|%q"):format("text", 1, "x"), tostring(shared), tostring(print), ("%p"):format(5)
      end }]]
    for _ = 1, 2 do
      assert.same({ "table: 1", "function: 2 and table: 1", "thread: 3", "0x1", '0x4  |%p|  1.0|"x"', "table: 5",
        "function: 6", "(null)" }, { call(made, new_run()) })
    end
  end)

  it("are what the author says, where the author does", function()
    assert.same({ "mine", "mine", "point: 1" }, { result_of [[
      local own = setmetatable({}, { __tostring = function() return "mine" end })
      return tostring(own), ("%s"):format(own), tostring(setmetatable({}, { __name = "point" }))]] })
  end)

  it("are the same in each process while files load", function()
    local function named()
      return call(load_bundle [[
        local first, second = tostring({}), ("%s"):format(print)
        return weir.workflow { id = "w", run = function() return first, second end }]], new_run())
    end
    assert.same({ "table: 1", "function: 2" }, { named() })
    assert.same({ "table: 1", "function: 2" }, { named() })
  end)

  it("are addresses in a step", function()
    assert.matches("^table: 0x%x+$", result_of("return tostring({})", new_run {}))
  end)

  it("leave the errors of format where the author's code is", function()
    assert.matches("^w.lua:2: bad argument #2 to 'format' %(number expected, got string%)",
      refusal_of "string.format('%d', 'x')")
    assert.matches("^w.lua:2: bad argument #3 to 'format' %(no value%)", refusal_of "string.format('%s %s', {})")
    assert.matches("^w.lua:2: invalid conversion '%%y'", refusal_of "string.format('%y', {})")
  end)
end)

describe("table.sort", function()
  it("keeps the order of what is equal", function()
    local result = { result_of [[
      local t = {}
      for i = 1, 300 do t[i] = { number = i, day = (i <= 150 and i or i - 150) // 25 } end
      table.sort(t, function(a, b) return a.day < b.day end)
      local wrong = 0
      for i = 2, 300 do
        local a, b = t[i - 1], t[i]
        if a.day > b.day or a.day == b.day and a.number > b.number then wrong = wrong + 1 end
      end
      return wrong, #t]] }
    assert.same({ 0, 300 }, result)
  end)

  it("sorts as Lua's own where there is one order", function()
    for _, count in ipairs { 0, 1, 2, 7, 8, 9, 100, 1000 } do
      local list, mixed = {}, {}
      for i = 1, count do list[i] = math.random(1000) end
      for i = 1, count do mixed[i] = i % 2 == 0 and list[i] or list[i] + 0.5 end
      for _, values in ipairs { list, mixed } do
        local wanted = table.move(values, 1, count, 1, {})
        table.sort(wanted)
        local made = load_bundle [[
          return weir.workflow { id = "w", run = function(_, a, b, c)
            table.sort(a)
            table.sort(b, function(x, y) return x < y end)
            table.sort(c, function(x, y) return x > y end)
            return a, b, c
          end }]]
        local function copy() return table.move(values, 1, count, 1, {}) end
        local a, b, c = call(made, new_run(), nil, copy(), copy(), copy())
        assert.same(wanted, a)
        assert.same(wanted, b)
        for i = 1, count do assert.equal(wanted[count + 1 - i], c[i]) end
      end
    end
  end)

  it("says what cannot be sorted, with the author's line", function()
    assert.matches("^w.lua:2: bad argument #1 to 'sort'", refusal_of "table.sort(5)")
    assert.matches("^w.lua:2: bad argument #2 to 'sort'", refusal_of "table.sort({}, 5)")
    assert.matches("^w.lua:2: attempt to compare", refusal_of "table.sort { 2, 'x', 1 }")
    assert.matches("^w.lua:2: attempt to compare two table values", refusal_of "table.sort { {}, {} }")
    assert.matches("^w.lua:2: mine$", refusal_of "table.sort({ 2, 1 }, function() error 'mine' end)")
    assert.equal(json.null, select(2, pcall(result_of, "table.sort({ 2, 1 }, function() error(weir.null) end)")))
  end)

  it("goes through metatables, as Lua's own", function()
    assert.equal("1 2 3", result_of [[
      local real = { 3, 1, 2 }
      local proxy = setmetatable({}, { __index = real, __newindex = real, __len = function() return #real end })
      table.sort(proxy)
      return table.concat(real, " ")]])
  end)
end)

describe("the calendar of workflow code", function()
  it("is in UTC, whatever the zone of the host", function()
    assert.same({ 1767225600, "2026-01-01 00:00", "00" }, { result_of [[
      return os.time { year = 2026, month = 1, day = 1, hour = 0 }, os.date("%F %H:%M", 1767225600), os.date("%H", 0)
    ]] })
    assert.same({ 2025, 2, 29 - 28, 366 - 334, false }, { result_of [[
      local t = { year = 2024, month = 14, day = -30 + 31, isdst = true }
      os.time(t)
      local d = os.date("*t", os.time(t))
      return t.year, t.month, t.day, d.yday, d.isdst]] })
    assert.matches("^w.lua:2: field 'day' missing in date table", refusal_of "os.time { year = 2026, month = 1 }")
    assert.matches("^w.lua:2: field 'year' is not an integer",
      refusal_of "os.time { year = 2026.5, month = 1, day = 1 }")
    assert.matches("^w.lua:2: field 'day' is out%-of%-bound",
      refusal_of "os.time { year = 1, month = 1, day = 1 << 40 }")
  end)

  it("agrees with the C library's", function()
    local made = load_bundle [[
      return weir.workflow { id = "w", run = function(_, t) return os.time(t) end }]]
    for _ = 1, 2000 do
      local time = math.random(-60000000000, 200000000000)
      assert.equal(time, call(made, new_run(), nil, os.date("!*t", time)))
    end
  end)
end)

describe("files in steps", function()
  local function body(code) return (code:gsub("PATH", function() return ("%q"):format(os.tmpname()) end)) end

  it("have a default input and output of each step's own", function()
    local made = load_bundle(body [[
      local path = PATH
      return weir.workflow { id = "w", run = function(_, act)
        if act == "write" then
          io.output(path)
          io.write "A"
          return io.type(io.output())
        elseif act == "other" then
          return io.output() == io.stdout, io.input() == io.stdin
        elseif act == "read" then
          local all = {}
          io.input(path)
          for line in io.lines() do all[#all + 1] = line end
          io.input():seek("set")
          return table.concat(all), io.read("a")
        elseif act == "close" then
          io.output(path)
          io.close()
          return pcall(io.write, "x")
        end
        os.remove(path)
      end }]])
    local files = require "weir.code.files"
    local one = new_run {}
    assert.equal("file", call(made, one, nil, "write"))
    assert.same({ true, true }, { call(made, new_run {}, nil, "other") })
    files.end_step(one.step)
    assert.same({ "A", "A" }, { call(made, new_run {}, nil, "read") })
    assert.same({ false, "default output file is closed" }, { call(made, new_run {}, nil, "close") })
    assert.same({ true, true }, { call(made, new_run {}, nil, "other") })
    call(made, new_run {}, nil, "remove")
  end)

  it("cannot be used outside of them when they were kept", function()
    local made = load_bundle(body [[
      local path, file, lines, method = PATH, nil, nil, nil
      return weir.workflow { id = "w", run = function(_, act)
        if act == "open" then
          file, lines, method = io.open(path), io.lines(path), io.stdout.write
        elseif act == "next line" then
          return lines()
        elseif act == "remove" then
          file:close()
          return os.remove(path)
        else
          return file[act](file)
        end
      end }]])
    call(made, new_run {}, nil, "open")
    for _, name in ipairs { "read", "write", "lines", "close", "seek", "flush", "setvbuf" } do
      assert.error_matches(function() call(made, new_run(), nil, name) end,
        "file:" .. name .. " does not work in workflow code", nil, true)
    end
    assert.error_matches(function() call(made, new_run(), nil, "next line") end,
      "an iterator of lines does not work in workflow code")
    call(made, new_run {}, nil, "remove")
  end)

  it("take the handles of those that are forgotten when none is left", function()
    local code = [[
      local kept = 0
      for i = 1, 3000 do
        local file = assert(io.open "/dev/null")
        kept = kept + 1
      end
      for _ = 1, 200 do assert(io.popen "true") end
      return kept]]
    collectgarbage "stop"
    local ok, result = pcall(result_of, code, new_run {})
    collectgarbage "restart"
    assert.same({ true, 3000 }, { ok, result })
  end)
end)

describe("chance in steps", function()
  it("is each step's own, whatever seed another one sets", function()
    local made = load_bundle [[
      return weir.workflow { id = "w", run = function(_, seed)
        if seed then math.randomseed(seed) end
        return math.random(1 << 53)
      end }]]
    local a, b = call(made, new_run {}, nil, 42), call(made, new_run {}, nil, 42)
    assert.equal(a, b)
    assert.not_equal(call(made, new_run {}), call(made, new_run {}))
    math.randomseed(5)
    local expected = math.random(1 << 53)
    math.randomseed(5)
    call(made, new_run {}, nil, 42)
    assert.equal(expected, math.random(1 << 53))
    assert.equal("integer", math.type(result_of("return math.random(0)", new_run {})))
  end)
end)

describe("coroutines of the author's own", function()
  it("work as plain ones", function()
    assert.same({ true, 1, true, 2, true, "end", "dead" }, { result_of [[
      local co = coroutine.create(function(a) local b = coroutine.yield(a) coroutine.yield(b)
        return "end" end)
      local a, b = coroutine.resume(co, 1)
      local c, d = coroutine.resume(co, 2)
      local e, f = coroutine.resume(co)
      return a, b, c, d, e, f, coroutine.status(co)]] })
    assert.equal("a b", result_of [[
      local words = {}
      for word in coroutine.wrap(function() coroutine.yield "a" coroutine.yield "b" end) do
        words[#words + 1] = word
      end
      return table.concat(words, " ")]])
    assert.same({ false, "cannot resume dead coroutine" }, { result_of [[
      local co = coroutine.create(function() end)
      coroutine.resume(co)
      return coroutine.resume(co)]] })
    assert.is_true(result_of [[
      local closed
      local co = coroutine.create(function()
        local x <close> = setmetatable({}, { __close = function() closed = true end })
        coroutine.yield()
      end)
      coroutine.resume(co)
      return coroutine.close(co) and closed]])
  end)

  it("raise out of wrap what was raised within", function()
    assert.matches("^w.lua:2: w.lua:2: boom", refusal_of
      "local f = coroutine.wrap(function() error 'boom' end) local x = f()")
    assert.equal(json.null, select(2, pcall(result_of,
      "coroutine.wrap(function() error(weir.null) end)()")))
  end)

  it("let a call of ctx suspend the run, unseen", function()
    -- The run's branch: a ctx call yields PARK from wherever it is made.
    local made = load_bundle [[
      return weir.workflow { id = "w", run = function(ctx)
        local seen = {}
        local outer = coroutine.wrap(function()
          local inner = coroutine.wrap(function()
            coroutine.yield(ctx.invoke("first"))
            coroutine.yield(ctx.invoke("second"))
          end)
          seen[#seen + 1] = inner()
          coroutine.yield "between"
          seen[#seen + 1] = inner()
        end)
        local between = outer()
        seen[#seen + 1] = between
        outer()
        return table.concat(seen, ", ")
      end }]]
    local branch = coroutine.create(made.workflows.w.run)
    local ctx = { invoke = function(name) return select(2, coroutine.yield(PARK, name)) end }
    local run = new_run()
    local function turn(...)
      sandbox.enter(made, run)
      local results = table.pack(coroutine.resume(branch, ...))
      sandbox.leave()
      return table.unpack(results, 1, results.n)
    end
    assert.same({ true, PARK, "first" }, { turn(ctx) })
    assert.same({ true, PARK, "second" }, { turn(nil, "one") })
    assert.same({ true, "one, between, two" }, { turn(nil, "two") })
  end)

  it("that are parked are busy to other branches", function()
    local made = load_bundle [[
      local co
      return weir.workflow { id = "w", run = function(ctx)
        if co then
          local closes, message = pcall(coroutine.close, co)
          return coroutine.status(co), coroutine.resume(co), closes, message
        end
        co = coroutine.create(function() ctx.park() return "finished" end)
        return coroutine.resume(co)
      end }]]
    local ctx = { park = function() coroutine.yield(PARK) end }
    local run = made.workflows.w.run
    local first, second = coroutine.create(run), coroutine.create(run)
    sandbox.enter(made, new_run())
    assert.same({ true, PARK }, { coroutine.resume(first, ctx) })
    local results = { coroutine.resume(second, ctx) }
    assert.same({ true, "normal", false, false }, { table.unpack(results, 1, 4) })
    assert.matches("cannot close a normal coroutine", results[5])
    assert.same({ true, true, "finished" }, { coroutine.resume(first) })
    sandbox.leave()
  end)

  it("cannot reach those that weir made", function()
    local made = load_bundle [[
      return weir.workflow { id = "w", run = function()
        local branch, is_main = coroutine.running()
        local _, refused = pcall(function() coroutine.yield() end)
        local inside = coroutine.wrap(function()
          return select(2, coroutine.running()), coroutine.isyieldable(), coroutine.status(branch),
            coroutine.resume(branch), pcall(coroutine.close, branch)
        end)
        return is_main, coroutine.isyieldable(), refused, inside()
      end }]]
    sandbox.enter(made, new_run())
    local results = table.pack(coroutine.resume(coroutine.create(made.workflows.w.run)))
    sandbox.leave()
    assert.matches("^w.lua:4: coroutine.yield outside", results[4])
    results[4] = "refused"
    assert.same({ true, true, false, "refused", false, true, "normal", false, false },
      { table.unpack(results, 1, 9) })
  end)

  it("name what is no coroutine", function()
    for _, verb in ipairs { "resume", "status", "close", "isyieldable" } do
      assert.matches("w.lua:2: bad argument #1 to '" .. verb .. "'",
        refusal_of("coroutine." .. verb .. "(5)"))
    end
  end)
end)

describe("enter and leave", function()
  it("make a run current", function()
    local made, run = load_bundle "return 1", new_run()
    assert.is_nil(sandbox.current())
    sandbox.enter(made, run)
    assert.equal(run, sandbox.current())
    sandbox.leave()
    assert.is_nil(sandbox.current())
    sandbox.leave()
  end)
end)
