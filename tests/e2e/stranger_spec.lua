-- The mistakes people make in their first hour. weir answers each in one line that says what to do next,
-- with the author's own line where there is one.

local support = require "tests.support"

local folder

local build = support.build_path

-- A command line in the folder: its status, and stdout and stderr together.
local function sh(line)
  local command = "cd '%s' && (PATH='%s':\"$PATH\"; unset WEIR_ROOT; %s) 2>&1"
  local output = assert(io.popen(command:format(folder, build, line)))
  local text = output:read "a"
  local _, how, code = output:close()
  return how == "exit" and code or 128 + code, text
end

-- That line, and nothing else.
local function answers(status, expected, line)
  local code, text = sh(line)
  assert.same({ status, expected .. "\n" }, { code, text }, line)
end

local function workflows(name, source)
  assert(os.execute(("mkdir -p '%s/%s'"):format(folder, name)))
  support.write(("%s/%s/w.lua"):format(folder, name), source)
end

local GREET = [[
local weir = require "weir"
return {
  weir.workflow { id = "greet", run = function(_, data) return "Hello, " .. (data.name or "world") end },
  weir.workflow { id = "later", run = function(ctx) ctx:sleep("1h") end },
}
]]

describe("a file that cannot be right", function()
  before_each(function() folder = support.folder() end)
  after_each(function() support.remove(folder) end)

  local HEAD = 'local weir = require "weir"\n'
  local DURATION = 'is no duration; write "250ms", "30s", "5m", "2h", "1d" or a number of seconds'
  local cases = {
    { "a mistyped field", 'return weir.workflow { id = "x", rum = print }',
      'workflow "x": unknown field "rum"; did you mean "run"?' },
    { "a mistyped duration", 'return weir.workflow { id = "x", run = print, timeout = "5 min" }',
      'workflow "x": timeout: "5 min" ' .. DURATION },
    { "a mistyped field of retry", 'return weir.workflow { id = "x", run = print, retry = { attempt = 3 } }',
      'workflow "x": retry: unknown field "attempt"; did you mean "attempts"?' },
    { "a mistyped type in a schema", 'return weir.workflow { id = "x", run = print, schema = { type = "strin" } }',
      'workflow "x": schema/type: "strin" is no type; did you mean "string"?' },
    { "an id with a slash", 'return weir.workflow { id = "x/y", run = print }',
      'workflow "x/y": id "x/y" must not contain "/", which separates run ids' },
    { "a forgotten return", 'weir.workflow { id = "x", run = print }',
      'workflow "x" is made, but no file returns it: return weir.workflow {…}, or a list of them' },
    { "two that are returned without a list",
      'return weir.workflow { id = "x", run = print }, weir.workflow { id = "y", run = print }',
      'workflow "y" is made, but no file returns it: return weir.workflow {…}, or a list of them' },
    { "a colon for a dot", 'return weir:workflow { id = "x", run = print }',
      "weir.workflow: call it with a dot: weir.workflow { … }" },
    { "a mistyped function of weir", "return weir.workflo { }", "weir has no workflo; did you mean workflow?" },
    { "what is not there yet", "return weir.http { }", "weir.http is not there yet" },
    { "a graph that goes round", 'return weir.graph { id = "g", nodes = { '
      .. '{ key = "a", workflow = "x", depends_on = { "b" } }, { key = "b", workflow = "x", depends_on = { "a" } } } }',
      'graph "g": nodes depend on each other in a cycle: a -> b -> a' },
    { "a mistyped key of a node", 'return weir.graph { id = "g", nodes = { '
      .. '{ key = "extract", workflow = "x" }, { key = "load", workflow = "x", depends_on = { "extrat" } } } }',
      'graph "g": node "load" depends on "extrat", which is no node (did you mean "extract"?)' },
    { "a node of a workflow that is not there", 'return { weir.workflow { id = "load", run = print }, '
      .. 'weir.graph { id = "g", nodes = { { key = "a", workflow = "laod" } } } }',
      'graph "g": node "a" runs workflow "laod", which no file here defines (did you mean "load"?)' },
    { "io while it loads", 'io.open("/etc/passwd")',
      "io.open does not work while a file loads: call it in a ctx:step" },
    { "a module that is nowhere", 'require "weird"',
      'module "weird" not found: no weird.lua among the workflows, nothing on --lua-path and --lua-cpath' },
  }

  it("is told by check, with its line", function()
    for _, case in ipairs(cases) do
      workflows("flows", HEAD .. case[2])
      answers(1, "w.lua:2: " .. case[3], "weir check flows")
    end
  end)

  it("is told by run as by any command", function()
    workflows("flows", HEAD .. "return weir.workflow { id = \n")
    answers(78, "weir: w.lua:3: unexpected symbol near <eof>", "weir run x --dir flows")
    workflows("flows", "return 1")
    answers(66, 'weir: no workflow "x": no file in flows defines a workflow; name another folder with --dir DIR',
      "weir run x --dir flows")
    answers(66, "weir: flows/w.lua returns no workflow; end it with return weir.workflow{…}", "weir run flows/w.lua")
    answers(66, "weir: there is no file flows/none.lua", "weir run flows/none.lua")
    answers(66, "weir: there is no file none.lua", "weir run none.lua") -- whatever else is wrong here
    answers(66, "weir: there is no file flows/none.lua", "weir run none.lua --dir flows")
    answers(78, "weir: there is no folder none; name the one that has the workflow files", "weir run x --dir none")
  end)
end)

