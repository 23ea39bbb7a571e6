-- Looking at graphs: on the real binary and a real Redis, with a terminal and without.

local cjson = require "cjson"
local support = require "tests.support"

local WORKFLOWS = [[
local weir = require "weir"

local job = weir.workflow {
  id = "job",
  run = function(ctx, data)
    if data.pause then ctx:sleep(data.pause) end
    if data.fail then error(weir.fatal(data.fail)) end
    return 1
  end,
}

local diamond = weir.graph {
  id = "diamond",
  nodes = function(input)
    return {
      { key = "start", workflow = "job" },
      { key = "left", workflow = "job", depends_on = { "start" }, data = { pause = input.pause, fail = input.fail } },
      { key = "right", workflow = "job", depends_on = { "start" }, data = { pause = "1ms" } },
      { key = "merge", workflow = "job", depends_on = { "left", "right" } },
    }
  end,
}

local fan = weir.graph {
  id = "fan",
  nodes = function(input)
    local nodes, keys = {}, {}
    for i = 1, input.n do
      keys[i] = "item-" .. i
      nodes[i] = { key = keys[i], workflow = "job", data = { pause = "1ms" } }
    end
    nodes[#nodes + 1] = { key = "sum", workflow = "job", depends_on = keys, data = { pause = "300ms" } }
    return nodes
  end,
}

return { job, diamond, fan }
]]

local host

local function weir(...) return host:weir(...) end

-- The text that a command wrote on a terminal, without colours.
local function on_terminal(...)
  local text, status = host:on_terminal({ env = { NO_COLOR = "1" } }, ...)
  return text:gsub("\27%[K", ""), status
end

describe("a graph", function()
  lazy_setup(function() host = support.host_of({ ["work.lua"] = WORKFLOWS }, { flags = { "--workers", "2" } }) end)

  lazy_teardown(function() host:stop() end)

  it("is drawn, with its critical path and what failed", function()
    local data = '{"pause":"50ms","fail":"broken"}'
    assert.equal(1, weir("start", "diamond", "--id", "d1", "--wait", "--data", data).status)
    local text = weir("show", "d1").stdout
    assert.truthy(text:find("\n✓ start [%d.]+m?s ━[^ ]+ ✗ left [%d.]+m?s [^ ]+ · merge\n"), text)
    assert.truthy(text:find("\ncritical path  start → ", 1, true), text)
    assert.truthy(text:find("\n✗ left  broken\n", 1, true), text)
    assert.truthy(text:find("\n4 nodes: 2 completed, 1 failed, 1 pending\n", 1, true), text)
  end)

  it("says why a node was not started, and what depends on what", function()
    weir("start", "diamond", "--id", "d2", "--wait", "--data", '{"fail":"broken"}')
    assert.equal("d2/merge: it is not started: it depends on d2/left, which failed: broken; "
      .. "weir retry d2/left goes on\n", weir("why", "d2/merge").stdout)
    for _, command in ipairs { "show", "wait", "cancel", "delete" } do
      local reply = weir(command, "d2/merge")
      assert.same({ 66, "weir: d2/merge is no run yet: the node has not begun; weir why d2/merge\n" },
        { reply.status, reply.stderr })
    end
    assert.equal(0, weir("delete", "d2/start").status)
    assert.equal('weir: there is no run "d2/start"; weir list shows the runs\n', weir("show", "d2/start").stderr)
    assert.same({ run = "d2/merge", depends_on = { "d2/left", "d2/right" }, required_by = {} },
      cjson.decode(weir("deps", "d2/merge", "--json").stdout))
    local reply = weir("deps", "d2/mergee")
    assert.equal('weir: graph "d2" has no node "mergee"; did you mean d2/merge?\n', reply.stderr)
    assert.equal(66, reply.status)
    weir("start", "job", "--id", "j1", "--wait")
    assert.equal(1, weir("deps", "j1").status)
  end)

  it("is printed for Graphviz, and so is the tree of any other run", function()
    weir("start", "diamond", "--id", "d3", "--wait", "--data", '{"pause":"1ms"}')
    local text = weir("show", "d3", "--dot").stdout
    for _, edge in ipairs { '"start" -> "left"', '"start" -> "right"', '"left" -> "merge"', '"right" -> "merge"' } do
      assert.truthy(text:find(edge, 1, true), text)
    end
    assert.truthy(weir("show", "d3/left", "--dot").stdout:find('^digraph "d3/left" {\n'))
    assert.equal(64, weir("show", "d3", "--dot", "--json").status)
  end)

  it("is drawn anew in place until it has ended, on a terminal only", function()
    assert.equal(64, weir("show", "d3", "--watch").status)
    weir("start", "diamond", "--id", "d4", "--data", '{"pause":"700ms"}')
    local text, status = on_terminal("show", "d4", "--watch")
    assert.equal(0, status)
    assert.truthy(text:find("\27%[%dA"), text)
    assert.truthy(text:find("◌ left", 1, true), text)
    assert.truthy(text:find("%d+%%  %d of 4 nodes, 1 running"), text)
    assert.truthy(text:find("\n  state     ✓ completed", 1, true), text)
    assert.truthy(text:find("\n4 nodes: 4 completed\n", 1, true), text)
  end)

  it("has a bar below it while a client waits, and nothing without a terminal", function()
    weir("start", "diamond", "--id", "d5", "--data", '{"pause":"600ms"}')
    local text, status = on_terminal("wait", "d5")
    assert.equal(0, status)
    assert.truthy(text:find("░  %d+%%  %d of 4 nodes, 1 running  "), text)
    assert.truthy(text:find('{"merge":1}\n$'), text)
    weir("start", "diamond", "--id", "d6", "--data", '{"pause":"200ms"}')
    local reply = weir("wait", "d6")
    assert.same({ 0, '{"merge":1}\n', "" }, { reply.status, reply.stdout, reply.stderr })
  end)

  it("of many nodes is only counted while it goes on", function()
    weir("start", "fan", "--id", "f1", "--data", '{"n":3000}')
    local text = on_terminal("wait", "f1")
    assert.truthy(text:find("%d+%%  [%d,]+ of 3,001 nodes, "), text)
    assert.truthy(text:find("100%  3,001 of 3,001 nodes", 1, true), text)
    assert.is_nil(text:find("item-", 1, true))
    local shown = weir("show", "f1").stdout
    assert.truthy(shown:find("\n3,001 nodes: 3,001 completed\n", 1, true), shown)
    assert.truthy(shown:find("\nstage 1  ✓ item-", 1, true), shown)
  end)
end)
