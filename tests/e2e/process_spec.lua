-- The binary as a process: what it says and exits with before any run is started, and how a host
-- comes and goes.

local support = require "tests.support"

describe("the command line", function()
  local function refuses(status, sentence, ...)
    local reply = support.weir(...)
    assert.equal(("weir: %s\n"):format(sentence), reply.stderr)
    assert.equal("", reply.stdout)
    assert.equal(status, reply.status)
  end

  it("names the nearest command or flag", function()
    refuses(64, "there is no command serv, did you mean serve?; see weir help", "serv")
    refuses(64, "there is no flag --redsi, did you mean --redis?", "stats", "--redsi", "x")
  end)

  it("refuses by name what is not there yet", function()
    refuses(64, "logs is not there yet", "logs", "x")
    refuses(64, "serve --listen is not there yet", "serve", "--listen", ":80")
  end)

  it("helps", function()
    local reply = support.weir "help"
    assert.equal(0, reply.status)
    assert.matches("\n  start +%[WORKFLOW%]", reply.stdout)
    assert.equal(support.weir("help", "start").stdout, support.weir("start", "--help").stdout)
    for name in reply.stdout:gmatch "\n  (%l+) " do
      local example = support.weir("help", name).stdout:match "\nexample: weir ([^\n]+)"
      if name ~= "help" and name ~= "version" then assert.equal(name, example and example:match "^%l+", name) end
      for flag in (example or ""):gmatch "%-%-[%l-]+" do
        assert.truthy(support.weir("help", name).stdout:find("\n  " .. flag .. " ", 1, true), name .. " " .. flag)
      end
    end
  end)

  it("ends with 69 where no Redis is, and names the one meant", function()
    local reply = support.weir("stats", "--redis", "unix:///nowhere/redis.sock")
    assert.equal(69, reply.status)
    assert.matches("unix:///nowhere/redis.sock", reply.stderr, 1, true)
  end)

  it("ends with 77 where Redis refuses the login", function()
    local redis = support.redis()
    finally(function() redis:stop() end)
    redis:call("CONFIG", "SET", "requirepass", "sesame")
    assert.equal(77, support.weir("stats", "--redis", redis.url).status)
  end)
end)

