-- The commands as people and scripts use them: on the real binary, a real host and a real Redis. What
-- goes to stdout, what to stderr, and with which status each ends.

local cjson = require "cjson"
local support = require "tests.support"

local WORKFLOWS = [[
local weir = require "weir"

local child = weir.workflow {
  id = "child",
  run = function(ctx, data)
    ctx:step("work", function() return 1 end)
    if data.pause then ctx:sleep(data.pause) end
    if data.fail then error(weir.fatal("card declined", { reason = 7 })) end
    return data
  end,
}

local parent = weir.workflow {
  id = "parent",
  schema = { type = "object", properties = { pause = { type = "string" }, fail = { type = "boolean" } } },
  run = function(ctx, data)
    ctx:invoke { id = "first", workflow = "child", data = {} }
    local result = ctx:invoke { id = "second", workflow = "child", data = data }
    return result
  end,
}

local verbatim = weir.workflow {
  id = "verbatim",
  run = function()
    return { list = weir.array {}, object = {}, null = weir.null, int = 9007199254740993, float = 5.0 }
  end,
}

local elsewhere = weir.workflow { id = "elsewhere", queue = "gpu", run = function() return 1 end }

return { child, parent, verbatim, elsewhere }
]]

local host, folder

local function weir(...) return host:weir(...) end

-- The reply of a command that must go well; nothing may stand on stderr.
local function good(...)
  local reply = weir(...)
  assert.same({ 0, "" }, { reply.status, reply.stderr })
  return reply.stdout
end

-- The one line that a command with this status prints.
local function refused(status, ...)
  local reply = weir(...)
  assert.same({ status, "" }, { reply.status, reply.stdout }, reply.stderr)
  assert.truthy(reply.stderr:find("^weir: [^\n]+\n$"), reply.stderr)
  return reply.stderr
end

