-- Many runs at once: a file of lines, each of them a run.

local cjson = require "cjson"
local support = require "tests.support"

local WORKFLOWS = [[
local weir = require "weir"

local echo = weir.workflow {
  id = "echo",
  schema = { type = "object", properties = { n = { type = "integer" } } },
  run = function(ctx, data) return data end,
}

local slow = weir.workflow {
  id = "slow",
  run = function(ctx, data)
    ctx:sleep(data.span or "300ms")
    return ctx.run.id
  end,
}

local sharer = weir.workflow {
  id = "sharer",
  run = function(ctx, data)
    local result, info = ctx:invoke { id = "c", workflow = "slow", data = data, dedupe = { key = "k" } }
    return { result, info.id }
  end,
}

return { echo, slow, sharer }
]]

local host, folder

local function weir(...) return host:weir(...) end

local function file(text)
  local path = folder .. "/lines"
  support.write(path, text)
  return path
end

local function count(state)
  local _, runs = weir("list", "--limit", "1000").stdout:gsub("%f[%w]" .. state .. " ", "")
  return runs
end

setup(function()
  folder = support.folder()
  os.execute("mkdir " .. folder .. "/workflows")
  support.write(folder .. "/workflows/echo.lua", WORKFLOWS)
end)

teardown(function() support.remove(folder) end)

before_each(function() host = support.host { folder .. "/workflows" } end)
after_each(function() host:stop() end)

