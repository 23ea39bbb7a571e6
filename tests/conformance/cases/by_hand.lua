-- Retry by hand: what is reset, what is kept, which generations begin, and when it is refused.

local ONE = "retry = { attempts = 1 },"
local AGAIN = { { "start", "r" }, { "ends", "r" }, { "retry", "r" }, { "ends", "r" } }

return {
  { "a run goes on after its own error, with what it has", fields = ONE, play = AGAIN,
    run = [[
      local kept = ctx:step("kept", function() return ctx.run.attempt end)
      if ctx.run.attempt == 1 then error "a bug" end
      return { kept, ctx.run.attempt } ]],
    result = { 1, 2 } },
  { "a step that failed is reset", fields = ONE, play = AGAIN,
    run = [[
      local kept = ctx:step("kept", function() return ctx.run.attempt end)
      return { kept,
        ctx:step("charge", function() if ctx.run.attempt == 1 then error "declined" end return "paid" end) } ]],
    result = { 1, "paid" } },
  { "a child that failed goes on with its own journal", play = AGAIN,
    run = [[ return (ctx:invoke { id = "c", workflow = "unlucky", data = 5 }) ]],
    result = { 1, 5 }, expect = { ["r/c"] = { attempt = 2, generation = 1 } } },
  { "a child's child goes on, too", play = AGAIN,
    run = [[ return (ctx:invoke { id = "c", workflow = id .. "-child" }) ]],
    child = [[ ctx:step("once", function() end) return (ctx:invoke { id = "d", workflow = "unlucky", data = 6 }) ]],
    result = { 1, 6 } },
  { "other data begins a new generation of the child", fields = ONE,
    run = [[ return (ctx:invoke { id = "c", workflow = "unlucky", data = ctx.run.attempt }) ]],
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r" }, { "ends", "r" } },
    fails = "child_failed", expect = { ["r/c~2"] = { state = "failed" }, ["r/c"] = { attempt = 1 } } },
  { "another workflow under the same id begins a new generation, too", fields = ONE, play = AGAIN,
    run = [[ return (ctx:invoke { id = "c", workflow = ctx.run.attempt == 1 and "fails" or "noted", data = {} }) ]],
    result = {}, expect = { ["r/c~2"] = { state = "completed" } } },
  { "a failure that the run handled is kept", fields = ONE, play = AGAIN,
    run = [[
      local settled = ctx:spawn { id = "c", workflow = "unlucky" }:settle()
      local said = ctx:step("led-on", function() return settled.ok end)
      if ctx.run.attempt == 1 then error "a bug" end
      return { settled.ok, said } ]],
    result = { false, false }, expect = { ["r/c"] = { attempt = 1 } } },
  { "a failure that was caught, and not handled, is reset", fields = ONE, play = AGAIN,
    run = [[
      local settled = ctx:spawn { id = "c", workflow = "unlucky" }:settle()
      if ctx.run.attempt == 1 then error "a bug" end
      return settled.ok ]],
    result = true, expect = { ["r/c"] = { attempt = 2 } } },
  { "a timeout is reset, and counts anew", fields = ONE, play = AGAIN,
    run = [[
      return (ctx:invoke { id = "c", workflow = id .. "-child",
        timeout = ctx.run.attempt == 1 and "400ms" or "1h" }) ]],
    child = [[ if ctx.run.attempt == 1 then ctx:sleep { id = "long", duration = "1d" } end return "in time" ]],
    result = "in time" },
  { "a cancel is reset",
    run = [[
      ctx:step("kept", function() end)
      if ctx.run.attempt == 1 then ctx:sleep { id = "long", duration = "1d" } end
      return "went on" ]],
    play = { { "start", "r" }, { "waits", "r", "long" }, { "cancel", "r" }, { "ends", "r" }, { "retry", "r" },
             { "ends", "r" } },
    result = "went on", expect = { r = { attempt = 2 } } },
  { "children that were cancelled with their run go on",
    run = [[ return (ctx:invoke { id = "c", workflow = id .. "-child" }) ]],
    child = [[ if ctx.run.attempt == 1 then ctx:sleep { id = "long", duration = "1d" } end return "went on" ]],
    play = { { "start", "r" }, { "waits", "r/c", "long" }, { "cancel", "r" }, { "ends", "r" }, { "retry", "r" },
             { "ends", "r" } },
    result = "went on" },
  { "an expiry is reset", fields = 'timeout = "400ms",',
    run = [[ if ctx.run.attempt == 1 then ctx:sleep { id = "long", duration = "1d" } end return "in time" ]],
    play = AGAIN, result = "in time" },
  { "a step that was compensated is executed again", fields = ONE, play = AGAIN,
    run = [[
      local tries = ctx:step { id = "s", run = function() return ctx.run.attempt end, undo = function() end }
      if ctx.run.attempt == 1 then error "a bug" end
      return tries ]],
    result = 2 },
  { "clean-up after a cancel is executed again",
    run = [[
      local ok = pcall(ctx.sleep, ctx, { id = "long", duration = ctx.run.attempt == 1 and "1d" or "1ms" })
      return { ok, ctx:step("note", function() return ctx.run.attempt end) } ]],
    play = { { "start", "r" }, { "waits", "r", "long" }, { "cancel", "r" }, { "ends", "r" }, { "retry", "r" },
             { "ends", "r" } },
    result = { true, 2 } },
  { "attempts count anew", fields = 'retry = { attempts = 2, delay = "1ms" },',
    run = [[ if ctx.run.attempt < 4 then error("attempt " .. ctx.run.attempt, 0) end return ctx.run.attempt ]],
    play = AGAIN, result = 4 },
  { "the answer says when the run will fail again", fields = ONE, play = AGAIN,
    run = [[
      local settled = ctx:spawn { id = "c", workflow = "fails" }:settle()
      ctx:step("led-on", function() end)
      error(settled.error) ]],
    fails = "child_failed", expect = { r = { attempt = 2 } } },
  { "--from resets the operation and all that began after it",
    run = [[
      local out = {}
      for i, name in ipairs { "a", "b", "c" } do
        out[i] = ctx:step(name, function() return name .. ctx.run.attempt end)
      end
      return out ]],
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r", from = "b" }, { "ends", "r" } },
    result = { "a1", "b2", "c2" }, expect = { r = { generation = 2 } } },
  { "--from a child begins a new generation of it",
    run = [[
      local a = ctx:invoke { id = "a", workflow = "noted", data = 1 }
      return { a, (ctx:invoke { id = "b", workflow = "noted", data = 2 }) } ]],
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r", from = "b" }, { "ends", "r" } },
    result = { 1, 2 }, expect = { ["r/b~2"] = { state = "completed" }, ["r/b"] = { state = "completed" } } },
  { "--scratch resets all",
    run = [[
      local a = ctx:step("a", function() return ctx.run.attempt end)
      return { a, (ctx:invoke { id = "b", workflow = "noted", data = a }),
        (ctx:invoke { id = "d", workflow = "double", data = { value = a } }) } ]],
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r", scratch = true }, { "ends", "r" } },
    result = { 2, 2, 4 }, expect = { r = { generation = 2 }, ["r/d~2"] = { state = "completed" } } },
  { "--scratch twice",
    run = [[ return (ctx:invoke { id = "b", workflow = "noted", data = ctx.run.attempt }) ]],
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r", scratch = true }, { "ends", "r" },
             { "retry", "r", scratch = true }, { "ends", "r" } },
    result = 3, expect = { r = { generation = 3 }, ["r/b~3"] = { state = "completed" } } },
  { "the retry of a child reopens its ancestors up to the root",
    run = [[ return (ctx:invoke { id = "c", workflow = id .. "-child" }) ]],
    child = [[ return (ctx:invoke { id = "d", workflow = "unlucky", data = 7 }) ]],
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r/c/d" }, { "ends", "r" } },
    result = { 1, 7 }, expect = { ["r/c/d"] = { attempt = 2 } } },
  { "--scratch of a child",
    run = [[ return (ctx:invoke { id = "c", workflow = "unlucky", data = 8 }) ]],
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r/c", scratch = true }, { "ends", "r" } },
    result = { 2, 8 }, expect = { ["r/c"] = { generation = 2 } } },
  { "a child whose parent has handled its failure is refused",
    run = [[
      pcall(ctx.invoke, ctx, { id = "c", workflow = "fails" })
      ctx:step("led-on", function() end)
      error("no", 0) ]],
    fields = ONE, play = { { "start", "r" }, { "ends", "r" }, { "retry", "r/c" } }, fails = "error" },
  { "a child whose parent completed is refused",
    run = [[ return (pcall(ctx.invoke, ctx, { id = "c", workflow = "fails" })) ]],
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r/c" } }, result = false },
  { "a run that completed has nothing to retry", run = [[ return 1 ]],
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r" } }, result = 1 },
  { "a run that does not exist", run = [[ return 1 ]],
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r.other" } }, result = 1 },
  { "a run that has not ended", run = [[ ctx:sleep { id = "long", duration = "1d" } ]],
    play = { { "start", "r" }, { "waits", "r", "long" }, { "retry", "r" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true },
  { "--from an operation that does not exist", run = [[ ctx:step("charge", function() end) ]],
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r", from = "chrage" } },
    expect = { r = { state = "completed" } } },
  { "the loser of a race is kept", fields = ONE, play = AGAIN,
    run = [[
      local _, key = ctx:race({ bad = function(own) own:sleep "400ms" error("late", 0) end,
        good = function(own) own:sleep "1ms" return 1 end }, { losers = "keep" })
      ctx:sleep "800ms"
      if ctx.run.attempt == 1 then error "a bug" end
      return key ]],
    result = "good" },
  { "a detached child is retried alone",
    run = [[ return (ctx:invoke { id = "d", workflow = "unlucky", data = 9, detached = true }) ]],
    play = { { "start", "r" }, { "ends", "r" }, { "ends", "r/d" }, { "retry", "r/d" }, { "ends", "r/d" } },
    result = "r/d", expect = { ["r/d"] = { state = "completed", attempt = 2 }, r = { attempt = 1 } } },
  { "two children failed: both go on", play = AGAIN,
    run = [[
      local all = ctx:all { ctx:spawn { id = "a", workflow = "unlucky", data = 1 },
        ctx:spawn { id = "b", workflow = "unlucky", data = 2 } }
      return { all[1][2], all[2][2] } ]],
    unordered = true, loose = { "run r redo", "r [b] error", "run r error", "run r log" }, result = { 1, 2 } },
  { "a child whose invoke timed out is detached when it restarts", fields = ONE,
    run = [[
      pcall(ctx.invoke, ctx, { id = "c", workflow = "day", timeout = "400ms", on_timeout = "abandon" })
      error "a bug" ]],
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r", from = "c" }, { "ends", "r" },
             { "cancel", "r/c" }, { "cancel", "r/c~2" } },
    fails = "error", expect = { ["r/c"] = { state = "cancelled", detached = true } } },
  { "a retry of a retry", fields = ONE,
    run = [[
      local kept = ctx:step("kept", function() return ctx.run.attempt end)
      if ctx.run.attempt < 3 then error "a bug" end
      return kept ]],
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r" }, { "ends", "r" }, { "retry", "r" }, { "ends", "r" } },
    result = 1 },
}
