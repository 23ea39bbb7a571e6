-- Output for programs: every command that takes --json, going well and failing. Stdout is JSON and nothing else. Errors
-- are the same lines on stderr as without it, and the exit status is the same.

local json = require "weir.json"
local support = require "tests.support"

local WORKFLOWS = [[
local weir = require "weir"

local waits = weir.workflow { id = "waits", run = function(ctx) ctx:sleep "1h" end }
local quick = weir.workflow { id = "quick", run = function(_, data) return data end }

local fails = weir.workflow {
  id = "fails",
  retry = { attempts = 1 },
  run = function(ctx)
    ctx:step("look", function() return true end)
    ctx:step { id = "pay", retry = { attempts = 1 }, run = function() error(weir.error { code = "declined" }) end }
  end,
}

local above = weir.workflow {
  id = "above",
  retry = { attempts = 1 },
  run = function(ctx) return ctx:invoke { id = "child", workflow = "fails" } end,
}

local pair = weir.graph {
  id = "pair",
  nodes = { { key = "a", workflow = "quick" }, { key = "b", workflow = "quick", depends_on = { "a" } } },
}

return { waits, quick, fails, above, pair }
]]

local SPEC = [[
print "noise"
it("holds", function() io.write "noise" end)
it("does not hold", function() io.stdout:write "noise" assert.equal(1, 2) end)
]]

local host, folder

local function weir(...) return host:weir(...) end