describe("weir start --each", function()
  it("starts a run for each line, and nothing twice when it is given again", function()
    local lines = file '{"n":1}\n\n  {"n":2}  \r\n{"n":1}\n{"n":3}'
    local reply = weir("start", "echo", "--each", lines, "--json")
    assert.same({ 0, "started 4\n" }, { reply.status, reply.stderr })
    assert.same({ started = 4, existed = 0, refused = 0 }, cjson.decode(reply.stdout))
    support.wait_until("all to complete", function() return count "completed" == 4 end)
    reply = weir("start", "echo", "--each", lines)
    assert.same({ 0, "", "started 0, 4 were there already\n" }, { reply.status, reply.stdout, reply.stderr })
  end)

  it("takes a file as other systems write them, and no folder", function()
    local lines = file '\xEF\xBB\xBF{"id":"a"}\r\n\r\n{"id":"b"}\r\n'
    local reply = weir("start", "echo", "--each", lines, "--id-from", "id")
    assert.same({ 0, "started 2\n" }, { reply.status, reply.stderr })
    assert.same({ id = "a" }, host:run("a").data)
    reply = weir("start", "echo", "--data", "@" .. file '\xEF\xBB\xBF{"n":1}', "--id", "marked")
    assert.same({ 0, "marked\n" }, { reply.status, reply.stdout })
    for _, flag in ipairs { "--each", "--graph" } do
      reply = weir("start", flag, folder, flag == "--each" and "echo" or nil)
      assert.same({ 66, "weir: cannot read " .. folder .. ": Is a directory\n" }, { reply.status, reply.stderr })
    end
  end)

  it("reads stdin, numbers the lines with --id, and gives the runs what the flags say", function()
    local reply = weir("start", "echo", "--each", "-", "--id", "p", "--tag", "k=v", "--delay", "1h",
      { stdin = '{"n":1}\n\n{"n":[]}\n' })
    assert.equal(64, reply.status)
    assert.truthy(reply.stderr:find("line 3 of stdin: invalid_data", 1, true), reply.stderr)
    assert.truthy(reply.stderr:find("started 1 by then", 1, true), reply.stderr)
    reply = weir("start", "echo", "--each", "-", "--id", "p", "--tag", "k=v", "--delay", "1h",
      { stdin = '{"n":1}\n\n{"n":3}\n' })
    assert.same({ 0, "started 1, 1 was there already\n" }, { reply.status, reply.stderr })
    local run = host:run "p-3"
    assert.same({ "scheduled", { k = "v" }, { n = 3 } }, { run.state, run.tags, run.data })
  end)

  it("starts nothing of a file that has a bad line", function()
    local reply = weir("start", "echo", "--each", file '{"n":1}\n{"n":2\n')
    assert.same({ 64, "" }, { reply.status, reply.stdout })
    assert.truthy(reply.stderr:find "^weir: line 2 of [^\n]+/lines: it is not valid JSON: [^\n]+\n$", reply.stderr)
    assert.equal("", weir("list").stdout)
  end)

  it("takes the ids from a field", function()
    local reply = weir("start", "echo", "--each", file '{"k":"a"}\n{"k":17}', "--id-from", "k")
    assert.same({ 0, "started 2\n" }, { reply.status, reply.stderr })
    assert.same({ k = 17 }, host:run("17").data)
    reply = weir("start", "echo", "--each", file '{"k":"a"}\n{"k":1.5}', "--id-from", "k")
    assert.equal(64, reply.status)
    assert.matches('line 2 of [^\n]+: field "k", which %-%-id%-from names, must be text or an integer', reply.stderr)
    reply = weir("start", "echo", "--each", file '{"k":"a/b"}', "--id-from", "k")
    assert.truthy(reply.stderr:find('line 1 of [^\n]+: field "k": id "a/b" must not contain "/"'), reply.stderr)
  end)

  it("refuses a line whose id is there with other data; the others stand", function()
    weir("start", "echo", "--id", "a", "--data", '{ "k": "a", "n": 1 }')
    local reply = weir("start", "echo", "--each", file '{"k":"a","n":1}\n{"k":"a","n":2}\n{"k":"b"}', "--id-from", "k")
    assert.equal(64, reply.status)
    assert.truthy(reply.stderr:find('line 2 of [^\n]+: duplicate_id: there is a run "a" already, of other data'),
      reply.stderr)
    assert.truthy(reply.stderr:find("started 1, 1 was there already, 1 refused", 1, true), reply.stderr)
    assert.truthy(host:run "b")
  end)

  it("takes a line longer than what is read at once, and refuses what is too large", function()
    local long = ('{"text":"%s"}'):format(("x"):rep(300000))
    local reply = weir("start", "echo", "--each", file(long .. "\n" .. long), "--id", "long")
    assert.same({ 0, "started 2\n" }, { reply.status, reply.stderr })
    assert.equal(300000, #host:run("long-2").data.text)
    reply = weir("start", "echo", "--each", file(('"%s"'):format(("x"):rep(17 * 1024 * 1024))))
    assert.equal(64, reply.status)
    assert.truthy(reply.stderr:find("line 1 of [^\n]+: payload_too_large"), reply.stderr)
  end)

  it("refuses what is meant for one run", function()
    for _, flags in ipairs { { "--wait" }, { "--data", "{}" }, { "--dedupe", "k" } } do
      local reply = weir("start", "echo", "--each", file "{}", table.unpack(flags))
      assert.equal(64, reply.status)
      assert.truthy(reply.stderr:find(flags[1] .. " is for one run", 1, true), reply.stderr)
    end
  end)

  it("says no such workflow, no such file", function()
    assert.equal(66, weir("start", "ecko", "--each", file "{}").status)
    assert.equal(66, weir("start", "echo", "--each", folder .. "/none").status)
  end)

  it("starts what comes down a pipe as it comes, also when its connection was cut and the script flushed", function()
    local pipe = folder .. "/pipe"
    os.execute("mkfifo " .. pipe)
    local command = io.popen(("WEIR_REDIS=%s %s/weir start echo --each %s --id s 2>&1"):format(host.redis.url,
      support.build, pipe))
    local lines = io.open(pipe, "w")
    for i = 1, 600 do lines:write(('{"n":%d}\n'):format(i)) end
    lines:flush()
    host:wait_for("s-600", "completed")
    host.redis:call("SCRIPT", "FLUSH")
    host.redis:call("CLIENT", "KILL", "TYPE", "normal")
    for i = 601, 2000 do lines:write(('{"n":%d}\n'):format(i)) end
    lines:close()
    assert.equal("started 2,000\n", command:read "a")
    assert.is_true(command:close())
    host:wait_for("s-2000", "completed")
  end)

  it("says how far it came when it is interrupted", function()
    local pipe = folder .. "/pipe2"
    os.execute("mkfifo " .. pipe)
    local process = support.process({ support.build .. "/weir", "start", "echo", "--redis", host.redis.url,
      "--each", pipe, "--id", "i" })
    local lines = io.open(pipe, "w")
    lines:write('{"n":1}\n{"n":2}\n')
    lines:flush()
    host:wait_for("i-2", "completed")
    local status, stderr = process:stop "INT"
    lines:close()
    assert.equal(130, status)
    assert.equal("weir: interrupted; started 2 by then, sent again they are not started twice\n", stderr)
  end)
end)

describe("dedupe", function()
  it("gives parents of different trees one child, and each its result", function()
    weir("start", "sharer", "--id", "p")
    weir("start", "sharer", "--id", "q")
    local p, q = host:wait_for("p", "completed"), host:wait_for("q", "completed")
    assert.same(p.result, q.result)
    local child = p.result[1]
    assert.truthy(child == "p/c" or child == "q/c", child)
    assert.same({ child, child }, p.result)
    assert.same({ child, child }, { p.operations[1].run, q.operations[1].run })
    assert.is_nil(host:run(child == "p/c" and "q/c" or "p/c"))
    assert.same({ 0, "" }, { weir("doctor").status, weir("doctor").stdout })
  end)

  it("lets a run that was started go on when one that waits for it is cancelled, also by another host", function()
    weir("start", "slow", "--id", "one", "--dedupe", "k", "--data", '{"span":"1h"}')
    weir("start", "sharer", "--id", "p")
    host:wait_for("p", "waiting")
    host:kill()
    host:start()
    weir("cancel", "p")
    local p = host:wait_for("p", "cancelled")
    assert.same({ "cancelled", "one" }, { p.operations[1].state, p.operations[1].run })
    assert.equal("waiting", host:run("one").state)
  end)

  it("of start names the earlier run", function()
    local first = weir("start", "slow", "--dedupe", "k")
    local again = weir("start", "slow", "--dedupe", "k")
    assert.same({ 0, first.stdout }, { again.status, again.stdout })
    assert.truthy(again.stderr:find("has that dedupe key already", 1, true), again.stderr)
    assert.same({ 0, "" }, { first.status, first.stderr })
    assert.are_not.equal(first.stdout, weir("start", "slow", "--dedupe", "other").stdout)
  end)

  it("of start refuses an empty key, and a time without a key", function()
    assert.truthy(weir("start", "slow", "--within", "1h").stderr:find("it needs --dedupe KEY", 1, true))
    assert.equal(64, weir("start", "slow", "--dedupe", "").status)
  end)
end)

describe("weir start --graph", function()
  local GRAPH = [[
{ "name": "one / two", "nodes": [
    { "key": "a", "workflow": "echo", "data": { "n": 1 } },
    { "key": "b", "workflow": "echo", "data": { "n": 2 }, "depends_on": ["a"] } ] }
]]

  it("starts it under its name, and the same again is the same", function()
    local reply = weir("start", "--graph", file(GRAPH))
    assert.same({ 0, "one-two\n", "" }, { reply.status, reply.stdout, reply.stderr })
    local run = host:wait_for("one-two", "completed")
    assert.same({ "weir.graph", "completed", "completed" },
      { run.workflow, run.operations[1].state, run.operations[2].state })
    assert.equal("one-two\n", weir("start", "--graph", "-", { stdin = GRAPH }).stdout)
    reply = weir("start", "--graph", file((GRAPH:gsub('"n": 2', '"n": 3'))))
    assert.equal(64, reply.status)
    assert.truthy(reply.stderr:find "duplicate_id", reply.stderr)
    reply = weir("start", "--graph", file(GRAPH), "--id", "other", "--wait", "--tag", "k=v")
    assert.same({ 0, '{"b":{"n":2}}\n' }, { reply.status, reply.stdout })
    assert.same({ k = "v" }, host:run("other").tags)
  end)

  local function refused(status, text, ...)
    local reply = weir("start", "--graph", "-", { stdin = text })
    assert.same({ status, "" }, { reply.status, reply.stdout }, reply.stderr)
    for _, words in ipairs { ... } do assert.truthy(reply.stderr:find(words, 1, true), reply.stderr) end
    assert.equal("", weir("list").stdout)
  end

  it("names every fault, and starts nothing", function()
    local function two(a, b)
      return ('{"nodes":[{"key":"a","workflow":"echo","depends_on":["%s"]},'
        .. '{"key":"b","workflow":"echo","depends_on":["%s"]}]}'):format(a, b)
    end
    refused(64, two("c", "b"), 'node "a" depends on "c", which is no node', 'node "b" depends on itself')
    refused(64, two("b", "a"), "a -> b -> a")
    refused(64, '{"nodes":{}}', "nodes")
    refused(64, '{"name":"x"}', "nodes is missing: a graph is a list of nodes")
    refused(64, '{"nodes":[{"key":"a"}]}', 'node "a": workflow is missing')
    refused(64, "[]", "must be an object")
    refused(64, '{"nodes":[', "stdin is not valid JSON")
    refused(64, "", "stdin is empty")
  end)

  it("names the unknown workflows, with the nearest", function()
    refused(66, '{"nodes":[{"key":"a","workflow":"ecko"},{"key":"b","workflow":"nothing-like-it"}]}',
      'node "a" runs workflow "ecko", which no host has announced (did you mean "echo"?)',
      'node "b" runs workflow "nothing-like-it"')
    local reply = weir("start", "--graph", "-", "--any", "--id", "x",
      { stdin = '{"nodes":[{"key":"a","workflow":"ecko"}]}' })
    assert.same({ 0, "x\n" }, { reply.status, reply.stdout })
  end)

  it("takes 10,000 nodes", function()
    local nodes = {}
    for i = 1, 10000 do
      nodes[i] = ('{"key":"n%d","workflow":"echo","data":{"n":%d}%s}'):format(i, i,
        i > 1 and (',"depends_on":["n%d"]'):format(i // 2) or "")
    end
    local path = file('{"name":"big","nodes":[' .. table.concat(nodes, ",") .. "]}")
    local reply = weir("start", "--graph", path, "--wait")
    assert.equal(0, reply.status, reply.stderr)
  end)

  it("refuses what goes with a workflow", function()
    for _, words in ipairs { { "echo" }, { "--data", "{}" }, { "--each", "-" } } do
      assert.equal(64, weir("start", "--graph", file(GRAPH), table.unpack(words)).status)
    end
  end)
end)
