-- Undo: which steps a failed run compensates, and in which order.

local ONE = "retry = { attempts = 1 },"

return {
  { "steps are undone newest first, with what they returned", fields = ONE,
    run = [[
      for i = 1, 3 do
        ctx:step { id = "s" .. i, run = function() return i * 10 end,
          undo = function(result) ctx.log:info("undid " .. result) end }
      end
      error("no", 0) ]],
    fails = "error",
    expect = { r = { log = "~undid 30 \ninfo undid 20 \ninfo undid 10" }, ["r [undo:s1:step]"] = { number = 6 },
      ["r [undo:s3:step]"] = { number = 4 } } },
  { "a run that completes undoes nothing",
    run = [[ return ctx:step { id = "s", run = function() return 1 end, undo = function() end } ]],
    result = 1, expect = { r = { operations = "s" } } },
  { "not between attempts, but at the end of the last",
    fields = 'retry = { attempts = 2, delay = "1ms" },',
    run = [[
      ctx:step { id = "s", run = function() return 1 end, undo = function() end }
      error("attempt " .. ctx.run.attempt, 0) ]],
    fails = "error", expect = { r = { attempt = 2 }, ["r [undo:s:step]"] = { state = "completed" } } },
  { "an undo may invoke and sleep", fields = ONE,
    run = [[
      ctx:undo("order", function(own)
        own:sleep "2ms"
        own:invoke { id = "refund", workflow = "noted", data = { amount = 5 } }
      end)
      ctx:invoke { id = "child", workflow = "fails" } ]],
    fails = "child_failed", expect = { ["r/undo:order:refund"] = { state = "completed" } } },
  { "after a failed undo the others run", fields = ONE,
    run = [[
      ctx:undo("first", function(own) own:step("works", function() return 1 end) end)
      ctx:undo("second", function() error("stuck", 0) end)
      error("no", 0) ]],
    fails = "error", expect = { ["r [undo:first:works]"] = { state = "completed" },
      r = { log = '~undo of "second" failed: stuck' } } },
  { "an undo that was registered before a failing call", fields = ONE,
    run = [[
      ctx:undo("charge", function(own) own:step("refund", function() return "refunded" end) end)
      ctx:step { id = "charge", retry = { attempts = 1 }, run = function() error("declined", 0) end } ]],
    fails = "error", expect = { ["r [undo:charge:refund]"] = { result = '"refunded"' } } },
  { "two undos of one id", fields = ONE,
    run = [[ ctx:undo("a", function() end) ctx:undo("a", function() end) ]], fails = "duplicate_id" },
  { "an undo that waits for a child that fails", fields = ONE,
    run = [[
      ctx:undo("a", function(own) own:invoke { id = "bad", workflow = "fails" } end)
      error("no", 0) ]],
    fails = "error", expect = { ["r/undo:a:bad"] = { state = "failed" } } },
  { "a cancelled run undoes",
    run = [[
      ctx:step { id = "s", run = function() return 1 end, undo = function(value) return value + 1 end }
      ctx:sleep { id = "long", duration = "1d" } ]],
    play = { { "start", "r" }, { "waits", "r", "long" }, { "cancel", "r" }, { "ends", "r" } },
    cancelled = true, expect = { ["r [undo:s:step]"] = { state = "completed" } } },
  { "undos of all branches run in the reverse of their order", fields = ONE,
    run = [[
      ctx:all {
        a = function(own) own:step { id = "s", run = function() return "a" end, undo = function() end } end,
        b = function(own) own:step { id = "s", run = function() return "b" end, undo = function() end } end,
      }
      error("no", 0) ]],
    fails = "error", expect = { ["r [undo:all#1:b:s:step]"] = { number = 3 },
      ["r [undo:all#1:a:s:step]"] = { number = 4 } } },
}
