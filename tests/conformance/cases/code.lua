-- Newer code: which attempts run it, what may change, and what is a mismatch.

local ONE = "retry = { attempts = 1 },"

-- A bug, the newer code, a retry.
local function repaired(code)
  return { { "start", "r" }, { "ends", "r" }, code, { "retry", "r" }, { "ends", "r" } }
end

-- A graph with a node that fails in its first attempt. The newer code changes the `needs` of another node.
local function graph(needs)
  return ([[return weir.graph { id = id, nodes = {
    { key = "a", workflow = "noted", data = 1, %s }, { key = "bad", workflow = "unlucky", data = 5 },
    { key = "c", workflow = "noted", data = 2, depends_on = { "a" } }, { key = "d", workflow = "noted", data = 3 },
  } }]]):format(needs)
end

return {
  { "an attempt goes on with the code that it began with",
    run = [[ pcall(ctx.sleep, ctx, { id = "long", duration = "1d" }) ctx:step("s", function() return "old" end) ]],
    play = { { "start", "r" }, { "waits", "r", "long" },
             { "deploy", run = [[ ctx:sleep { id = "long", duration = "1d" } ]] }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true, expect = { ["r [s]"] = { result = '"old"' } } },
  { "a run that begins later runs the newest code",
    run = [[ return "old" ]],
    play = { { "start", "r.a" }, { "ends", "r.a" }, { "deploy", run = [[ return "new" ]] }, { "start", "r.b" } },
    expect = { ["r.a"] = { result = '"old"' }, ["r.b"] = { result = '"new"' } } },
  { "so does the child of a run that began earlier",
    run = [[
      pcall(ctx.sleep, ctx, { id = "long", duration = "1d" })
      ctx:invoke { id = "c", workflow = id .. "-child" } ]],
    child = [[ return "old" ]],
    play = { { "start", "r" }, { "waits", "r", "long" }, { "deploy", run = [[ return 0 ]], child = [[ return "new" ]] },
             { "cancel", "r" }, { "ends", "r" } },
    cancelled = true, expect = { ["r/c"] = { result = '"new"' } } },
  { "a removed workflow is unknown, except to attempts whose bundle has it", alone = true,
    run = [[
      pcall(ctx.sleep, ctx, { id = "long", duration = "1d" })
      return ctx:invoke { id = "c", workflow = id .. "-child" } ]],
    child = [[ return "old" ]],
    play = { { "start", "r" }, { "waits", "r", "long" },
             { "deploy", run = [[ return ctx:invoke { id = "c", workflow = id .. "-child" } ]] },
             { "start", "r.new" }, { "ends", "r.new" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true,
    expect = { ["r/c"] = { result = '"old"' },
               ["r.new"] = { state = "failed", error = '~"code":"unknown_workflow"' } } },
  { "a retry of a changed graph resets nodes that now depend on the failed node", unordered = true,
    code = graph "",
    play = { { "start", "r" }, { "ends", "r" }, { "deploy", code = graph [[depends_on = { "bad" }]] }, { "retry", "r" },
             { "ends", "r" } },
    result = { c = 2, d = 3 },
    expect = { ["r/bad"] = { attempt = 2 }, ["r/a~2"] = { state = "completed" }, ["r/c~2"] = { state = "completed" },
               ["r/d"] = { state = "completed" } } },
  { "the next attempt does the same",
    fields = 'retry = { attempts = 2, delay = "4s", max_delay = "4s", jitter = false },',
    run = [[ ctx:step("kept", function() return "old" end) error "a bug" ]],
    play = { { "start", "r" }, { "state", "r", "retrying" },
             { "deploy", run = [[ return ctx:step("kept", function() return "new" end) .. " and new" ]] },
             { "ends", "r" } },
    result = "old and new", expect = { r = { attempt = 2 } } },
  { "another operation than the recorded one is a mismatch in an automatic attempt",
    fields = 'retry = { attempts = 2, delay = "4s", max_delay = "4s", jitter = false },',
    run = [[ ctx:step("one", function() return "old" end) error "a bug" ]],
    play = { { "start", "r" }, { "state", "r", "retrying" },
             { "deploy", run = [[ return ctx:step("uno", function() return "new" end) ]] }, { "ends", "r" } },
    fails = "replay_mismatch",
    expect = { r = { attempt = 2, error = '~\\"one\\", step at r.lua:2 %(bundle%), which was not asked for again' },
               ["r [one]"] = { result = '"old"' } } },
  { "an attempt may take another path than the one before, on the same code",
    fields = 'retry = { attempts = 2, delay = "1ms", jitter = false },',
    run = [[
      if ctx.run.attempt == 1 then ctx:step("one", function() return 1 end) error "again" end
      return ctx:step("two", function() return 2 end) ]],
    result = 2 },
  { "operations with ids may be moved, inserted and left out", fields = ONE,
    run = [[
      local a = ctx:step("a", function() return 1 end)
      local b = ctx:invoke { id = "b", workflow = "noted", data = 2 }
      ctx:step("c", function() return 3 end)
      error "a bug" ]],
    play = repaired { "deploy", run = [[
      local b = ctx:invoke { id = "b", workflow = "noted", data = 20 }
      local between = ctx:step("between", function() return "new" end)
      return { b, between, (ctx:step("a", function() return 10 end)) } ]] },
    result = { 2, "new", 1 } },
  { "a step that is an invoke now is a mismatch, with both lines", fields = ONE,
    run = [[ ctx:step("x", function() return 1 end) error "a bug" ]],
    play = repaired { "deploy", run = [[
      local nothing
      return ctx:invoke { id = "x", workflow = "echo" }, nothing ]] },
    fails = "replay_mismatch",
    expect = { r = { error = '~\\"x\\" was step at r.lua:2 %(bundle%), now invoke of \\"echo\\" at r.lua:3 ' } } },
  { "an invoke of another workflow is a mismatch", fields = ONE,
    run = [[ ctx:invoke { id = "x", workflow = "noted" } error "a bug" ]],
    play = repaired { "deploy", run = [[ return (ctx:invoke { id = "x", workflow = "echo" }) ]] },
    fails = "replay_mismatch" },
  { "a numbered sleep of another duration is a mismatch", fields = ONE,
    run = [[ ctx:sleep "1ms" error "a bug" ]],
    play = repaired { "deploy", run = [[ ctx:sleep "2ms" return 1 ]] }, fails = "replay_mismatch" },
  { "a mismatch ends the run even if it is caught", fields = ONE,
    run = [[ ctx:step("x", function() return 1 end) error "a bug" ]],
    play = repaired { "deploy", run = [[ pcall(ctx.invoke, ctx, { id = "x", workflow = "echo" }) return "unharmed" ]] },
    fails = "replay_mismatch" },
}
