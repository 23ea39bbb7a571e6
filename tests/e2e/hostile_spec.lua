-- Data that outsiders send to make a host busy: it ends one run. The host has a single worker, and its watchdog ends it
-- when the worker is kept for 5 s, so it is alive afterwards only if the worker was never busy for long.

local facts = require "tests.facts"
local json = require "weir.json"
local support = require "tests.support"

local WORKFLOWS = [[
local weir = require "weir"

local function once(id, schema, run)
  return weir.workflow { id = id, schema = schema, retry = { attempts = 1 }, run = run or function() return "done" end }
end

local properties = {}
for name in ("order amount currency customer address city zip street phone note"):gmatch "%a+" do
  properties[name] = true
end

return {
  once("closed", { type = "object", additionalProperties = false, properties = properties }),
  once("sleeper", nil, function(ctx, data) ctx:sleep(data.delay) end),
  once("mail", { properties = { email = { type = "string", maxLength = 100, pattern = "[a-z0-9._]+@[a-z0-9.]+" } } }),
  once("unbounded", { properties = { email = { type = "string", pattern = "[a-z0-9._]+@[a-z0-9.]+" } } }),
  once("blank", { properties = { email = { type = "string", pattern = "\\s+$" } } }),
  once("list", { properties = { items = { type = "array", items = { type = "string" } } } }),
  once("loud", nil, function() error(("x"):rep(60000000)) end),
  once("calls", nil, function() while true do local _ = ("x"):rep(20000000) end end),
  once("ring", nil, function(ctx) return ctx:invoke { id = "again", workflow = "ring" } end),
  once("passes", nil, function(ctx, data) return ctx:invoke { id = "child", workflow = data.to, data = data.data } end),
  once("gated", nil, function(ctx) ctx:sleep "1ms" return "through" end),
  once("echo", nil, function(_, data) return data end),
}
]]

describe("a host", function()
  local folder, host, store

  lazy_setup(function()
    folder = support.folder()
    support.write(folder .. "/hostile.lua", WORKFLOWS)
    host = support.host({ folder }, { flags = { "--workers", "1", "--max-stuck", "5s", "--max-cpu", "1s" } })
    store = facts.of(host.redis)
  end)

  lazy_teardown(function()
    store:close()
    host:stop()
    support.remove(folder)
  end)

  -- The run and one that passes such data on to a child fail, and a run that came behind them has ended, too.
  local function fails(name, code, part, workflow, data)
    store:start(name .. "-passed", "passes", { to = workflow, data = data })
    store:start(name, workflow, data)
    store:start(name .. "-behind", "gated", {})
    assert.equal('"through"', store:ended(name .. "-behind").result)
    local run, above = store:ended(name), store:ended(name .. "-passed")
    assert.equal(code, run.error.code, run.error.message)
    assert.is_truthy(run.error.message:find(part, 1, true), run.error.message)
    assert.equal("failed", above.state)
    assert.is_nil(host.process:status(), host.process:stderr())
    for _, id in ipairs { name, name .. "-passed" } do store:say("delete", id) end -- the last stories list what is left
    return run
  end

  it("is not kept by 100,000 fields that a schema does not allow", function()
    local data = {}
    for i = 0, 99999 do data[("addr%06d"):format(i)] = 1 end
    fails("fields", "invalid_data", "and 99990 more", "closed", data)
  end)

  it("is not kept by a duration of 100,000 digits", function()
    fails("digits", "error", "a duration has at most 64 bytes", "sleeper", { delay = ("1"):rep(100000) })
  end)

  it("is not kept by a text that a pattern tries at each place", function()
    local email = ("a"):rep(400000) .. "@!"
    fails("mail", "invalid_data", "must have at most 100 characters, has 400002", "mail", { email = email })
    fails("unbounded", "invalid_data", "cannot be matched", "unbounded", { email = email })
    fails("blank", "invalid_data", "cannot be matched", "blank", { email = (" "):rep(80000) .. "x" })
  end)

  it("is not kept by 500,000 items that are wrong", function()
    local items = json.array {}
    for i = 1, 500000 do items[i] = 1 end
    local run = fails("items", "invalid_data", "and 499990 more", "list", { items = items })
    assert.equal(11, #run.error.details)
  end)

  it("is not kept by keys that are nearly alike", function()
    local nodes, tail = json.array {}, ("z"):rep(400)
    for i = 1, 300 do nodes[i] = { key = ("k%03d"):format(i) .. tail, workflow = "gated" } end
    nodes[1].depends_on = json.array {}
    for i = 1, 10 do nodes[1].depends_on[i] = ("q%03d"):format(i) .. tail end
    fails("keys", "invalid_data", "which is no node", "weir.graph", { nodes = nodes })
  end)

  if not support.build:find "tsan" then -- it keeps signals back
    it("is not kept by a loop over calls of C", function()
      fails("calls", "cpu_limit", "without waiting", "calls", {})
    end)
  end

  it("keeps little of an error, however long it is and however deep it came from", function()
    local run = fails("loud", "error", "bytes in all)", "loud", {})
    assert.is_true(#run.error.message < 70000)
    local before = tonumber(host.redis:call("info", "memory"):match "used_memory:(%d+)")
    store:start("ring", "ring", {})
    store:ended "ring"
    local after = tonumber(host.redis:call("info", "memory"):match "used_memory:(%d+)")
    assert.is_true(after - before < 1500000, after - before)
  end)

  it("hands out results that a terminal does not obey", function()
    store:start("results", "echo", { a = "\u{9B}31m\x7F\u{202E}é" })
    store:ended "results"
    assert.equal('{"a":"\\u009b31m\\u007f\\u202eé"}\n', (host:on_terminal({}, "wait", "results")))
    assert.equal('{"a":"\u{9B}31m\x7F\u{202E}é"}\n', host:weir("wait", "results").stdout)
  end)

  it("hides no run behind one whose record is odd", function()
    store:start("odd", "echo", {})
    store:ended "odd"
    store:call("HSET", store.key .. "r:odd", "created_at", "x", "seed", "\xff")
    local reply = host:weir("list", "--limit", "100")
    assert.equal(0, reply.status, reply.stderr)
    assert.is_truthy(reply.stdout:find("\ncompleted  odd ", 1, true), reply.stdout)
    assert.is_truthy(reply.stdout:find("fields-behind", 1, true), reply.stdout)
    reply = host:weir("list", "--json", "--limit", "100", "--workflow", "gated")
    assert.equal(0, reply.status, reply.stderr)
    reply = host:weir("list", "--json", "--limit", "100", "--roots")
    assert.equal(0, reply.status, reply.stderr)
    assert.is_truthy(reply.stderr:find("the record of run odd cannot be read", 1, true), reply.stderr)
    assert.is_truthy(reply.stdout:find('"id":"fields-behind"', 1, true))
    assert.is_truthy(host:weir("doctor").stdout:find('odd: its created_at is "x", which is no time', 1, true))
  end)

  it("loses no run by an id that was printed", function()
    local id = "alpha "
    for _, name in ipairs { "alpha", id, '{"id":"alpha"}' } do
      store:start(name, "echo", {})
      store:ended(name)
    end
    for _, name in ipairs { id, '{"id":"alpha"}' } do
      local printed = host:weir("delete", name, "--dry-run").stdout
      assert.equal(0, host:weir("delete", "-", "--yes", { stdin = printed }).status)
      assert.is_nil(store:run(name))
    end
    assert.is_not_nil(store:run "alpha")
  end)
end)
