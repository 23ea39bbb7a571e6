-- Events while a step runs: a cancel, or the death of the process.

-- On the host a step waits here until the play releases it or kills the process. In the next process it does not wait.
local HOLD = [[ print "held" local path = os.getenv "WEIR_HOLD" if path then io.open(path):close() end ]]

-- Code that computes for a while on the host before it runs `what`.
local function computes(what)
  return ([[
    local ROUNDS = os.getenv "WEIR_HOLD" and 200000000 or 1
    return weir.workflow { id = id, retry = { attempts = 3, delay = "1ms" }, run = function(ctx)
      print "held"
      for _ = 1, ROUNDS do end
      %s
    end } ]]):format(what)
end

local function midway(act)
  return { { "start", "r" }, { "held", "r" }, act, { "release" }, { "ends", "r" } }
end

return {
  { "a step that may run once only is interrupted",
    run = [[ return ctx:step { id = "s", at_most_once = true, run = function() ]] .. HOLD .. [[ end } ]],
    play = { { "start", "r" }, { "has", "r", "s", "running" }, { "crash" }, { "ends", "r" } },
    fails = "interrupted", expect = { r = { attempt = 1 } } },
  { "an interruption can be caught",
    run = [[
      local before = ctx:step("before", function() return "kept" end)
      local ok, raised = pcall(ctx.step, ctx, { id = "s", at_most_once = true, run = function() ]] .. HOLD .. [[ end })
      return { before, ok, raised.code } ]],
    play = { { "start", "r" }, { "has", "r", "s", "running" }, { "crash" }, { "ends", "r" } },
    result = { "kept", false, "interrupted" } },
  { "any other step runs again",
    run = [[
      local before = ctx:step("before", function() return "kept" end)
      return { before, ctx:step("s", function(about) ]] .. HOLD .. [[ return about.attempt end) } ]],
    play = { { "start", "r" }, { "has", "r", "before", "completed" }, { "crash" }, { "ends", "r" } },
    result = { "kept", 1 } },
  { "a run that waits goes on waiting",
    run = [[ pcall(ctx.invoke, ctx, { id = "c", workflow = "cleans" }) ctx:step("after", function() return 1 end) ]],
    play = { { "start", "r" }, { "waits", "r/c", "sleep#1" }, { "crash" }, { "waits", "r/c", "sleep#1" },
             { "cancel", "r" }, { "ends", "r" } },
    cancelled = true,
    expect = { ["r/c/clean-up"] = { state = "completed" }, ["r [after]"] = { state = "completed" } } },
  { "a cancel while a step runs: its result is kept, and no operation begins after it",
    run = [[
      local value = ctx:step("s", function() ]] .. HOLD .. [[ return "done" end)
      ctx:invoke { id = "never", workflow = "noted", data = value } ]],
    play = midway { "cancel", "r" }, cancelled = true, expect = { ["r [s]"] = { state = "completed" } } },
  { "a cancel while the last step runs: the result of the run is dropped",
    run = [[ return ctx:step("s", function() ]] .. HOLD .. [[ return "done" end) ]],
    play = midway { "cancel", "r" }, cancelled = true },
  { "a cancel while code runs that fails: no other attempt begins",
    fields = 'retry = { attempts = 3, delay = "1ms" },',
    run = [[ ctx:step("s", function() ]] .. HOLD .. [[ end) error("no", 0) ]],
    play = midway { "cancel", "r" }, cancelled = true, expect = { r = { attempt = 1 } } },
  { "a cancel while a step runs that fails: it is not tried again",
    run = [[ ctx:step { id = "s", retry = { attempts = 3, delay = "1ms" }, run = function() ]] .. HOLD ..
      [[ error("no", 0) end } ]],
    play = midway { "cancel", "r" }, cancelled = true },
  { "a cancel at once while a step runs",
    run = [[
      local ok = pcall(ctx.step, ctx, "s", function() ]] .. HOLD .. [[ end)
      ctx:step("never", function() end) ]],
    play = midway { "cancel", "r", now = true }, cancelled = true, loose = { "run r redo" } },
  { "an expiry while a step runs",
    fields = 'timeout = "3s",', -- as long as a busy machine may take to begin it
    run = [[ ctx:step("s", function() ]] .. HOLD .. [[ end) ctx:sleep { id = "long", duration = "1d" } ]],
    play = midway { "held", "r" }, fails = "expired" },
  { "a cancel while code runs that returns", alone = true, code = computes 'return "done"',
    play = { { "start", "r" }, { "held", "r" }, { "cancel", "r" }, { "ends", "r" } }, cancelled = true },
  { "a cancel while code runs that has an error", alone = true, code = computes 'error("no", 0)',
    play = { { "start", "r" }, { "held", "r" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true, expect = { r = { attempt = 1 } } },
  { "a cancel while code runs that begins a child", alone = true,
    code = computes 'return (ctx:invoke { id = "c", workflow = "noted", data = 1 })',
    play = { { "start", "r" }, { "held", "r" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true, expect = { ["r [c]"] = { state = "failed", error = "~not started" } } },
}