describe("a run that cannot go well", function()
  local source = { [[
local weir = require "weir"
local list = {}
local function workflow(id, run)
  list[#list + 1] = weir.workflow { id = id, run = run, retry = { attempts = 1 } }
end
workflow("child", function(_, data) return data end)
]] }
  local cases = {}

  local function case(what, run, expected)
    local id = "w" .. #cases + 1
    source[#source + 1] = ('workflow("%s", function(ctx) %s end)'):format(id, run)
    cases[#cases + 1] = { id = id, what = what, expected = expected }
  end

  local LINE = "m.lua:LINE: "
  case("a dot for a colon", 'return ctx.invoke { workflow = "child" }', LINE .. "call ctx:invoke with a colon")
  case("a mistyped verb", 'ctx:invok { workflow = "child" }', LINE .. "ctx has no invok; did you mean invoke?")
  case("a mistyped option, in a tail call", 'return ctx:invoke { workflo = "child" }',
    LINE .. 'ctx:invoke: unknown field "workflo"; did you mean "workflow"?')
  case("a mistyped workflow", 'ctx:invoke { workflow = "chidl" }', 'no workflow "chidl" (did you mean "child"?)')
  case("arguments for a table", 'ctx:invoke("a", "child")',
    LINE .. "ctx:invoke takes a table: ctx:invoke{ id = …, workflow = …, data = … }")
  case("futures without a table", 'ctx:all(ctx:spawn { workflow = "child" }, ctx:spawn { workflow = "child" })',
    LINE .. "ctx:all takes one table of futures: ctx:all{ a, b }")
  case("an id twice", 'for _ = 1, 2 do ctx:invoke { id = "a", workflow = "child" } end',
    'operation "a" is there already, from m.lua:LINE; give each its own id')
  case("a function as result", "return function() end",
    "the result cannot be written as JSON: a function cannot be JSON")
  case("NaN as result", "return { n = 0/0 }", "the result cannot be written as JSON: at .n: NaN cannot be JSON")
  case("bytes as result", [[return "\xff"]],
    "the result cannot be written as JSON: a string that is not UTF-8 cannot be JSON")
  case("a result without end", 'return ("x"):rep(17 << 20)',
    "the result has 17825794 bytes as JSON; 16777216 are allowed")
  case("a wait in a comparator", 'table.sort({ 2, 1 }, function() ctx:sleep("1ms") end)',
    "ctx:sleep cannot wait here: Lua cannot suspend inside a sort comparator, a gsub callback, a metamethod of"
    .. " tostring or a require")
  case("io outside of a step", 'io.open("/etc/passwd")',
    LINE .. "io.open does not work in workflow code, which replays: call it in a ctx:step")
  case("a verb inside a step", 'ctx:step("a", function() ctx:sleep(1) end)',
    LINE .. 'ctx:sleep cannot be called inside step "a"')
  case("a log line with a dot", 'ctx.log.info("x")', LINE .. "call ctx.log:info with a colon")
  case("a write to the library", "string.trim = print",
    LINE .. "string cannot be written (field 'trim'): it is shared by all runs")
  case("a yield of its own", "coroutine.yield(1)",
    LINE .. "coroutine.yield outside of a coroutine of the workflow's own; to wait, use ctx:sleep")
  case("a loop in a pcall", "pcall(function() while true do end end)",
    LINE .. "Lua ran for 0.2s without waiting for anything")
  source[#source + 1] = "return list"

  local host

  lazy_setup(function()
    folder = support.folder()
    support.write(folder .. "/m.lua", table.concat(source, "\n"))
    host = support.host({ folder }, { flags = { "--max-cpu", "200ms" } })
  end)

  lazy_teardown(function()
    host:stop()
    support.remove(folder)
  end)

  it("says why, on one line", function()
    for at, each in ipairs(cases) do
      local reply = host:weir("start", each.id, "--id", each.id, "--wait")
      local line = #(source[1]:gsub("[^\n]", "")) + at + 1
      assert.same({ 1, "" }, { reply.status, reply.stdout }, each.what)
      assert.equal(("weir: run %s failed: %s"):format(each.id, each.expected:gsub("LINE", tostring(line))),
        reply.stderr:match "^[^\n]*", each.what)
    end
  end)
end)

describe("a newcomer at the command line", function()
  local process

  lazy_setup(function()
    folder = support.folder()
    workflows("flows", GREET)
    assert(os.execute(("mkdir -p '%s/deep/er'"):format(folder)))
    process = support.process { "sh", "-c", ("cd '%s' && exec '%s/weir' dev flows"):format(folder, build) }
    support.wait_until("dev to be ready", function() return process:stderr():find "weir start" end)
  end)

  lazy_teardown(function()
    process:stop "TERM"
    support.remove(folder)
  end)

  it("forgets what data looks like", function()
    answers(64, "weir: --data is not valid JSON: expected a value at byte 9; quote it for the shell: --data "
      .. [['{"key":"value"}']], [[weir start greet --data '{"name":}']])
    answers(64, "weir: --data is not valid JSON: expected a value at byte 1; a file is given as --data @data.json",
      "weir start greet --data data.json")
    answers(66, "weir: cannot read none.json: No such file or directory", "weir start greet --data @none.json")
    answers(64, "weir: stdin is empty; it must be JSON, at least {}", "weir start greet --data - </dev/null")
  end)

  it("mistypes", function()
    answers(66, 'weir: no workflow "gret"; did you mean "greet"?', "weir start gret")
    answers(66, 'weir: no workflow "xyz"; there are greet, later (--any starts it anyway)', "weir start xyz")
    answers(64, "weir: there is no flag --dtaa, did you mean --data?", "weir start greet --dtaa '{}'")
    answers(64, "weir: there is no command strat, did you mean start?; see weir help", "weir strat greet")
    answers(64, "weir: --state cannot be fialed; did you mean failed?", "weir list --state fialed")
    answers(64, 'weir: --delay: "5x" is no duration; write "250ms", "30s", "5m", "2h", "1d" or a number of seconds',
      "weir start greet --delay 5x")
    answers(66, 'weir: there is no run "none"; weir list shows the runs', "weir show none")
    answers(64, "weir: --redis: not a Redis URL; write redis://[user:password@]host:port/db or unix:///path",
      "weir stats --redis localhost:6379")
    answers(78, "weir: WEIR_JSON: true or false, not yes", "WEIR_JSON=yes weir stats")
  end)

  it("uses ids of all kinds", function()
    answers(0, '"Hello, world"', "weir start greet --wait --id 'größe ☃ 1'")
    answers(0, '"Hello, world"', "weir wait 'größe ☃ 1'")
    answers(64, 'weir: --id "a/b" must not contain "/", which separates run ids', "weir start greet --id a/b")
    answers(64, 'weir: --id "a~b" must not contain "~", which separates run ids', "weir start greet --id a~b")
    answers(64, [[weir: --id "a\u{A}b" has a control character]], [[weir start greet --id "$(printf 'a\nb')"]])
    answers(64, "weir: --id: may not be empty", "weir start greet --id ''")
  end)

  it("starts the same from several places at once", function()
    local line = [[weir start greet --id same --data '{"name":"Ada"}']]
    local _, text = sh(("(%s & %s & cd deep/er && %s & wait)"):format(line, line, line))
    assert.equal("same\nsame\nsame\n", text)
    answers(64, 'weir: duplicate_id: there is a run "same" already, of other data; see weir show same, or take'
      .. " another --id", "weir start greet --id same")
  end)

  it("pipes to a reader that has had enough", function()
    for _, line in ipairs { "weir show same", "weir show same --json", "weir list" } do
      local _, text = sh(line .. " | true")
      assert.equal("", text)
    end
  end)

  it("is told when a wait was too short, and can leave it", function()
    assert.equal(0, (sh "weir start later --id nap"))
    support.wait_until("nap to sleep", function() return select(2, sh "weir why nap"):find "it has slept" end)
    answers(75, "weir: run nap is still waiting after 50ms; weir why nap says what it waits for",
      "weir wait nap --timeout 50ms")
    local wait = support.process { "sh", "-c", ("cd '%s' && exec '%s/weir' wait nap"):format(folder, build) }
    finally(function() wait:stop() end)
    assert.same({ 0, "" }, { sh "weir cancel nap" })
    assert.equal(1, wait:wait())
    assert.matches("^weir: run nap was cancelled: ", wait:stderr())
    answers(1, "weir: run nap has ended: it is cancelled", "weir cancel nap")
  end)

  it("starts a second one beside the first", function()
    local code, text = sh "weir dev flows"
    assert.equal(78, code)
    assert.matches("^weir: weir dev is running here already %(pid %d+, [^\n]+\n$", text)
    local line = "weir run greet --dir flows 2>/dev/null"
    local _, both = sh(("(%s & %s & wait)"):format(line, line))
    assert.equal('"Hello, world"\n"Hello, world"\n', both)
  end)
end)
