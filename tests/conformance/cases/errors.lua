-- Each error code: the call that raises it, and its message.

return {
  {
    "what a workflow raises as text has the code error, and a message with its line",
    fields = "retry = { attempts = 1 },",
    run = [[ error "out of paper" ]],
    fails = "error", expect = { r = { error = '~"message":"r.lua:2: out of paper"' } },
  },
  {
    "a code of its own stays, with details",
    fields = "retry = { attempts = 1 },",
    run = [[ error(weir.error { code = "sold_out", message = "no more", details = { left = 0 } }) ]],
    fails = "sold_out", expect = { r = { error = '~"details":{"left":0}' } },
  },
  {
    "a plain table that is raised becomes the details",
    fields = "retry = { attempts = 1 },",
    run = [[ error { reason = "rain", list = { 1, 2 } } ]],
    fails = "error", expect = { r = { error = '~"details":{"list":%[1,2%],"reason":"rain"}' } },
  },
  {
    "what JSON cannot hold is shown as text",
    fields = "retry = { attempts = 1 },",
    run = [[ error { f = print } ]],
    fails = "error",
  },
  {
    "a number, a boolean and nil can be raised, too",
    fields = "retry = { attempts = 1 },",
    run = [[
      local said = {}
      for i, value in ipairs { 5, true } do said[i] = select(2, pcall(ctx.step, ctx, {
        id = "s" .. i, retry = { attempts = 1 }, run = function() error(value) end })).message end
      said[3] = select(2, pcall(ctx.step, ctx, { id = "s3", retry = { attempts = 1 },
        run = function() error() end })).message
      return said ]],
    result = { "raised 5", "raised true", "raised nil" },
  },
  {
    "weir.fatal is not retried",
    fields = 'retry = { attempts = 5, delay = "1ms" },',
    run = [[ error(weir.fatal("no such customer", { id = 7 })) ]],
    fails = "error", expect = { r = { attempt = 1 } },
  },
  {
    "a mistake in the code is an error with its line",
    fields = "retry = { attempts = 1 },",
    run = [[ local nothing
      return nothing.field ]],
    fails = "error", expect = { r = { error = "~r.lua:3: attempt to index a nil value" } },
  },
  {
    "an error that is raised deep in the code has its traceback",
    fields = "retry = { attempts = 1 },",
    run = [[
      local function inner() error "deep" end
      local function outer() inner() end
      outer() ]],
    fails = "error", expect = { r = { error = "~r.lua:2: in .*r.lua:3: in .*r.lua:4" } },
  },
  {
    "a child that fails is child_failed, its failure the cause, whole",
    run = [[ return ctx:invoke { id = "child", workflow = "fails", data = { code = "no_ink", details = { 1 } } } ]],
    fails = "child_failed",
    expect = {
      r = { error = '~"message":"Child execution failed: not today"' }, ["r/child"] = { state = "failed" },
    },
  },
  {
    "a chain of failures is told through and through",
    run = [[
      local ok, raised = pcall(ctx.invoke, ctx, { id = "middle", workflow = id .. "-child" })
      return { ok, raised.code, raised.operation, raised.workflow, raised.cause.code, raised.cause.operation,
        raised.cause.cause.code, raised.cause.cause.message, raised:is "no_luck", raised:is "timeout" } ]],
    child = [[ return ctx:invoke { id = "low", workflow = "fails" } ]],
    result = { false, "child_failed", "middle", "r-child", "child_failed", "low", "no_luck", "not today", true, false },
  },
  {
    "a failure that is caught is passed on as it was",
    run = [[
      local ok, raised = pcall(ctx.invoke, ctx, { id = "child", workflow = "fails" })
      error(raised) ]],
    fails = "child_failed", expect = { r = { attempt = 1 } },
  },
  {
    "an own error with a failure as its cause is one of the workflow's own",
    fields = "retry = { attempts = 1 },",
    run = [[
      local future = ctx:spawn { id = "child", workflow = "fails" }
      local settled = future:settle()
      error(weir.error { code = "gave_up", message = tostring(settled.error) }) ]],
    fails = "gave_up",
  },
  {
    "an invoke times out, and its child is cancelled",
    run = [[ return ctx:invoke { id = "late", workflow = "day", timeout = "400ms" } ]],
    fails = "timeout",
    expect = {
      r = { error = '~"message":"invoke \\"late\\" timed out after 400ms"' }, ["r/late"] = { state = "cancelled" },
    },
  },
  {
    "a workflow that is not there is unknown, with the nearest name",
    run = [[ return ctx:invoke { id = "child", workflow = "ehco" } ]],
    fails = "unknown_workflow", expect = { r = { error = '~did you mean \\"echo\\"' } },
  },
  {
    "a workflow that nothing is like is unknown without a name",
    run = [[ return ctx:invoke { id = "child", workflow = "something quite different" } ]],
    fails = "unknown_workflow",
  },
  {
    "data that the child's schema refuses is invalid, with every violation and its path",
    run = [[ return ctx:invoke { id = "child", workflow = "strict", data = { amount = 0, note = 5, more = true } } ]],
    fails = "invalid_data", expect = { r = { error = "~/amount.*/note" } },
  },
  {
    "a schema that is a function gives the data to run with",
    fields = [[schema = function(data) return { doubled = data.value * 2 } end,]],
    run = [[ ctx:sleep "1ms" return data.doubled ]],
    play = { { "start", "r", data = { value = 21 } }, { "ends", "r" } },
    result = 42, expect = { r = { data = { value = 21 } } },
  },
  {
    "a schema that is a function refuses by raising, and may ask for no other attempt",
    fields = [[schema = function() error(weir.fatal "not like this") end,]],
    run = [[ return 1 ]],
    fails = "error", expect = { r = { attempt = 1 } },
  },
  {
    "an id that is there twice is duplicate_id, with the line of the first",
    run = [[
      ctx:step("once", function() return 1 end)
      return ctx:step("once", function() return 2 end) ]],
    fails = "duplicate_id", expect = { r = { error = "~from r.lua:2" } },
  },
  {
    "what JSON cannot hold is payload_invalid: data of a child",
    run = [[ return ctx:invoke { id = "child", workflow = "echo", data = { 0 / 0 } } ]],
    fails = "payload_invalid", expect = { r = { operations = "" } },
  },
  {
    "what JSON cannot hold is payload_invalid: result of a step",
    run = [[ return ctx:step("s", function() return { [1] = 1, [3] = 3 } end) ]],
    fails = "payload_invalid",
  },
  {
    "what JSON cannot hold is payload_invalid: the result",
    run = [[ return { f = function() end } ]],
    fails = "payload_invalid", expect = { r = { attempt = 1 } },
  },
  {
    "a child whose result JSON cannot hold has failed",
    run = [[ return ctx:invoke { id = "child", workflow = id .. "-child" } ]],
    child = [[ return { a = 1, 2 } ]],
    fails = "child_failed", expect = { ["r/child"] = { error = "~payload_invalid" } },
  },
  {
    "what is not UTF-8 is payload_invalid",
    run = [[ return "\xff" ]],
    fails = "payload_invalid",
  },
  {
    "runs that ask for each other without end are too deep, the chain printed",
    run = [[ return ctx:invoke { id = "down", workflow = "deeper", data = { left = 50 } } ]],
    fails = "child_failed", expect = { r = { error = "~goes deeper than 8 runs: r > deeper > deeper" },
      ["r/down/down/down/down/down/down/down/down"] = { error = '~"code":"too_deep"' } },
  },
  {
    "a run just deep enough goes on",
    run = [[ return ctx:invoke { id = "down", workflow = "deeper", data = { left = 7 } } ]],
    result = "the bottom",
  },
  {
    "a run whose time is over is expired",
    fields = 'timeout = "400ms",',
    run = [[ ctx:sleep { id = "long", duration = "1d" } ]],
    fails = "expired",
  },
  {
    "what is expired can be seen, and cannot be prevented",
    fields = 'timeout = "400ms",',
    run = [[
      local ok, raised = pcall(ctx.sleep, ctx, "1d")
      ctx:step("note", function() return raised.code end)
      return "all is well" ]],
    fails = "expired", expect = { ["r [note]"] = { result = '"expired"' } },
  },
  {
    "an expired child is child_failed",
    run = [[ return ctx:invoke { id = "child", workflow = id .. "-child" } ]],
    child_fields = 'timeout = "400ms",', child = [[ ctx:sleep "1d" ]],
    fails = "child_failed", expect = { r = { error = '~"code":"expired"' } },
  },
  {
    "ctx does not know a verb that is not there, and says which was meant",
    fields = "retry = { attempts = 1 },",
    run = [[ ctx:invok { id = "x", workflow = "echo" } ]],
    fails = "error", expect = { r = { error = "~did you mean invoke" } },
  },
  {
    "a verb does not know an option that is not there",
    fields = "retry = { attempts = 1 },",
    run = [[ ctx:invoke { id = "x", workflow = "echo", dat = 1 } ]],
    fails = "error", expect = { r = { error = '~did you mean \\"data\\"' } },
  },
  {
    "ctx cannot be called inside a step",
    run = [[ return ctx:step { id = "s", retry = { attempts = 1 }, run = function() ctx:sleep "1ms" end } ]],
    fails = "error", expect = { r = { error = "~cannot be called inside step" } },
  },
  {
    "io cannot be used outside a step",
    fields = "retry = { attempts = 1 },",
    run = [[ return io.open "/etc/hostname" ]],
    fails = "error",
  },
  {
    "where Lua cannot suspend, the call says so",
    fields = "retry = { attempts = 1 },",
    run = [[ return (("a"):gsub("a", function() ctx:sleep "1ms" end)) ]],
    fails = "error", expect = { r = { error = "~ctx:sleep cannot wait here" } },
  },
}
