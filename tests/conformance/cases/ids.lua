-- Ids of operations and runs: in scopes, numbered, and unusual ones.

return {
  { "operations without an id are numbered by kind",
    run = [[
      ctx:sleep "1ms"
      ctx:invoke { workflow = "echo" }
      ctx:sleep "1ms"
      ctx:invoke { workflow = "noted", data = 1 }
      ctx:step { run = function() end } ]],
    expect = { r = { operations = "invoke#1, invoke#2, sleep#1, sleep#2, step#1" } } },
  { "each branch numbers its own",
    run = [[ ctx:all { a = function(own) own:sleep "1ms" own:sleep "1ms" end, b = function(own) own:sleep "2ms" end }
      ctx:all { function(own) own:sleep "1ms" end } ]],
    unordered = true,
    expect = { r = { operations = "all#1:a:sleep#1, all#1:a:sleep#2, all#1:b:sleep#1, all#2:1:sleep#1" } } },
  { "ids may have spaces, dots, colons and other scripts",
    run = [[
      local list = {}
      local names = { "a b", "a.b", "a:b", "é", "日本", "#", "*", "%s", "a'b\"c", "[x]", "{y}", "-", "?", "\\" }
      for i, name in ipairs(names) do
        list[i] = ctx:invoke { id = name, workflow = i % 2 == 0 and "echo" or "noted", data = name }
      end
      return list ]],
    result = { "a b", "a.b", "a:b", "é", "日本", "#", "*", "%s", "a'b\"c", "[x]", "{y}", "-", "?", "\\" } },
  { "an id that looks like a number, or like a field",
    run = [[ return { (ctx:invoke { id = "1", workflow = "echo", data = "one" }),
        (ctx:invoke { id = "2", workflow = "noted", data = "two" }), ctx:step("state", function() return "s" end),
        ctx:step("o:1", function() return "o" end), ctx:step("number", function() return "n" end) } ]],
    result = { "one", "two", "s", "o", "n" } },
  { "an id of 512 bytes is taken", run = [[ return #ctx:step(("x"):rep(512), function() return ("y"):rep(5) end) ]],
    result = 5 },
  { "an id that is longer is refused", fields = "retry = { attempts = 1 },",
    run = [[ ctx:step(("x"):rep(513), function() end) ]], fails = "error" },
  { "an id has no slash, which separates runs", fields = "retry = { attempts = 1 },",
    run = [[ ctx:step("a/b", function() end) ]], fails = "error" },
  { "an id has no tilde, which separates generations", fields = "retry = { attempts = 1 },",
    run = [[ ctx:sleep { id = "a~2", duration = "1ms" } ]], fails = "error" },
  { "an id has no control character", fields = "retry = { attempts = 1 },",
    run = [[ ctx:step("a\nb", function() end) ]], fails = "error" },
  { "an id is not empty", fields = "retry = { attempts = 1 },",
    run = [[ ctx:invoke { id = "", workflow = "echo" } ]], fails = "error" },
  { "an id is text", fields = "retry = { attempts = 1 },", run = [[ ctx:step(5, function() end) ]], fails = "error" },
  { "a key of a branch is an id", fields = "retry = { attempts = 1 },",
    run = [[ ctx:all { ["a/b"] = function() end } ]], fails = "error" },
  { "the end of a losing branch does not touch a branch whose key begins with its key",
    run = [[
      local box
      local _, key = ctx:race {
        ["eu"] = function(own) own:sleep "1d" end,
        ["eu:west"] = function(own)
          box = own:spawn { id = "box", workflow = "nap", data = { ms = 400, value = "packed" } }
          own:sleep "2ms"
        end,
      }
      return { key, (box:await()) } ]],
    result = { "eu:west", "packed" } },
  { "nor a branch within that one",
    run = [[
      return ctx:all {
        ["a"] = function(own) own:race { function(o) o:sleep "1d" end, function(o) o:sleep "1ms" end } end,
        ["a:race#1:1"] = function(own) own:sleep { id = "own", duration = "400ms" } return "unharmed" end,
      }["a:race#1:1"] ]],
    result = "unharmed" },
  { "the next attempt takes over a child whose id begins like that of an undo",
    fields = 'retry = { attempts = 2, delay = "1ms" },',
    run = [[
      if ctx.run.attempt > 1 then return "done" end
      ctx:spawn { id = "undo:stock", workflow = "nap", data = { ms = 400 } }
      ctx:sleep "1ms"
      error("first", 0) ]],
    result = "done", expect = { ["r/undo:stock"] = { state = "completed" } } },
  { "an id of the author's cannot be that of an undo", fields = "retry = { attempts = 1 },",
    run = [[
      ctx:undo("stock", function(own) own:step("step", function() end) end)
      ctx:step("undo:stock:step", function() end) ]],
    fails = "duplicate_id", expect = { ["r [undo:stock:step]"] = { state = "completed" } } },
  { "an undo is refused when there is such an id", fields = "retry = { attempts = 1 },",
    run = [[
      ctx:step("undo:stock:step", function() return "own" end)
      ctx:undo("stock", function() end) ]],
    fails = "duplicate_id", expect = { ["r [undo:stock:step]"] = { result = '"own"' } } },
  { "an id with a colon is no branch: handled failures stay handled",
    fields = "retry = { attempts = 1 },",
    run = [[
      local ok = pcall(ctx.step, ctx, { id = "charge:7", retry = { attempts = 1 }, run = function()
        error(weir.fatal "declined") end })
      local noted = ctx:step("refund", function() return ctx.run.attempt end)
      if ctx.run.attempt == 1 then ctx:sleep { id = "long", duration = "1d" } end
      return { ok, noted } ]],
    play = { { "start", "r" }, { "waits", "r", "long" }, { "cancel", "r", now = true }, { "ends", "r" },
             { "retry", "r" }, { "ends", "r" } },
    result = { false, 1 } },
  { "the same id in two branches is two operations",
    run = [[
      local function double(value) return function(own)
        return (own:invoke { id = "same", workflow = "noted", data = value })
      end end
      return ctx:all { double(1), double(2) } ]],
    unordered = true, result = { 1, 2 }, expect = { ["r/all#1:1:same"] = { state = "completed" } } },
  { "the same id twice is refused, also when the first has ended; the run may catch that",
    run = [[
      ctx:invoke { id = "x", workflow = "echo" }
      local ok, raised = pcall(ctx.invoke, ctx, { id = "x", workflow = "echo" })
      return { ok, raised.code, raised:is "duplicate_id", ctx:step("y", function() return 1 end) } ]],
    result = { false, "duplicate_id", true, 1 } },
  { "a run is started with an id of other scripts, and spaces",
    run = [[ return (ctx:invoke { id = "ü", workflow = "noted", data = ctx.run.id }) ]],
    play = { { "start", "r.bœuf à la mode" }, { "ends", "r.bœuf à la mode" } },
    expect = { ["r.bœuf à la mode"] = { result = '"r.bœuf à la mode"' } } },
}
