-- Each verb of ctx, and each of its options.

return {
  { "a child that only computes",
    run = [[ return ctx:invoke { id = "d", workflow = "double", data = { value = 21 } } ]],
    result = 42, expect = { ["r/d"] = { state = "completed", result = "42" } } },
  { "a child that waits",
    run = [[ return ctx:invoke { id = "n", workflow = "nap", data = { ms = 3, value = "v" } } ]], result = "v" },
  { "a child without data gets an empty object", run = [[ return ctx:invoke { workflow = "echo" } ]],
    expect = { r = { result = "{}" }, ["r [invoke#1]"] = { run = "r/invoke#1" } } },
  { "a child's result comes with its run and its attempts",
    run = [[
      local value, info = ctx:invoke { id = "f", workflow = "flaky" }
      return { value, info.id == ctx.run.id .. "/f", info.attempts, info.started_at <= info.finished_at } ]],
    result = { 3, true, 3, true } },
  { "encode and decode stand in for JSON",
    run = [[ return ctx:invoke { id = "e", workflow = "echo", data = { 1, 2 },
        encode = function(list) return '{"sum":' .. list[1] + list[2] .. "}" end,
        decode = function(text) return "as text: " .. text end } ]],
    result = 'as text: {"sum":3}' },
  { "encode must return JSON",
    run = [[ return ctx:invoke { id = "e", workflow = "echo", data = 1, encode = function() return "{" end } ]],
    fails = "payload_invalid" },
  { "decode may fail",
    run = [[ return ctx:invoke { id = "e", workflow = "echo", decode = function() error("unreadable", 0) end } ]],
    fails = "payload_invalid" },
  { "a detached child is not waited for, and outlives its run",
    run = [[ return ctx:invoke { id = "d", workflow = "nap", data = { ms = 5 }, detached = true } ]],
    result = "r/d", expect = { ["r/d"] = { state = "completed", detached = true } } },
  { "no operation gets the failure of a detached child",
    run = [[
      ctx:invoke { id = "d", workflow = "fails", detached = true }
      ctx:sleep "5ms"
      return "fine" ]],
    result = "fine", expect = { ["r/d"] = { state = "failed" } } },
  { "a delayed child starts later",
    run = [[ return ctx:invoke { id = "d", workflow = "echo", data = 1, delay = "5ms" } ]], result = 1 },
  { "a delay that is longer than the timeout",
    run = [[ return ctx:invoke { id = "d", workflow = "echo", delay = "1d", timeout = "5ms" } ]], fails = "timeout",
    expect = { ["r/d"] = { state = "cancelled" } } },
  { "a child gets a priority", run = [[ return ctx:invoke { id = "p", workflow = "noted", priority = 7 } ]],
    expect = { ["r/p"] = { state = "completed", priority = 7 } } },
  { "a child gets a queue", run = [[ return ctx:invoke { id = "q", workflow = "noted", queue = "slow lane" } ]],
    expect = { ["r/q"] = { state = "completed", queue = "slow lane" } } },
  { "a workflow's own queue and priority", fields = 'queue = "own", priority = -3,', run = [[ return 1 ]],
    result = 1, expect = { r = { queue = "own", priority = -3 } } },
  { "an invoke's retry replaces the child's own",
    run = [[ return ctx:invoke { id = "f", workflow = "flaky", retry = { attempts = 2, delay = "1ms" } } ]],
    fails = "child_failed", expect = { ["r/f"] = { attempt = 2 } } },
  { "a misspelt option of retry is refused with a suggestion",
    fields = "retry = { attempts = 1 },",
    run = [[ return ctx:invoke { id = "f", workflow = "flaky", retry = { attemps = 2 } } ]],
    fails = "error", expect = { r = { error = "~did you mean" } } },
  { "a child that is spawned, awaited and settled",
    run = [[
      local one = ctx:spawn { id = "one", workflow = "double", data = { value = 1 } }
      local two = ctx:spawn { id = "two", workflow = "fails" }
      local settled = two:settle()
      return { one:await(), settled.ok, settled.error.code, (one:await()) } ]],
    unordered = true, result = { 2, false, "child_failed", 2 } },
  { "a run waits for a child that it did not await",
    run = [[ ctx:spawn { id = "late", workflow = "nap", data = { ms = 10 } } return "early" ]],
    result = "early", expect = { ["r/late"] = { state = "completed" } } },
  { "the failure of a child that no branch awaits is shown, not raised",
    run = [[ ctx:spawn { id = "late", workflow = "fails" } return "early" ]],
    result = "early", expect = { ["r [late]"] = { state = "failed" } } },
  { "a run that fails cancels the children it did not await",
    fields = "retry = { attempts = 1 },",
    run = [[ ctx:spawn { id = "long", workflow = "day" } ctx:sleep "400ms" error "no" ]],
    fails = "error", expect = { ["r/long"] = { state = "cancelled" } } },
  { "a step runs once, and its result is recorded",
    run = [[ return ctx:step("s", function() return { 1, "two" } end) ]],
    result = { 1, "two" } },
  { "a step, a child or a winning branch that returns nothing, or null, gives nil",
    run = [[
      local won, key = ctx:race { branch = function() end }
      return { type(ctx:step("s", function() end)), type(ctx:step("null", function() return weir.null end)),
        type((ctx:invoke { id = "n", workflow = "noted", data = weir.null })), type(ctx:spawn { id = "c",
        workflow = id .. "-child" }:await()), type(won), key } ]],
    child = [[ ctx:sleep "2ms" ]],
    result = { "nil", "nil", "nil", "nil", "nil", "branch" } },
  { "within the results of all and settle null is weir.null",
    run = [[
      local list = ctx:all { function() return 1 end, function() end, ctx:spawn { id = "n", workflow = "noted",
        data = weir.null } }
      local settled = ctx:settle { function() end }
      return { list, settled, list[2] == weir.null, settled[1].value == weir.null } ]],
    expect = { r = { result = '[[1,null,null],[{"ok":true,"value":null}],true,true]' } } },
  { "a graph's node that returned nothing is nil, and weir.null where it stands in a table",
    code = [[ return {
      weir.workflow { id = id .. "-none", run = function(ctx) ctx:sleep "1ms" end },
      weir.workflow { id = id .. "-reads", run = function(ctx)
        local deps, walked = ctx.deps, nil
        for _, value in pairs(deps) do walked = value == weir.null end
        return { type(deps.none), deps("none").value == weir.null, walked }
      end },
      weir.graph { id = id, nodes = {
        { key = "none", workflow = id .. "-none" },
        { key = "reads", workflow = id .. "-reads", depends_on = { "none" } },
        { key = "given", workflow = "noted", depends_on = { "none" },
          data = function(_, deps) return { type(deps.none), deps("none").value == weir.null } end },
      } },
    } ]],
    result = { given = { "nil", true }, reads = { "nil", true, true } } },
  { "a step that returns several values fails at once", fields = 'retry = { attempts = 3, delay = "1ms" },',
    run = [[ ctx:step("s", function() return 1, 2 end) ]],
    fails = "error",
    expect = { r = { attempt = 1, error = '~step \\"s\\" returned 2 values' }, ["r [s]"] = { attempts = 1 } } },
  { "a child or a workflow that returns several values fails, too", fields = 'retry = { attempts = 3, delay = "1ms" },',
    run = [[ return ctx:invoke { id = "c", workflow = id .. "-child" } ]],
    child = [[ return nil, "not found" ]],
    fails = "child_failed", expect = { ["r/c"] = { attempt = 1, error = "~returned 2 values" } } },
  { "the usage_error of a verb fails at once", fields = 'retry = { attempts = 3, delay = "1ms" },',
    run = [[ ctx:step(function() end) ]], fails = "error", expect = { r = { attempt = 1 } } },
  { "a failure can be put together with text", fields = "retry = { attempts = 1 },",
    run = [[
      local _, raised = pcall(error, weir.fatal "no")
      return { "failed: " .. raised, raised .. "!" } ]],
    result = { "failed: no", "no!" } },
  { "a child that fails and is not awaited leaves a warning",
    run = [[ ctx:spawn { id = "f", workflow = "fails", data = { message = "torn" } } return "well" ]],
    result = "well", expect = { r = { log = "~failed and was not awaited: torn" } } },
  { "a step gets its attempt and its key",
    run = [[ return ctx:step("s", function(about)
        return { about.attempt, about.key == ctx.run.id .. "/s", about.deadline_ms == nil } end) ]],
    result = { 1, true, true } },
  { "a step that fails and is caught",
    run = [[
      local ok, raised = pcall(ctx.step, ctx, { id = "s", retry = { attempts = 1 },
        run = function() error("no", 0) end })
      return { ok, raised.code, raised.message, raised.operation } ]],
    result = { false, "error", "no", "s" } },
  { "a step that fails is not retried with its run",
    fields = 'retry = { attempts = 2, delay = "1ms" },',
    run = [[ ctx:step("s", function(about) error("attempt " .. about.attempt, 0) end) ]],
    fails = "error", expect = { r = { attempt = 1 }, ["r [s]"] = { attempts = 2 } } },
  { "a step that may be run once only",
    run = [[ return ctx:step { id = "s", at_most_once = true, run = function() return 1 end } ]],
    result = 1 },
  { "a step that may be run once only, and fails, has failed",
    run = [[ return ctx:step { id = "s", at_most_once = true, run = function() error("no", 0) end } ]],
    fails = "error", expect = { ["r [s]"] = { attempts = 1 } } },
  { "steps without an id are numbered",
    run = [[ return { ctx:step { run = function() return 1 end }, ctx:step { run = function() return 2 end } } ]],
    result = { 1, 2 }, expect = { r = { operations = "step#1, step#2" } } },
  { "a run sleeps", run = [[ ctx:sleep "3ms" ctx:sleep(0.002) ctx:sleep { id = "nap", duration = 0 } return "rested" ]],
    result = "rested", expect = { r = { operations = "nap, sleep#1, sleep#2" } } },
  { "a sleep until an instant that is over", run = [[ ctx:sleep { id = "past", until_ms = 1000 } return "at once" ]],
    result = "at once" },
  { "a sleep takes a duration or an instant", fields = "retry = { attempts = 1 },", run = [[ ctx:sleep {} ]],
    fails = "error" },
  { "a wrong duration is refused", fields = "retry = { attempts = 1 },", run = [[ ctx:sleep "3 fortnights" ]],
    fails = "error" },
  { "chance follows from the run's seed, in each scope apart",
    run = [[
      local draws = { ctx:random(1, 1000000), ctx:random(6), ctx:random(), ctx:uuid() }
      ctx:sleep "1ms"
      return { draws, ctx:uuid(), ctx:random(100), math.random(100),
        ctx:all { a = function(own) return { own:random(1000), own:uuid() } end } } ]],
    expect = { r = { state = "completed" } } },
  { "a uuid is one of version 4",
    run = [[ return ctx:uuid():find "^%x+%-%x+%-4%x%x%x%-[89ab]%x%x%x%-%x+$" ~= nil ]], result = true },
  { "time stands still between two outcomes",
    run = [[
      local before, now = ctx:now(), ctx:now()
      ctx:sleep "5ms"
      return { before == now, ctx:now() > before, os.time() == math.floor(ctx:now()) } ]],
    result = { true, true, true } },
  { "tags are set, replaced and read",
    run = [[
      ctx:tag("customer", "c1")
      ctx:tag("amount", 5)
      ctx:sleep "1ms"
      ctx:tag("customer", "c2")
      ctx:tag("vip", true) ]],
    expect = { r = { tags = { customer = "c2", amount = "5", vip = "true" } } } },
  { "tags are added to those of the start",
    run = [[ ctx:tag("b", 2) ]],
    play = { { "start", "r", tags = { a = "1", b = "1" } }, { "ends", "r" } },
    expect = { r = { tags = { a = "1", b = "2" } } } },
  { "a tag is text, a number or a boolean", fields = "retry = { attempts = 1 },", run = [[ ctx:tag("t", {}) ]],
    fails = "error" },
  { "lines are logged once, also when the run is replayed",
    run = [[
      ctx.log:info("one", { n = 1 })
      ctx:sleep "1ms"
      ctx.log:warn "two"
      print("three", 3)
      ctx:step("s", function() ctx.log:error "inside" end)
      ctx.log:info("four", { list = { 1, 2 } }) ]],
    expect = { r = { log = '~^info one {"n":1}\nwarn two \ninfo three\t3 \nerror inside \ninfo four' } } },
  { "a run knows itself",
    run = [[
      local run = ctx.run
      return { run.id, run.workflow, run.attempt, run.root, run.depth, run.parent == nil,
        (ctx:invoke { id = "c", workflow = id .. "-child" }) } ]],
    child = [[
      local run = ctx.run
      return { run.id, run.workflow, run.parent, run.root, run.depth } ]],
    result = { "r", "r", 1, "r", 0, true, { "r/c", "r-child", "r", "r", 1 } } },
  { "a run that is no node depends on nothing", fields = "retry = { attempts = 1 },", run = [[ return ctx.deps.x ]],
    fails = "error" },
  { "`<close>` runs when the run fails, and may use operations",
    fields = "retry = { attempts = 1 },",
    run = [[
      local thing <close> = setmetatable({}, { __close = function()
        ctx:step("close", function() return "closed" end)
      end })
      ctx:sleep "1ms"
      error "no" ]],
    fails = "error", expect = { ["r [close]"] = { result = '"closed"' } } },
  { "coroutines of the author's own may wait",
    run = [[
      local co = coroutine.wrap(function()
        for i = 1, 3 do
          ctx:sleep "1ms"
          coroutine.yield((ctx:invoke { id = "d" .. i, workflow = "double", data = { value = i } }))
        end
      end)
      return { co(), co(), co() } ]],
    result = { 2, 4, 6 } },
  { "pairs go over integers, then strings by their bytes",
    run = [[
      local keys = {}
      for key in pairs { b = 1, a = 1, [3] = 1, [1] = 1, B = 1, aa = 1 } do keys[#keys + 1] = key end
      return keys ]],
    result = { 1, 3, "B", "a", "aa", "b" } },
}
