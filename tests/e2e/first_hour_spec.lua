-- The first hour with weir: what a command says when all is well, when there is nothing, and when something is not as
-- its user takes it to be.

local support = require "tests.support"

local build = support.build

local FLOWS = [[
local weir = require "weir"
return {
  weir.workflow { id = "greet", run = function(ctx, data)
    print("a print", 1)
    ctx.log:info("a line", { n = 1 })
    return "Hello, " .. (data.name or "world")
  end },
  weir.workflow { id = "later", run = function(ctx) ctx:sleep("1h") end },
}
]]

describe("a folder with a file that does not load", function()
  local folder

  setup(function()
    folder = support.folder()
    support.write(folder .. "/good.lua", FLOWS)
    support.write(folder .. "/broken.lua", "return {\n")
  end)
  teardown(function() support.remove(folder) end)

  local FAULT = "broken.lua:2: unexpected symbol near <eof>"

  it("runs what does not need it, with a warning", function()
    for _, words in ipairs { { "greet", "--dir", folder }, { folder .. "/good.lua", "--id", "x" } } do
      if words[1] == folder .. "/good.lua" then
        support.write(folder .. "/good.lua", FLOWS:gsub('  weir.workflow { id = "later".-\n', ""))
      end
      local reply = support.weir("run", table.unpack(words))
      assert.same({ 0, '"Hello, world"\n' }, { reply.status, reply.stdout })
      assert.matches("warn  " .. FAULT .. " (left out: this run does not need it)", reply.stderr, 1, true)
    end
    support.write(folder .. "/good.lua", FLOWS)
  end)

  it("refuses what is in it, and all with a typo", function()
    for _, what in ipairs { "broken.lua", "gret" } do
      local reply = support.weir("run", what, "--dir", folder)
      assert.same({ 78, "", "weir: " .. FAULT .. "\n" }, { reply.status, reply.stdout, reply.stderr }, what)
    end
  end)

  it("is no folder to serve", function()
    local reply = support.weir("serve", folder, "--redis", "unix:///nowhere/redis.sock")
    assert.same({ 78, "weir: " .. FAULT .. "\n" }, { reply.status, reply.stderr })
  end)
end)

describe("weir run", function()
  local folder

  setup(function()
    folder = support.folder()
    support.write(folder .. "/flows.lua", FLOWS)
  end)
  teardown(function() support.remove(folder) end)

  it("shows what the run prints and logs, and nothing of the host", function()
    local reply = support.weir("run", "greet", "--dir", folder, "--id", "r")
    assert.matches("info  r: a print\t1\n", reply.stderr, 1, true)
    assert.matches('info  r: a line {"n":1}\n', reply.stderr, 1, true)
    assert.is_nil(reply.stderr:find("node", 1, true))
    reply = support.weir("run", "greet", "--dir", folder, "--log-level", "warn")
    assert.is_nil(reply.stderr:find("a line", 1, true))
    reply = support.weir("run", "greet", "--dir", folder, "--log-level", "info")
    assert.matches("node run", reply.stderr, 1, true)
  end)
end)

local FAILING = [[
local weir = require "weir"
local QUICK = { attempts = 2, delay = "1ms", jitter = false }
return {
  weir.workflow { id = "twice", retry = QUICK, run = function() error("own fault") end },
  weir.workflow { id = "step", retry = QUICK, run = function(ctx)
    ctx:step("charge", function() error(weir.error { code = "refused", message = "card " .. ("x"):rep(5000) }) end)
  end },
  weir.workflow { id = "parent", retry = { attempts = 1 }, run = function(ctx) ctx:invoke { workflow = "child" } end },
  weir.workflow { id = "child", retry = { attempts = 1 }, run = function() error("of the child") end },
  weir.workflow { id = "caught", run = function(ctx) pcall(ctx.invoke, ctx, { workflow = "child" }) return 1 end },
  weir.workflow { id = "many", retry = { attempts = 1 }, run = function() error("one of many") end },
}
]]