describe("check", function()
  local folder

  before_each(function() folder = support.folder() end)
  after_each(function() support.remove(folder) end)

  it("counts what it looked at", function()
    local reply = support.weir("check", "workflows")
    assert.same({ 0, "" }, { reply.status, reply.stderr })
    assert.matches("^%d+ files, %d+ workflows, no faults\n$", reply.stdout)
    local empty = support.weir("check", folder)
    assert.same({ 0, ("no files, no workflows, no faults: nothing in %s ends in .lua\n"):format(folder) },
      { empty.status, empty.stdout })
  end)

  it("tells files that are perhaps not meant so", function()
    local workflow = 'return require "weir".workflow { id = "x", run = require "run" }\n'
    support.write(folder .. "/a.lua", workflow)
    support.write(folder .. "/run.lua", "return function() end\n") -- a module: it is required
    support.write(folder .. "/plain.lua", "return function(ctx, data) end\n")
    assert(os.execute(("ln -s nowhere '%s/link.lua' && ln -s nowhere '%s/#a.lua#'"):format(folder, folder)))
    local reply = support.weir("check", folder)
    assert.same({ 0, folder .. "/link.lua is a link to a file that is not there\n"
      .. "plain.lua: it returns a function, which is no workflow; return weir.workflow { id = …, "
      .. "run = function(ctx, data) … end }\n3 files, 1 workflow, no faults\n" }, { reply.status, reply.stdout })
    assert.equal('{"faults":[],"warnings":[]}\n', support.weir("check", folder, "--json").stdout)
  end)

  it("prints each fault with its file and line", function()
    support.write(folder .. "/broken.lua", "local = 1\n")
    support.write(folder .. "/raises.lua", "\nerror('no')\n")
    local reply = support.weir("check", folder)
    assert.equal(1, reply.status)
    assert.matches("broken.lua:1: ", reply.stdout, 1, true)
    assert.matches("raises.lua:2: no", reply.stdout, 1, true)
  end)

  it("prints them as JSON when asked", function()
    support.write(folder .. "/broken.lua", "local = 1\n")
    support.write(folder .. "/raises.lua", "error('a \"quoted\" \\\\ \\1 word')\n")
    local reply = support.weir("check", folder, "--json")
    local faults = require("cjson").decode(reply.stdout).faults
    assert.same({ 1, 2 }, { reply.status, #faults })
    assert.matches('raises.lua:1: a "quoted" \\ \u{FFFD} word', faults[2], 1, true)
    assert.equal('{"faults":[],"warnings":[]}\n', support.weir("check", "workflows", "--json").stdout)
  end)

  it("warns of a workflow that nothing defines, and of state of the file, each at its line", function()
    support.write(folder .. "/a.lua", [[
local weir = require "weir"
local count = 0
return weir.workflow { id = "charge-card", run = function(ctx)
  count = count + 1
  ctx:invoke { id = "again", workflow = "charge-crad" }
end }
]])
    local reply = support.weir("check", folder)
    assert.equal(0, reply.status)
    assert.matches('^warning: a.lua:4: "count" is a local of the file and is assigned while a run runs:', reply.stdout)
    assert.matches('\nwarning: a.lua:5: workflow = "charge%-crad" names no workflow of this folder; did you mean '
      .. '"charge%-card"%?\n1 file, 1 workflow, no faults, 2 warnings\n$', reply.stdout)
  end)

  it("takes several folders, which must not define a workflow twice", function()
    support.write(folder .. "/a.lua", 'return require "weir".workflow { id = "hello", run = function() end }')
    local reply = support.weir("check", "workflows", folder)
    assert.equal(1, reply.status)
    assert.matches('a.lua:1: workflow "hello" is already defined in workflows at hello.lua:', reply.stdout, 1, true)
    support.write(folder .. "/a.lua", 'return require "weir".workflow { id = "a-b-c", run = function() end }')
    reply = support.weir("check", "workflows", folder)
    assert.equal(0, reply.status)
    assert.matches("workflows: %d+ files, %d+ workflows, no faults\n.*: 1 file, 1 workflow, no faults\n", reply.stdout)
  end)

  it("ends files that loop or hog memory while they load", function()
    support.write(folder .. "/a.lua", "while true do end")
    local reply = support.weir("check", folder, "--max-cpu", "50ms")
    assert.same({ 1, "a.lua:1: Lua ran for 0.05s without waiting for anything\n" }, { reply.status, reply.stdout })
    support.write(folder .. "/a.lua", "local list = {} for i = 1, 1e9 do list[i] = {} end")
    reply = support.weir("check", folder, "--max-memory", "8MiB")
    assert.equal(1, reply.status)
    assert.matches("memory", reply.stdout)
  end)

  it("ends with 66 where there is no folder", function()
    assert.equal(66, support.weir("check", folder .. "/none").status)
  end)
end)

describe("a host", function()
  it("ends with 0 when it is told to stop", function()
    local host = support.host { "workflows" }
    local status, stderr = host:stop()
    assert.equal(0, status, stderr)
  end)

  it("ends with 78 when a folder cannot be loaded", function()
    local redis = support.redis()
    finally(function() redis:stop() end)
    local reply = support.weir("serve", "/nowhere", "--redis", redis.url)
    assert.equal(78, reply.status)
    assert.equal("weir: there is no folder /nowhere; name the one that has the workflow files\n", reply.stderr)
  end)

  it("raises its limit of open files as far as it may, up to 65,536", function()
    local host = support.host { "workflows" }
    finally(function() host:stop() end)
    local limits = assert(support.read(("/proc/%d/limits"):format(host.process.pid)))
    local soft, hard = limits:match "Max open files%s+(%d+)%s+(%d+)"
    assert.is_true(tonumber(soft) >= math.min(65536, tonumber(hard)), limits)
  end)

  it("of a node that is alive elsewhere ends with 78", function()
    local host = support.host({ "workflows" }, { flags = { "--node", "one" } })
    finally(function() host:stop() end)
    local reply = host:weir("serve", "workflows", "--node", "one")
    assert.equal(78, reply.status, reply.stderr)
  end)

  it("that was killed gives its node to the next at once", function()
    local host = support.host({ "workflows" }, { flags = { "--node", "one" } })
    finally(function() host:stop() end)
    assert.equal(128 + 9, host:kill())
    host:start()
  end)
end)

describe("dev", function()
  local folder, process

  before_each(function()
    folder = support.folder()
    local listing <close> = assert(io.popen "pwd")
    local here = listing:read "l"
    local binary = support.build:find "^/" and support.build or here .. "/" .. support.build
    process = support.process {
      "sh", "-c", ("cd %s && exec %s/weir dev %s/workflows"):format(folder, binary, here),
    }
    support.wait_until("dev to be ready", function()
      assert(not process:status(), process:stderr())
      return process:stderr():find "weir start"
    end)
  end)

  after_each(function()
    process:stop "TERM"
    support.remove(folder)
  end)

  it("leaves the address of its Redis to clients in its folder", function()
    local url = ("unix://%s/.weir/redis.sock\n"):format(folder)
    assert.equal(url, support.read(folder .. "/.weir/url"))
  end)

  it("takes its Redis along", function()
    process:signal "TERM"
    assert.equal(0, process:wait())
    assert.is_nil(io.open(folder .. "/.weir/redis.sock"))
  end)
end)
