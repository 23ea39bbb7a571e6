-- Timeouts of children, steps and runs: what ends, what goes on, and which outcome comes first.

local ONE = "retry = { attempts = 1 },"

return {
  { "a timeout is raised at once, and can be caught",
    run = [[
      local ok, raised = pcall(ctx.invoke, ctx, { id = "late", workflow = "day", timeout = "400ms" })
      return { ok, raised.code, raised.operation, raised:is "timeout" } ]],
    result = { false, "timeout", "late", true }, expect = { ["r/late"] = { state = "cancelled" } } },
  { "a child that ends in time is not cancelled",
    run = [[ return ctx:invoke { id = "quick", workflow = "nap", data = { ms = 2, value = 1 }, timeout = "1d" } ]],
    result = 1 },
  { "a child that only computes ends in time",
    run = [[ return ctx:invoke { id = "quick", workflow = "double", data = { value = 2 }, timeout = "1d" } ]],
    result = 4 },
  { "a child whose invoke timed out with abandon goes on, and no operation gets its outcome",
    run = [[ return ctx:spawn { id = "late", workflow = "nap", data = { ms = 800, value = 1 }, timeout = "400ms",
        on_timeout = "abandon" }:settle().error.code ]],
    result = "timeout",
    expect = { ["r/late"] = { state = "completed", result = "1" }, ["r [late]"] = { state = "failed" } } },
  { "a child that is cancelled at its timeout cleans up, and its run waits for that",
    run = [[ ctx:invoke { id = "late", workflow = "cleans", timeout = "400ms" } ]],
    fails = "timeout", expect = { ["r/late"] = { state = "cancelled" },
      ["r/late/clean-up"] = { state = "completed" } } },
  { "a run that caught a timeout waits for the clean-up of the child",
    run = [[ return (pcall(ctx.invoke, ctx, { id = "late", workflow = "cleans", timeout = "400ms" })) ]],
    result = false, expect = { ["r/late"] = { state = "cancelled" }, ["r/late/clean-up"] = { state = "completed" } } },
  { "on_timeout is cancel or abandon", fields = ONE,
    run = [[ ctx:invoke { id = "x", workflow = "echo", timeout = "1s", on_timeout = "wait" } ]], fails = "error" },
  { "the timeout of a failed child is dropped",
    run = [[ return ctx:invoke { id = "f", workflow = "fails", timeout = "400ms" } ]], fails = "child_failed" },
  { "the timeout of a child holds across its attempts",
    run = [[ return ctx:invoke { id = "f", workflow = id .. "-child", timeout = "400ms" } ]],
    child = [[ error "again" ]], child_fields = 'retry = { attempts = 1000, delay = "30ms", backoff = "fixed" },',
    fails = "timeout" , loose = { "run r/f attempt", "run r/f error", "r [f] attempts" } },
  { "a step that takes too long times out, each try on its own",
    run = [[ return ctx:step { id = "s", timeout = "10ms", retry = { attempts = 2, delay = "1ms" },
        run = function(about) return about.deadline_ms ~= nil end } ]],
    result = true },
  { "a run's timeout counts from its creation, not its delay",
    fields = 'timeout = "1h",', run = [[ return "in time" ]],
    play = { { "start", "r", delay = "10ms" }, { "ends", "r" } }, result = "in time" },
  { "a run that expires while it waits for a child ends that first",
    fields = 'timeout = "400ms",', run = [[ ctx:invoke { id = "child", workflow = "cleans" } ]],
    fails = "expired", expect = { ["r/child"] = { state = "cancelled" },
      ["r/child/clean-up"] = { state = "completed" } } },
  { "a run that expires between its attempts",
    fields = 'timeout = "400ms", retry = { attempts = 2, delay = "1d", max_delay = "1d" },', run = [[ error "no" ]],
    fails = "expired", expect = { r = { attempt = 1 } } },
  { "a run that expires undoes what it did",
    fields = 'timeout = "400ms",',
    run = [[
      ctx:step { id = "s", run = function() return 1 end, undo = function(value) return value end }
      ctx:sleep "1d" ]],
    fails = "expired", expect = { ["r [undo:s:step]"] = { state = "completed" } } },
  { "the result of an expired run is dropped",
    fields = 'timeout = "400ms",', run = [[ pcall(ctx.sleep, ctx, "1d") return "fine" ]], fails = "expired" },
  { "an error after the expiry is its cause",
    fields = 'timeout = "400ms",', run = [[ pcall(ctx.sleep, ctx, "1d") error("clean-up failed", 0) ]],
    fails = "expired", expect = { r = { error = '~"cause":{.*clean%-up failed' } } },
  { "a delayed run expires before it begins",
    run = [[ return (pcall(ctx.invoke, ctx, { id = "d", workflow = id .. "-child", delay = "5ms" })) ]],
    child = [[ return 1 ]], child_fields = 'timeout = "1h",', result = true },
  { "several timeouts come in the order of their time",
    run = [[
      local order = {}
      local function late(ms) return function(own)
        pcall(own.invoke, own, { id = "late", workflow = "day", timeout = ms / 1000 })
        order[#order + 1] = ms
      end end
      ctx:all { late(900), late(300), late(600) }
      return order ]],
    result = { 300, 600, 900 }, unordered = true },
}