describe("a failure", function()
  local host

  setup(function() host = support.host_of { ["failing.lua"] = FAILING } end)
  teardown(function() host:stop() end)

  -- The lines of a run in the host's log, without their times.
  local function lines_of(id)
    local lines = {}
    for line in host.process:stderr():gmatch "[^\n]+" do
      local text = line:match("^%S+ (%l+ +" .. id .. ": .*)$")
      lines[#lines + 1] = text
    end
    return lines
  end

  it("of a root run is in the host's log, with its attempts", function()
    assert.equal(1, host:weir("start", "twice", "--id", "t", "--wait").status)
    assert.same({
      'info  t: attempt 1 failed, the next begins in 1ms: failing.lua:4: own fault {"code":"error","workflow":"twice"}',
      'warn  t: failed: failing.lua:4: own fault {"code":"error","workflow":"twice"}',
    }, lines_of "t")
  end)

  it("of a step is there for each try, cut where it is long", function()
    assert.equal(1, host:weir("start", "step", "--id", "s", "--wait").status)
    local lines = lines_of "s"
    assert.equal(2, #lines)
    assert.matches('^info  s: try 1 of step "charge" failed, the next begins in 1ms: card x.*x… {"code":"refused"',
      lines[1])
    assert.matches('^warn  s: failed: card xxx.*x… {"code":"refused","workflow":"step"}$', lines[2])
    assert.is_true(#lines[2] < 1200)
  end)

  it("of a child is its parent's", function()
    assert.equal(1, host:weir("start", "parent", "--id", "p", "--wait").status)
    assert.same({ 'warn  p: failed: Child execution failed: failing.lua:9: of the child '
      .. '{"code":"child_failed","workflow":"parent"}' }, lines_of "p.*")
    assert.equal(0, host:weir("start", "caught", "--id", "c", "--wait").status)
    assert.same({}, lines_of "c.*")
  end)

  it("of many runs does not fill the log", function()
    local ids = {}
    for i = 1, 100 do ids[i] = ('{"n":%d}'):format(i) end
    local reply = host:weir("start", "many", "--each", "-", { stdin = table.concat(ids, "\n") })
    assert.equal(0, reply.status, reply.stderr)
    support.wait_until("all to fail", function()
      return host:weir("stats").stdout:find("10%d failed") ~= nil
    end)
    assert.is_true(#lines_of "many.*" <= 20)
  end)

  it("is shown by weir run when it happens, and its end once", function()
    local reply = support.weir("run", "twice", "--dir", host.folder, "--id", "r")
    assert.matches("info  r: attempt 1 failed, the next begins in 1ms: failing.lua:4: own fault", reply.stderr, 1, true)
    local _, count = reply.stderr:gsub("r: failed", "")
    assert.equal(0, count)
    assert.matches("weir: run r failed: failing.lua:4: own fault", reply.stderr, 1, true)
  end)
end)

describe("a host", function()
  local folder

  before_each(function() folder = support.folder() end)
  after_each(function() support.remove(folder) end)

  it("says which workflows its folder has, and keeps its data out of git", function()
    assert(os.execute(("mkdir '%s/flows'"):format(folder)))
    support.write(folder .. "/flows/a.lua", FLOWS)
    local dev = support.process { "sh", "-c", ("bin=$(realpath '%s'); cd '%s' && exec \"$bin/weir\" dev flows"):format(
      build, folder) }
    support.wait_until("dev to be ready", function() return dev:stderr():find "weir start" end)
    local _, stderr = dev:stop "TERM"
    assert.matches("info  workflows in flows: greet later\n", stderr, 1, true)
    assert.equal("*\n", support.read(folder .. "/.weir/.gitignore"))
  end)

  it("says when its folder has none", function()
    local host = support.host { folder }
    local _, stderr = host:stop()
    assert.matches(("warn  there is no workflow in %s: this host runs only what other hosts announced\n")
      :format(folder), stderr, 1, true)
  end)
end)

describe("a command that finds nothing", function()
  local host, folder

  setup(function()
    folder = support.folder()
    support.write(folder .. "/flows.lua", FLOWS)
    host = support.host { folder }
  end)
  teardown(function()
    host:stop()
    support.remove(folder)
  end)

  it("says so to people", function()
    local PLAIN = { columns = 80, env = { NO_COLOR = "1" } }
    assert.equal("no runs\n", (host:on_terminal(PLAIN, "list")))
    assert.equal("no such runs\n", (host:on_terminal(PLAIN, "list", "--state", "failed")))
    assert.equal("no such runs\n", (host:on_terminal(PLAIN, "list", "--group", "error")))
    assert.equal("nothing inconsistent\n", (host:on_terminal(PLAIN, "doctor")))
  end)

  it("is silent to programs", function()
    for _, words in ipairs { { "list" }, { "list", "--json" }, { "list", "--group", "error" }, { "doctor" } } do
      local reply = host:weir(table.unpack(words))
      assert.same({ 0, "", "" }, { reply.status, reply.stdout, reply.stderr }, words[1])
    end
  end)

  it("knows a mistyped workflow", function()
    local SAID = 'weir: warning: there is no workflow "gret"; did you mean "greet"?\n'
    assert.equal(SAID, host:weir("list", "--workflow", "gret").stderr)
    assert.equal(SAID .. "would cancel 0 runs\n", host:weir("cancel", "--workflow", "gret", "--dry-run").stderr)
    assert.equal(SAID .. "deleted 0\n", host:weir("delete", "--workflow", "gret", "--yes").stderr)
    assert.equal("", host:weir("list", "--workflow", "greet").stderr)
  end)
end)

describe("a file that is saved", function()
  local folder, dev

  local function sh(line)
    local output <close> = assert(io.popen(("cd '%s/deep' && (%s) 2>&1"):format(folder, line)))
    return output:read "a"
  end

  local function flow(text)
    return ('return require "weir".workflow { id = "a", run = function() return "%s" end }'):format(text)
  end

  before_each(function()
    folder = support.folder()
    assert(os.execute(("mkdir -p '%s/flows/sub' '%s/deep'"):format(folder, folder)))
    support.write(folder .. "/flows/a.lua", flow "old")
    support.write(folder .. "/flows/sub/b.lua", "return 1")
    dev = support.process { "sh", "-c", ("bin=$(realpath '%s'); cd '%s' && exec \"$bin/weir\" dev flows"):format(
      build, folder) }
    support.wait_until("dev to be ready", function() return dev:stderr():find "weir start" end)
    assert(os.execute(("ln -s \"$(realpath '%s')/weir\" '%s/deep/weir'"):format(build, folder)))
  end)
  after_each(function()
    dev:stop "TERM"
    support.remove(folder)
  end)

  it("is what start and retry run, right after", function()
    assert.equal('"old"\n', sh "./weir start a --id r1 --wait")
    support.write(folder .. "/flows/a.lua", flow "new")
    assert.equal('"new"\n', sh "./weir start a --id r2 --wait")
    support.write(folder .. "/flows/a.lua", flow "newer")
    sh "./weir retry r1 --scratch | cat >/dev/null"
    assert.equal('"newer"\n', sh "./weir wait r1")
  end)

  it("and does not load is told by the host, and by start and retry", function()
    local SAID = ("weir: warning: weir dev does not run the present files in %s; weir why says why\n")
      :format(folder .. "/flows")
    support.write(folder .. "/flows/a.lua", "return {")
    assert.equal(SAID .. '"old"\n', sh "./weir start a --id r1 --wait")
    assert.equal(SAID .. 'weir: no workflow "new"; there are a (--any starts it anyway)\n', sh "./weir start new")
    assert.equal(SAID, sh "./weir retry r1 --scratch | cat >/dev/null":match "^[^\n]*\n")
    assert.matches("flows: a.lua:1: .- near <eof>\n.-still serving bundle", dev:stderr())
    support.write(folder .. "/flows/a.lua", flow "new")
    assert.equal('"new"\n', sh "./weir start a --id r3 --wait")
  end)

  it("is none of another Redis", function()
    local redis = support.redis()
    finally(function() redis:stop() end)
    support.write(folder .. "/flows/a.lua", flow "new")
    assert.is_nil(sh("./weir start x --any --redis " .. redis.url):find "present files")
  end)
end)

describe("a workflow whose file is gone", function()
  local folder, empty, redis

  before_each(function() folder, empty, redis = support.folder(), support.folder(), support.redis() end)
  after_each(function()
    redis:stop()
    support.remove(folder)
    support.remove(empty)
  end)

  it("is started with a warning", function()
    support.write(folder .. "/flows.lua", FLOWS)
    local host = support.host({ folder }, { redis = redis })
    assert.equal("", host:weir("start", "greet", "--id", "a", "--wait").stderr)
    host:stop()
    host = support.host({ empty }, { redis = redis })
    finally(function() host:stop() end)
    local reply = host:weir("start", "greet", "--id", "b", "--wait")
    assert.same({ 0, '"Hello, world"\n' }, { reply.status, reply.stdout })
    assert.matches('^weir: warning: no host that is alive has workflow "greet" in its folder as it was announced last; '
      .. "the run gets that code %(bundle %x+%), which Redis keeps\n$", reply.stderr)
  end)
end)

describe("a Redis", function()
  local folder

  before_each(function()
    folder = support.folder()
    support.write(folder .. "/flows.lua", FLOWS)
  end)
  after_each(function() support.remove(folder) end)

  it("that keeps everything is no news", function()
    local host = support.host { folder }
    local _, stderr = host:stop()
    assert.is_nil(stderr:find "warn")
  end)

  it("that is in another folder's .weir, or is none, is told so", function()
    local bin = ("$(realpath '%s')/weir"):format(build)
    local output <close> = assert(io.popen(("bin=\"%s\"; cd '%s' && "
      .. "env -u WEIR_REDIS unshare -rn \"$bin\" stats 2>&1"):format(bin, folder)))
    local text = output:read "a"
    if text:find "^unshare" then return pending "no namespaces here" end
    assert.matches("^weir: there is no .weir/ here or above, and no Redis at redis://127.0.0.1:6379/0 %(.*%); run this "
      .. "where weir dev runs, or name a Redis %(%-%-redis URL, WEIR_REDIS%)\n$", text)
  end)
end)

describe("weir show", function()
  local host, folder

  setup(function()
    folder = support.folder()
    support.write(folder .. "/wide.lua", [[
local weir = require "weir"
return {
  weir.workflow { id = "leaf", run = function(_, data) return data.n end },
  weir.workflow { id = "wide", run = function(ctx, data)
    local futures = {}
    for i = 1, data.children do futures[i] = ctx:spawn { id = "leaf-" .. i, workflow = "leaf", data = { n = i } } end
    ctx:all(futures)
    ctx:step("long", function() return ("x"):rep(200) end)
    return 1
  end },
}
]])
    host = support.host { folder }
    for id, children in pairs { small = 20, large = 1100 } do
      local data = ('{"children":%d}'):format(children)
      assert.equal(0, host:weir("start", "wide", "--id", id, "--data", data, "--wait").status)
    end
  end)
  teardown(function()
    host:stop()
    support.remove(folder)
  end)

  local function lines(text) return select(2, text:gsub("\n", "")) end

  it("gathers what repeats itself, says so, and shows all when asked", function()
    local short, whole = host:weir("show", "small").stdout, host:weir("show", "small", "--all").stdout
    assert.matches("✓ 20 × leaf%-N +leaf, ", short)
    assert.matches("\n\nlines that repeat each other are one; weir show small --all shows every line\n", short, 1, true)
    assert.is_true(lines(short) < 18)
    assert.matches("✓ leaf%-20 +leaf ", whole)
    assert.is_nil(whole:find("--all", 1, true))
    short = host:weir("show", "large").stdout
    assert.matches("below 101 children was not read; weir show large --all shows every line\n", short, 1, true)
    assert.is_true(lines(host:weir("show", "large", "--all").stdout) > 1100)
  end)

  it("shows one operation, whole", function()
    local reply = host:weir("show", "small", "long")
    assert.equal(0, reply.status)
    assert.matches("^long  step of small\n\n  state     ✓ completed in ", reply.stdout)
    assert.matches('  result    "' .. ("x"):rep(200) .. '"\n', reply.stdout, 1, true)
    assert.matches("  run       small/leaf-3\n", host:weir("show", "small", "leaf-3").stdout, 1, true)
    local json = require("cjson").decode(host:weir("show", "small", "long", "--json").stdout)
    assert.same({ "long", ("x"):rep(200) }, { json.id, json.result })
    reply = host:weir("show", "small", "logn")
    assert.same({ 66, 'weir: run small has no operation "logn"; did you mean "long"?\n' },
      { reply.status, reply.stderr })
    assert.equal(64, host:weir("show", "small", "long", "--dot").status)
  end)
end)
