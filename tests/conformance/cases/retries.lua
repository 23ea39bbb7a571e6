-- Attempts of runs and of steps: what is kept between them, and which error ends them.

return {
  { "an error of the run's own code is retried as often as `retry` says",
    fields = 'retry = { attempts = 3, delay = "1ms" },', run = [[ error("attempt " .. ctx.run.attempt, 0) ]],
    fails = "error", expect = { r = { attempt = 3, error = "~attempt 3" } } },
  { "three attempts unless it says otherwise",
    fields = 'retry = { delay = "1ms" },', run = [[ error "no" ]], fails = "error", expect = { r = { attempt = 3 } } },
  { "outcomes are kept between attempts",
    fields = 'retry = { attempts = 3, delay = "1ms" },',
    run = [[
      local first = ctx:step("first", function() return ctx.run.attempt end)
      local child, info = ctx:invoke { id = "child", workflow = "noted", data = ctx.run.attempt }
      if ctx.run.attempt < 3 then error "not yet" end
      return { first, child, info.attempts, ctx.run.attempt } ]],
    result = { 1, 1, 1, 3 } },
  { "a caught failure is kept, too",
    fields = 'retry = { attempts = 2, delay = "1ms" },',
    run = [[
      local settled = ctx:spawn { id = "child", workflow = "fails" }:settle()
      if ctx.run.attempt < 2 then error "not yet" end
      return { settled.error.code, ctx.run.attempt } ]],
    result = { "child_failed", 2 } },
  { "the failure of an operation is not retried",
    fields = 'retry = { attempts = 3, delay = "1ms" },', run = [[ ctx:invoke { id = "child", workflow = "fails" } ]],
    fails = "child_failed", expect = { r = { attempt = 1 } } },
  { "an error of the run's own code after a failed operation is retried",
    fields = 'retry = { attempts = 2, delay = "1ms" },',
    run = [[
      local ok = pcall(ctx.invoke, ctx, { id = "child", workflow = "fails" })
      error("own " .. tostring(ok), 0) ]],
    fails = "error", expect = { r = { attempt = 2 } } },
  { "a fatal error is not retried",
    fields = 'retry = { attempts = 3, delay = "1ms" },',
    run = [[ error(weir.error { code = "gone", message = "gone for good", retryable = false }) ]],
    fails = "gone", expect = { r = { attempt = 1 } } },
  { "retry_after says when the next attempt begins",
    fields = 'retry = { attempts = 2, delay = "1d", max_delay = "1d" },',
    run = [[
      if ctx.run.attempt == 2 then return "back" end
      error(weir.error { code = "busy", message = "later", retry_after = "5ms" }) ]],
    play = { { "start", "r" }, { "state", "r", "retrying" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true },
  { "retry_after holds where it is longer than the delay",
    fields = 'retry = { attempts = 2, delay = "1ms" },',
    run = [[
      if ctx.run.attempt == 2 then return "back" end
      error(weir.error { code = "busy", message = "later", retry_after = "8ms" }) ]],
    result = "back" },
  { "a child in flight is taken over by the next attempt",
    fields = 'retry = { attempts = 2, delay = "1ms" },',
    run = [[
      local future = ctx:spawn { id = "child", workflow = "nap", data = { ms = 450, value = "kept" } }
      ctx:sleep "1ms"
      if ctx.run.attempt == 1 then error "not yet" end
      return (future:await()) ]],
    result = "kept" },
  { "a child that the last attempt does not ask for is waited for",
    fields = 'retry = { attempts = 2, delay = "1ms" },',
    run = [[
      if ctx.run.attempt == 1 then
        ctx:spawn { id = "child", workflow = "nap", data = { ms = 450 } }
        ctx:sleep "1ms"
        error "not yet"
      end
      return "without it" ]],
    result = "without it", expect = { ["r/child"] = { state = "completed" } } },
  { "a step is tried as often as it says",
    run = [[ return ctx:step { id = "s", retry = { attempts = 4, delay = "1ms", backoff = "linear" },
      run = function(about)
        if about.attempt < 4 then error "not yet" end
        return about.attempt
      end } ]],
    result = 4, expect = { ["r [s]"] = { attempts = 4 } } },
  { "a step without a retry is tried as its workflow is",
    fields = 'retry = { attempts = 2, delay = "1ms" },',
    run = [[ return ctx:step("s", function(about)
        if about.attempt < 2 then error "not yet" end
        return about.attempt
      end) ]],
    result = 2, expect = { r = { attempt = 1 } } },
  { "a step whose error is fatal is tried once",
    run = [[ return ctx:step { id = "s", retry = { attempts = 4, delay = "1ms" }, run = function()
        error(weir.fatal "no")
      end } ]],
    fails = "error", expect = { ["r [s]"] = { attempts = 1 } } },
  { "a step's pause does not hold up other branches",
    run = [[
      local order = {}
      ctx:all {
        a = function(own)
          own:step { id = "s", retry = { attempts = 2, delay = "400ms", jitter = false }, run = function(about)
            if about.attempt == 1 then error "not yet" end
          end }
          order[#order + 1] = "a"
        end,
        b = function(own) own:sleep "2ms" order[#order + 1] = "b" end,
      }
      return order ]],
    result = { "b", "a" } },
  { "attempts of a step count through attempts of the run",
    fields = 'retry = { attempts = 3, delay = "1ms" },',
    run = [[
      local tries = ctx:step { id = "s", retry = { attempts = 2, delay = "1ms" }, run = function(about)
        if about.attempt == 1 then error "not yet" end
        return about.attempt
      end }
      if ctx.run.attempt < 3 then error "again" end
      return tries ]],
    result = 2, expect = { r = { attempt = 3 } } },
  { "the run has the error of its last attempt",
    fields = 'retry = { attempts = 2, delay = "1ms" },',
    run = [[ error(weir.error { code = "try_" .. ctx.run.attempt }) ]], fails = "try_2" },
  { "a parent gets the number of its child's attempts",
    run = [[ return select(2, ctx:invoke { id = "f", workflow = "flaky" }).attempts ]],
    result = 3, expect = { ["r [f]"] = { attempts = 3 } } },
  { "the next attempt sees the same time",
    fields = 'retry = { attempts = 2, delay = "2ms" },',
    run = [[
      local first = ctx:now()
      local kept = ctx:step("s", function() return first * 1000 end)
      if ctx.run.attempt == 1 then error "again" end
      return kept == first * 1000 ]],
    loose = { "r [s] result" }, result = true },
}