describe("the command line", function()
  lazy_setup(function()
    host = support.host_of({ ["work.lua"] = WORKFLOWS }, { flags = { "--workers", "2" } })
    folder = host.folder
  end)

  lazy_teardown(function() host:stop() end)

  describe("start", function()
    it("prints the id and nothing else; the same again is the same run", function()
      assert.equal("again-1\n", good("start", "parent", "--id", "again-1", "--data", '{"pause":"1ms"}'))
      assert.equal("again-1\n", good("start", "parent", "--id", "again-1", "--data", ' { "pause" : "1ms" } '))
      local message = refused(64, "start", "parent", "--id", "again-1", "--data", '{"pause":"2ms"}')
      assert.truthy(message:find("duplicate_id", 1, true))
      assert.truthy(refused(64, "start", "child", "--id", "again-1"):find("duplicate_id", 1, true))
    end)

    it("takes data from a file and from stdin", function()
      support.write(folder .. "/data.json", '{"n":1}\n')
      local data = "@" .. folder .. "/data.json"
      assert.equal('{"n":1}\n', good("start", "child", "--wait", "--data", data))
      assert.equal('{"n":2}\n', good("start", "child", "--wait", "--data", "-", { stdin = '{"n":2}' }))
      refused(66, "start", "child", "--data", "@" .. folder .. "/none.json")
      refused(64, "start", "child", "--data", "{n:1}")
    end)

    it("names the nearest workflow", function()
      assert.truthy(refused(66, "start", "prent"):find('did you mean "parent"?', 1, true))
    end)

    it("refuses flags that mean nothing here", function()
      assert.truthy(refused(64, "start", "child", "--id-from", "n"):find("it needs --each FILE", 1, true))
      assert.equal("weir: there is no flag --zzz; weir help COMMAND lists those it takes\n",
        refused(64, "start", "child", "--zzz"))
    end)

    it("refuses bad data with every violation", function()
      local message = refused(64, "start", "parent", "--data", '{"pause":1,"fail":2}')
      assert.truthy(message:find("/pause", 1, true))
      assert.truthy(message:find("/fail", 1, true))
    end)

    it("with --wait prints the result as it is stored", function()
      assert.equal('{"float":5.0,"int":9007199254740993,"list":[],"null":null,"object":{}}\n',
        good("start", "verbatim", "--wait"))
    end)

    it("with --wait fails as the run does, and says why", function()
      local reply = weir("start", "parent", "--id", "bad-1", "--data", '{"fail":true}', "--wait")
      assert.same({ 1, "" }, { reply.status, reply.stdout })
      local lines = {}
      for line in reply.stderr:gmatch("[^\n]+") do lines[#lines + 1] = line end
      assert.equal("weir: run bad-1 failed: Child execution failed: card declined", lines[1])
      assert.truthy(reply.stderr:find('child_failed in operation "second" (child) of bad-1', 1, true))
      assert.truthy(reply.stderr:find("caused by error: card declined", 1, true))
      assert.truthy(reply.stderr:find("in bad-1/second (child)", 1, true))
      assert.truthy(reply.stderr:find('{"reason":7}', 1, true))
      assert.truthy(reply.stderr:find("work.lua:8: ", 1, true))
    end)

    it("with --any starts an unknown workflow, and says what the run waits for", function()
      local reply = weir("start", "unheard-of", "--any", "--id", "early")
      assert.same({ 0, "early\n" }, { reply.status, reply.stdout })
      assert.truthy(reply.stderr:find("^weir: warning: "))
      assert.truthy(good("why", "early"):find('for a host that knows workflow "unheard-of"', 1, true))
      good("cancel", "early")
    end)

    it("with --delay starts later", function()
      good("start", "child", "--id", "later", "--delay", "1h")
      assert.equal("scheduled", host:run("later").state)
      assert.truthy(good("why", "later"):find("starts in 59m", 1, true))
      good("cancel", "later")
      assert.equal("cancelled", host:run("later").state)
    end)
  end)

  describe("wait", function()
    it("is woken by the end of a run", function()
      good("start", "parent", "--id", "wait-1", "--data", '{"pause":"50ms"}')
      assert.equal('{"pause":"50ms"}\n', good("wait", "wait-1"))
      assert.equal('{"pause":"50ms"}\n', good("wait", "wait-1"))
      assert.equal("completed", cjson.decode(good("wait", "wait-1", "--json")).state)
    end)

    it("gives up after --timeout", function()
      good("start", "parent", "--id", "wait-2", "--data", '{"pause":"1h"}')
      assert.truthy(refused(75, "wait", "wait-2", "--timeout", "50ms"):find("weir why wait-2", 1, true))
      good("cancel", "wait-2")
      assert.equal("weir: run wait-2 was cancelled: by weir cancel\n", refused(1, "wait", "wait-2"))
    end)

    it("outlives Redis being cut off", function()
      good("start", "parent", "--id", "wait-3", "--data", '{"pause":"300ms"}')
      local waiting = support.process({ support.build .. "/weir", "wait", "wait-3" }, { WEIR_REDIS = host.redis.url })
      support.wait_until("it to listen", function()
        return host.redis:call("PUBSUB", "CHANNELS", "*ended:wait-3") ~= ""
      end)
      host.redis:call("CLIENT", "KILL", "TYPE", "pubsub")
      assert.equal(0, waiting:wait())
      assert.equal('{"pause":"300ms"}\n', waiting:stdout())
      waiting:stop()
    end)

    it("knows which runs there are", function()
      refused(66, "wait", "nope")
      refused(66, "show", "nope")
      refused(66, "why", "nope")
      refused(66, "cancel", "nope")
    end)
  end)

  describe("show", function()
    it("draws a run, its operations, its children", function()
      good("start", "parent", "--id", "show-1", "--data", '{"pause":"5ms"}', "--wait")
      local text = good("show", "show-1")
      for _, part in ipairs {
        "show%-1  parent\n", "\n  state     ✓ completed in ", '\n  data      {"pause":"5ms"}\n',
        '\n  result    {"pause":"5ms"}\n', "\n├─ ✓ first   child +%+%d+ms +%d+ms\n",
        "\n│  └─ ✓ work  step ", "\n└─ ✓ second  child ", "\n   └─ ✓ sleep#1  sleep 5ms ",
      } do
        assert.truthy(text:find(part), part .. "\n" .. text)
      end
    end)

    it("tells with --json what DESIGN promises", function()
      local run = host:run("show-1")
      for _, field in ipairs {
        "id", "workflow", "state", "attempt", "generation", "seed", "data", "result", "error", "parent", "root",
        "queue", "priority", "bundle", "tags", "created_at", "started_at", "finished_at", "operations",
      } do
        assert.is_not_nil(run[field], field)
      end
      local second = run.operations[2]
      assert.same({ "second", "invoke", "completed", "show-1/second", "child", 1 },
        { second.id, second.kind, second.state, second.run, second.workflow, second.attempts })
      assert.truthy(second.line:find("^work%.lua:%d+$"))
      assert.is_true(second.after < second.number)
      assert.is_true(second.started_at <= second.finished_at)
    end)
  end)

  describe("list", function()
    it("stands newest first", function()
      good("start", "child", "--id", "list-1", "--wait")
      good("start", "child", "--id", "list-2", "--wait")
      local text = weir("list", "--limit", "2").stdout
      assert.truthy(text:find("^STATE[^\n]+\ncompleted +list%-2 [^\n]+\ncompleted +list%-1 [^\n]+\n$"), text)
    end)

    it("with --json gives a line for each run", function()
      local ids = {}
      for line in weir("list", "--limit", "2", "--json").stdout:gmatch("[^\n]+") do
        ids[#ids + 1] = cjson.decode(line).id
      end
      assert.same({ "list-2", "list-1" }, ids)
    end)

    it("with --state failed shows what failed, and why", function()
      weir("start", "parent", "--id", "list-3", "--data", '{"fail":true}', "--wait")
      local text = good("list", "--state", "failed")
      assert.truthy(text:find("failed +list%-3/second [^\n]+card declined\n"), text)
      assert.is_nil(text:find("completed", 1, true))
      refused(64, "list", "--state", "faild")
    end)

    it("pages through more than one page of runs", function()
      for i = 1, 60 do good("start", "child", "--id", "page-" .. i, "--delay", "1h") end
      local _, lines = weir("list", "--limit", "55").stdout:gsub("\n", "")
      assert.equal(56, lines)
      _, lines = good("list", "--limit", "1000", "--state", "scheduled"):gsub("\n", "")
      assert.equal(61, lines)
      local ids = {}
      for i = 1, 60 do ids[i] = "page-" .. i end
      good("cancel", table.unpack(ids))
    end)
  end)

  describe("cancel", function()
    it("ends a run and all below it", function()
      good("start", "parent", "--id", "cancel-1", "--data", '{"pause":"1h"}')
      host:wait_for("cancel-1/second", "waiting")
      good("cancel", "cancel-1")
      host:wait_for("cancel-1", "cancelled")
      assert.equal("cancelled", host:run("cancel-1/second").state)
      assert.truthy(refused(1, "cancel", "cancel-1"):find("run cancel-1 has ended: it is cancelled", 1, true))
    end)
  end)

  describe("why", function()
    it("goes down to what holds a run up", function()
      good("start", "parent", "--id", "why-1", "--data", '{"pause":"1h"}')
      host:wait_for("why-1/second", "waiting")
      local text = good("why", "why-1")
      assert.truthy(text:find('^why%-1: it has waited %w+ for its child why%-1/second %(child%) at work%.lua:%d+: '
        .. 'it has slept for [%w.]+ %("sleep#1" at work%.lua:7%) and goes on in 59m 59s\n$'), text)
      assert.truthy(good("why"):find("the next run wakes in 59m", 1, true))
      good("cancel", "why-1")
      assert.truthy(good("why", "bad-1"):find("it failed .* ago: Child execution failed: card declined\n$"))
    end)
  end)

  it("doctor is silent when all is well, and names what is not", function()
    assert.equal("", good "doctor")
    host.redis:call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    local reply = weir "doctor"
    host.redis:call("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert.equal(1, reply.status)
    assert.truthy(reply.stdout:find("^Redis may evict runs: [^\n]+\n$"))
  end)

  it("stats counts runs, queues and hosts", function()
    local stats = cjson.decode(good("stats", "--json"))
    assert.is_true(stats.runs.roots > 0)
    assert.is_true(stats.hosts[1].alive)
    assert.equal(2, stats.hosts[1].workers)
    assert.equal("everysec", stats.redis.durability)
    assert.truthy(good("stats"):find("hosts      %S+: 2 workers, holding"))
  end)

  it("ends without a word when its reader has ended", function()
    good("start", "child", "--id", "read-1", "--wait")
    for _, command in ipairs { "list", "list --json", "show read-1", "why", "stats --json", "cancel read-1 --json" } do
      -- the pipe is full, and then closed, before the command is begun
      local pipe = assert(io.popen(([[sh -c 'trap "" PIPE; while echo full; do :; done 2>/dev/null
        WEIR_REDIS=%s %s/weir %s 2>%s/stderr; echo $? >%s/status']]):format(host.redis.url, support.build, command,
        folder, folder)))
      pipe:close()
      assert.same({ "141\n", "" }, { support.read(folder .. "/status"), support.read(folder .. "/stderr") }, command)
    end
  end)

  it("says which Redis cannot be reached", function()
    local reply = support.weir("stats", { env = { WEIR_REDIS = "redis://127.0.0.1:1" } })
    assert.equal(69, reply.status)
    assert.truthy(reply.stderr:find("^weir: Redis at redis://127%.0%.0%.1:1/0 cannot be reached: [^\n]+\n$"))
    reply = support.weir("stats", { env = { WEIR_REDIS = "unix:///nowhere/.weir/redis.sock" } })
    assert.equal(69, reply.status)
    assert.truthy(reply.stderr:find("is weir dev running, or is another meant", 1, true))
  end)

  describe("on a terminal", function()
    it("draws a tree that moves, and leaves it above the result", function()
      local text = host:on_terminal({}, "start", "parent", "--wait", "--id", "tty-1", "--data",
        '{"pause":"400ms"}')
      assert.truthy(text:find("\27%[%dA"), text) -- drawn anew in place
      assert.truthy(text:find("\27[36m●", 1, true), text)
      assert.truthy(text:find("\27[32m✓", 1, true), text)
      assert.truthy(text:find('{"pause":"400ms"}\n$'), text)
    end)

    it("without colours where NO_COLOR asks for that", function()
      local text = host:on_terminal({ env = { NO_COLOR = "1" } }, "start", "parent", "--wait", "--id", "tty-2",
        "--data", '{"pause":"300ms"}')
      assert.is_nil(text:find("\27%[[%d;]*m"), text)
      assert.truthy(text:find("● sleep#1", 1, true), text)
    end)

    it("keeps to its width, and keeps what can be copied", function()
      good("start", "parent", "--id", "narrow-terminal", "--wait")
      for _, words in ipairs { { "list", "--match", "narrow" }, { "show", "narrow-terminal" } } do
        local text = host:on_terminal({ columns = 40 }, table.unpack(words)):gsub("\27%[[%d;]*%a", "")
        assert.truthy(text:find("narrow-terminal", 1, true), text)
        for line in text:gmatch "[^\n]+" do
          assert.is_true(utf8.len(line) <= 40 or line:find "^  state" ~= nil, line)
        end
      end
    end)

    it("shows no tree for what is over at once", function()
      good("start", "child", "--id", "tty-3", "--wait")
      assert.equal("{}\n", (host:on_terminal({}, "wait", "tty-3")))
    end)
  end)
end)

describe("weir run", function()
  lazy_setup(function()
    folder = support.folder()
    support.write(folder .. "/work.lua", WORKFLOWS)
    support.write(folder .. "/single.lua", [[
return require("weir").workflow { id = "alone", run = function(_, data) return data end }
]])
  end)

  lazy_teardown(function() support.remove(folder) end)

  it("prints the result on stdout, what happened on stderr", function()
    local reply = support.weir("run", "parent", "--dir", folder, "--id", "p", "--data", '{"pause":"5ms"}')
    assert.same({ 0, '{"pause":"5ms"}\n' }, { reply.status, reply.stdout })
    assert.truthy(reply.stderr:find("✓ p  parent +%d+ms\n├─ ✓ first   child +%d+ms\n"), reply.stderr)
    assert.truthy(reply.stderr:find("\n└─ ✓ second  child +%d+ms\n"), reply.stderr)
    assert.is_nil(reply.stderr:find("\27", 1, true))
  end)

  it("tells of what changes while it runs", function()
    local reply = support.weir("run", "parent", "--dir", folder, "--id", "p", "--data", '{"pause":"600ms"}')
    assert.truthy(reply.stderr:find("ms  ◌ p/second  waiting\n", 1, true), reply.stderr)
  end)

  it("fails as the run does", function()
    local reply = support.weir("run", "parent", "--dir", folder, "--id", "p", "--data", '{"fail":true}')
    assert.same({ 1, "" }, { reply.status, reply.stdout })
    assert.truthy(reply.stderr:find("\nweir: run p failed: Child execution failed: card declined\n", 1, true))
  end)

  it("takes a file in place of a workflow", function()
    local reply = support.weir("run", folder .. "/single.lua", "--data", "[1]")
    assert.same({ 0, "[1]\n" }, { reply.status, reply.stdout })
    reply = support.weir("run", folder .. "/work.lua")
    assert.equal(64, reply.status)
    assert.truthy(reply.stderr:find("weir run child|elsewhere|parent|verbatim --dir " .. folder, 1, true))
    reply = support.weir("run", folder .. "/none.lua")
    assert.equal(66, reply.status)
  end)
end)