local function values_of(text)
  local values = {}
  for line in text:gmatch "[^\n]+" do values[#values + 1] = json.decode(line) end
  assert.truthy(text == "" or text:sub(-1) == "\n")
  return values
end

-- The values that a command prints, one a line; with a status other than 0 it has to say on stderr why.
local function read(status, ...)
  local words = { ... }
  table.insert(words, type(words[#words]) == "table" and #words or #words + 1, "--json")
  local reply = weir(table.unpack(words))
  assert.equal(status, reply.status, reply.stderr)
  return values_of(reply.stdout), reply.stderr
end

local function one(status, ...)
  local values, stderr = read(status, ...)
  assert.equal(1, #values)
  return values[1], stderr
end

local function start(workflow, id, state)
  assert.equal(0, weir("start", workflow, "--id", id).status)
  host:wait_for(id, state)
end

describe("--json", function()
  before_each(function()
    folder = support.folder()
    assert(os.execute(("mkdir '%s/flows' '%s/broken'"):format(folder, folder)))
    support.write(folder .. "/flows/work.lua", WORKFLOWS)
    support.write(folder .. "/broken/bad.lua", "return {\n")
    support.write(folder .. "/bad_spec.lua", SPEC)
    support.write(folder .. "/lines", '{"n":1}\n{"n":2}\n')
    host = support.host({ folder .. "/flows" }, { flags = { "--workers", "1" } })
    start("quick", "done", "completed")
    start("fails", "broken", "failed")
    start("waits", "open", "waiting")
    start("pair", "graph", "completed")
  end)

  after_each(function()
    host:stop()
    support.remove(folder)
  end)

  it("gives JSON and nothing else on stdout, of every command, also when it fails", function()
    local flows, broken = folder .. "/flows", folder .. "/broken"
    -- status, how many values, a field that each has, the command
    for _, row in ipairs {
      { 0, 1, "state", "start", "quick", "--id", "s1" },
      { 0, 1, "result", "start", "quick", "--wait" },
      { 1, 1, "error", "start", "fails", "--wait" },
      { 66, 0, nil, "start", "quikc" },
      { 64, 0, nil, "start", "quick", "--data", "{" },
      { 0, 1, "started", "start", "quick", "--each", folder .. "/lines", "--id", "e" },
      { 66, 0, nil, "start", "quick", "--each", folder .. "/none" },
      { 64, 1, "started", "start", "quick", "--each", "-", { stdin = "{}\n{" } },
      { 0, 1, "result", "run", "quick", "--dir", flows },
      { 1, 1, "error", "run", "fails", "--dir", flows },
      { 66, 0, nil, "run", "quikc", "--dir", flows },
      { 0, 3, "id", "list", "--limit", "3" },
      { 0, 0, nil, "list", "--workflow", "none" },
      { 64, 0, nil, "list", "--state", "faild" },
      { 0, 1, "count", "list", "--group", "error" },
      { 0, 1, "operations", "show", "done" },
      { 66, 0, nil, "show", "none" },
      { 0, 1, "nodes", "deps", "graph" },
      { 0, 1, "depends_on", "deps", "graph/b" },
      { 1, 0, nil, "deps", "done" },
      { 66, 0, nil, "deps", "graph/c" },
      { 0, 1, "result", "wait", "done" },
      { 1, 1, "error", "wait", "broken" },
      { 75, 0, nil, "wait", "open", "--timeout", "1ms" },
      { 66, 0, nil, "wait", "none" },
      { 0, 1, "why", "why" },
      { 0, 1, "why", "why", "open" },
      { 66, 0, nil, "why", "none" },
      { 0, 1, "faults", "doctor" },
      { 0, 1, "hosts", "stats" },
      { 0, 1, "faults", "check", flows },
      { 1, 1, "faults", "check", broken },
      { 66, 0, nil, "check", folder .. "/none" },
      { 0, 1, "version", "version" },
      { 1, 1, "successes", "test", folder .. "/bad_spec.lua" },
      { 66, 0, nil, "test", folder .. "/none_spec.lua" },
      { 64, 0, nil, "cancel" },
      { 64, 0, nil, "cancel", "--workflow", "waits" },
      { 66, 1, "answer", "retry", "none" },
      { 64, 0, nil, "cancel", "open", "a\xff" },
      { 64, 0, nil, "delete", "-", { stdin = "done\na\xff\n" } },
      { 64, 0, nil, "start", "quick", "--tag", "a=\xff" },
    } do
      local status, count, field = row[1], row[2], row[3]
      local said = table.concat(row, " ", 4, type(row[#row]) == "table" and #row - 1 or #row)
      local values, stderr = read(status, table.unpack(row, 4))
      assert.equal(count, #values, said)
      for _, value in ipairs(values) do assert.is_not_nil(value[field], said) end
      if status ~= 0 and count == 0 then assert.truthy(stderr:find "^weir: [^\n]+\n$", said .. ": " .. stderr) end
    end
  end)

  it("tells of a run that was cancelled, and of one that cannot be", function()
    assert.same({ run = "open", answer = "cancelled" }, (one(0, "cancel", "open")))
    host:wait_for("open", "cancelled")
    assert.same({ { run = "open", answer = "ended", state = "cancelled",
                    message = "run open has ended: it is cancelled" }, "weir: run open has ended: it is cancelled\n" },
      { one(1, "cancel", "open") })
    local values = read(66, "cancel", "done", "none")
    assert.same({ "done", "ended", "none", "missing" },
      { values[1].run, values[1].answer, values[2].run, values[2].answer })
  end)

  it("tells what a retry resets and keeps, and which runs begin again with it", function()
    local told, stderr = one(0, "retry", "broken")
    local sentence = "run broken begins again: reset pay; kept look"
    assert.matches("^%x+$", told.bundle)
    told.bundle = nil
    assert.same({ { run = "broken", answer = "retried", reset = { "pay" }, kept = { "look" }, above = {},
                    message = sentence }, sentence .. "\n" }, { told, stderr })
    start("above", "top", "failed")
    assert.same({ "top" }, one(0, "retry", "top/child").above)
    assert.same({ "live", "waiting" }, { one(1, "retry", "open").answer, one(1, "retry", "open").state })
    host:wait_for("broken", "failed")
    told, stderr = one(66, "retry", "broken", "--from", "pya")
    assert.same({ "refused", 'weir: run broken has no operation "pya"; did you mean "pay"?\n' },
      { told.answer, stderr })
  end)

  it("tells of a run that was deleted, and of one that cannot be", function()
    assert.same({ run = "done", answer = "deleted" }, (one(0, "delete", "done")))
    assert.same({ "live", "waiting" }, { one(1, "delete", "open").answer, one(1, "delete", "open").state })
    assert.equal("missing", one(66, "delete", "done").answer)
  end)

  it("counts what was done to those that a SELECTOR means, or stdin, and names those that were refused", function()
    local told, stderr = one(0, "cancel", "--roots", "--yes")
    assert.same({ { cancelled = 1, skipped = 3, missing = 0, refused = 0, left = 0, faults = {} },
                  "cancelled 1, 3 had ended already\n" }, { told, stderr })
    told = one(66, "retry", "-", { stdin = "broken\ndone\nnone\n" })
    assert.same({ 1, 1, 1, 0 }, { told.retried, told.refused, told.missing, told.left })
    assert.same({ "done", "refused", "none", "missing" },
      { told.faults[1].run, told.faults[1].answer, told.faults[2].run, told.faults[2].answer })
    assert.truthy(told.faults[1].message:find "^run done has completed")
    host:wait_for("broken", "failed")
    for _, count in ipairs { 4, 0 } do assert.equal(count, one(0, "delete", "--roots", "--yes").deleted) end
  end)

  it("counts what was done by then when it is interrupted", function()
    start("waits", "other", "waiting")
    local process = support.process({ support.build .. "/weir", "cancel", "--workflow", "waits", "--yes", "--rate",
      "1/m", "--json" }, { WEIR_REDIS = host.redis.url })
    support.wait_until("the first", function() return host:run("other").state == "cancelled" end)
    process:signal "INT"
    assert.equal(130, process:wait())
    local told = values_of(process:stdout())
    assert.same({ 1, 1 }, { told[1].cancelled, told[1].left })
    process:stop()
  end)

  it("with --dry-run gives a line for each id, which the same command takes from stdin", function()
    local reply = weir("cancel", "--roots", "--dry-run", "--json")
    assert.same({ '{"run":"open","would":"cancel"}\n', "would cancel 1 run; 3 others not in a state for it\n" },
      { reply.stdout, reply.stderr })
    assert.equal("waiting", host:run("open").state)
    assert.equal(1, one(0, "cancel", "-", { stdin = reply.stdout }).cancelled)
  end)

  it("of test tells each fault, and which lines did not run", function()
    support.write(folder .. "/good_spec.lua", 'it("holds", function() end)\n')
    local told, stderr = one(1, "test", folder .. "/bad_spec.lua", folder .. "/good_spec.lua", "--coverage")
    assert.same({ 2, 1, 0, 0, {} }, { told.successes, told.failures, told.errors, told.pending, told.coverage })
    assert.same({ "does not hold", "failure", 3 }, { told.faults[1].name, told.faults[1].kind, told.faults[1].line })
    assert.truthy(stderr:find "noise")
  end)
end)
