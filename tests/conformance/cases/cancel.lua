-- Cancel before a run begins, while it runs and after its end; with children, with a grace period and with --now. What
-- a retry resets in a run that was terminated depends on its coroutine: if no worker kept one, no worker knows which
-- failures the code handled (`redo`).

return {
  { "a run that waits", run = [[ ctx:sleep { id = "long", duration = "1d" } ]],
    play = { { "start", "r" }, { "waits", "r", "long" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true, expect = { r = { error = "~cancelled by weir cancel" } } },
  { "a run that has not begun", run = [[ return 1 ]],
    play = { { "start", "r", delay = "1d" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true, expect = { r = { operations = "" } } },
  { "a run that has ended", run = [[ return 1 ]],
    play = { { "start", "r" }, { "ends", "r" }, { "cancel", "r" } }, result = 1 },
  { "a run that does not exist", run = [[ return 1 ]],
    play = { { "start", "r" }, { "ends", "r" }, { "cancel", "r.other" } }, result = 1 },
  { "a second cancel changes nothing", run = [[ pcall(ctx.sleep, ctx, { id = "long", duration = "1d" })
      ctx:sleep { id = "clean-up", duration = "1d" } ]],
    play = { { "start", "r" }, { "waits", "r", "long" }, { "cancel", "r" }, { "waits", "r", "clean-up" },
             { "cancel", "r" }, { "waits", "r", "clean-up" }, { "cancel", "r", now = true }, { "ends", "r" } },
    cancelled = true, loose = { "run r redo" } },
  { "it is raised where the run waits, once, and everything works after it",
    run = [[
      local ok, raised = pcall(ctx.sleep, ctx, { id = "long", duration = "1d" })
      ctx:sleep { id = "breath", duration = "2ms" }
      ctx:step("note", function() return { ok, raised.code, raised.message } end)
      ctx:invoke { id = "refund", workflow = "noted", data = 5 }
      return "whatever" ]],
    play = { { "start", "r" }, { "waits", "r", "long" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true,
    expect = { ["r [note]"] = { result = '[false,"cancelled","cancelled by weir cancel"]' },
               ["r/refund"] = { state = "completed" } } },
  { "an error in the clean-up is the cause",
    run = [[ pcall(ctx.sleep, ctx, { id = "long", duration = "1d" }) error("no refund", 0) ]],
    play = { { "start", "r" }, { "waits", "r", "long" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true, expect = { r = { attempt = 1, error = '~"cause":{.*no refund' } } },
  { "children end first, whatever is below them",
    run = [[
      local ok, raised = pcall(ctx.invoke, ctx, { id = "child", workflow = "tidy" })
      ctx:step("after", function() return raised.code end) ]],
    play = { { "start", "r" }, { "waits", "r/child/below", "long" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true,
    expect = { ["r/child"] = { state = "cancelled" }, ["r/child/below"] = { state = "cancelled" },
               ["r/child [undo:reserve:step]"] = { state = "completed" },
               ["r [child]"] = { state = "cancelled" }, ["r [after]"] = { result = '"cancelled"' } } },
  { "children side by side all end",
    run = [[ ctx:all { ctx:spawn { id = "a", workflow = "day" }, ctx:spawn { id = "b", workflow = "day" },
        function(own) own:invoke { id = "c", workflow = "cleans" } end } ]],
    play = { { "start", "r" }, { "waits", "r/a", "long" }, { "waits", "r/b", "long" },
             { "waits", "r/all#1:3:c", "sleep#1" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true, unordered = true,
    expect = { ["r/all#1:3:c"] = { state = "cancelled" }, ["r/b"] = { state = "cancelled" } } },
  { "a child that is cancelled by hand is child_failed for its parent",
    run = [[
      local ok, raised = pcall(ctx.invoke, ctx, { id = "child", workflow = "day" })
      return { raised.code, raised.cause.code, raised:is "cancelled" } ]],
    play = { { "start", "r" }, { "waits", "r/child", "long" }, { "cancel", "r/child" }, { "ends", "r" } },
    result = { "child_failed", "cancelled", true } },
  { "it is raised in each branch",
    run = [[
      local seen = {}
      local function wait(own) local _, raised = pcall(own.sleep, own, { id = "long", duration = "1d" })
        seen[#seen + 1] = raised.code end
      pcall(ctx.all, ctx, { wait, wait })
      ctx:step("seen", function() return seen end) ]],
    play = { { "start", "r" }, { "waits", "r", "all#1:2:long" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true, expect = { ["r [seen]"] = { state = "completed" } } },
  { "the result of a cancelled run is dropped",
    run = [[ pcall(ctx.sleep, ctx, { id = "long", duration = "1d" }) return { "all", "well" } ]],
    play = { { "start", "r" }, { "waits", "r", "long" }, { "cancel", "r" }, { "ends", "r" } }, cancelled = true },
  { "closing values clean up",
    run = [[
      local thing <close> = setmetatable({}, { __close = function()
        ctx:step("close", function() return "closed" end)
      end })
      ctx:sleep { id = "long", duration = "1d" } ]],
    play = { { "start", "r" }, { "waits", "r", "long" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true, expect = { ["r [close]"] = { result = '"closed"' } } },
  { "a clean-up that takes too long is cut off",
    fields = 'cancel_grace = "15ms",',
    run = [[ pcall(ctx.sleep, ctx, { id = "long", duration = "1d" }) ctx:sleep { id = "endless", duration = "1d" } ]],
    play = { { "start", "r" }, { "waits", "r", "long" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true, expect = { ["r [endless]"] = { state = "cancelled" } } },
  { "a clean-up's child that takes too long is cancelled, too",
    fields = 'cancel_grace = "400ms",',
    run = [[ pcall(ctx.sleep, ctx, { id = "long", duration = "1d" }) ctx:invoke { id = "slow", workflow = "day" } ]],
    play = { { "start", "r" }, { "waits", "r", "long" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true, expect = { ["r/slow"] = { state = "cancelled" } } },
  { "--now: none of its code runs again",
    run = [[ pcall(ctx.sleep, ctx, { id = "long", duration = "1d" }) ctx:step("never", function() end) ]],
    play = { { "start", "r" }, { "waits", "r", "long" }, { "cancel", "r", now = true }, { "ends", "r" } },
    cancelled = true, loose = { "run r redo" }, expect = { r = { operations = "long" } } },
  { "--now: no code of its children and no undo runs",
    run = [[ ctx:invoke { id = "child", workflow = "tidy" } ]],
    play = { { "start", "r" }, { "waits", "r/child/below", "long" }, { "cancel", "r", now = true }, { "ends", "r" } },
    cancelled = true, loose = { "run r redo", "run r/child redo", "run r/child/below redo" },
    expect = { ["r/child"] = { state = "cancelled", operations = "below, reserve" } } },
  { "--now while it cleans up",
    run = [[ pcall(ctx.sleep, ctx, { id = "long", duration = "1d" }) ctx:sleep { id = "clean-up", duration = "1d" } ]],
    play = { { "start", "r" }, { "waits", "r", "long" }, { "cancel", "r" }, { "waits", "r", "clean-up" },
             { "cancel", "r", now = true }, { "ends", "r" } },
    cancelled = true, loose = { "run r redo" } },
  { "detached children go on",
    run = [[ ctx:invoke { id = "d", workflow = "nap", data = { ms = 5, value = 1 }, detached = true }
      ctx:sleep { id = "long", duration = "1d" } ]],
    play = { { "start", "r" }, { "waits", "r", "long" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true, expect = { ["r/d"] = { state = "completed" } } },
  { "children whose invokes timed out are cancelled, too",
    run = [[ pcall(ctx.invoke, ctx, { id = "late", workflow = "day", timeout = "400ms", on_timeout = "abandon" })
      ctx:sleep { id = "long", duration = "1d" } ]],
    play = { { "start", "r" }, { "waits", "r", "long" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true, expect = { ["r/late"] = { state = "cancelled" } } },
  { "between two attempts",
    fields = 'retry = { attempts = 2, delay = "1d", max_delay = "1d" },', run = [[ error "again" ]],
    play = { { "start", "r" }, { "state", "r", "retrying" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true, expect = { r = { attempt = 1 } } },
  { "a cancel during compensation does not cut it short",
    fields = "retry = { attempts = 1 },",
    run = [[
      ctx:undo("first", function(own) own:step("taken-back", function() return true end) end)
      ctx:undo("second", function(own) own:sleep { id = "slow", duration = "4s" } end)
      error("no", 0) ]],
    play = { { "start", "r" }, { "waits", "r", "undo:second:slow" }, { "cancel", "r" }, { "ends", "r" } },
    expect = { ["r [undo:first:taken-back]"] = { state = "completed" } } },
  { "a run that has not awaited its child yet",
    run = [[
      local future = ctx:spawn { id = "child", workflow = "day" }
      ctx:sleep { id = "long", duration = "1d" }
      future:await() ]],
    play = { { "start", "r" }, { "waits", "r/child", "long" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true, expect = { ["r/child"] = { state = "cancelled" } } },
  { "a run that has returned and waits for a child",
    run = [[ ctx:spawn { id = "child", workflow = "day" } return "done" ]],
    play = { { "start", "r" }, { "waits", "r/child", "long" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true, expect = { ["r/child"] = { state = "cancelled" } } },
  { "a delayed child is cancelled before it begins",
    run = [[ ctx:invoke { id = "child", workflow = "echo", delay = "1d" } ]],
    play = { { "start", "r" }, { "has", "r", "child", "running" }, { "state", "r/child", "scheduled" },
             { "cancel", "r" }, { "ends", "r" } },
    cancelled = true, expect = { ["r/child"] = { state = "cancelled", operations = "" } } },
}
