-- The order of outcomes, and how all, settle and race deal with it; branches within branches.

return {
  { "results stand under their keys",
    run = [[
      local all = ctx:all {
        ctx:spawn { id = "a", workflow = "double", data = { value = 1 } },
        ctx:spawn { id = "b", workflow = "nap", data = { ms = 2, value = "n" } },
        key = function() return "k" end,
      }
      return { all[1], all[2], all.key } ]],
    unordered = true, result = { 2, "n", "k" } },
  { "all of a list is a list, of nothing an object",
    run = [[ return { ctx:all { ctx:spawn { id = "a", workflow = "echo", data = 1 } }, ctx:all {} } ]],
    expect = { r = { result = "[[1],{}]" } } },
  { "children that sleep end in the order of their time",
    run = [[
      local order = {}
      local function take(ms) return function(own)
        local value = own:invoke { id = "n", workflow = "nap", data = { ms = ms, value = ms } }
        order[#order + 1] = value
      end end
      ctx:all { take(900), take(2), take(450) }
      return order ]],
    result = { 2, 450, 900 } },
  { "all raises the first failure, and leaves the others going",
    run = [[
      local slow = ctx:spawn { id = "slow", workflow = "nap", data = { ms = 400, value = "slow" } }
      local ok, raised = pcall(ctx.all, ctx, { slow, ctx:spawn { id = "bad", workflow = "fails" } })
      return { ok, raised.operation, (slow:await()) } ]],
    result = { false, "bad", "slow" } },
  { "settle returns how each ended",
    run = [[
      local all = ctx:settle { good = ctx:spawn { id = "g", workflow = "echo", data = 1 },
        bad = ctx:spawn { id = "b", workflow = "fails" }, worse = function() error("own", 0) end }
      return { all.good.ok, all.good.value, all.bad.ok, all.bad.error.code, all.worse.ok, all.worse.error.message } ]],
    unordered = true, result = { true, 1, false, "child_failed", false, "own" } },
  { "a race is won by the first, the others are cancelled",
    run = [[ local value, key = ctx:race { slow = ctx:spawn { id = "slow", workflow = "day" },
        quick = ctx:spawn { id = "quick", workflow = "nap", data = { ms = 400, value = "q" } } }
      return { value, key } ]],
    result = { "q", "quick" }, expect = { ["r/slow"] = { state = "cancelled" },
      ["r [slow]"] = { state = "cancelled" } } },
  { "losers that are kept go on",
    run = [[
      local slow = ctx:spawn { id = "slow", workflow = "nap", data = { ms = 450, value = "s" } }
      local _, key = ctx:race({ slow, ctx:spawn { id = "q", workflow = "nap", data = { ms = 1 } } },
        { losers = "keep" })
      return { key, (slow:await()) } ]],
    result = { 2, "s" } },
  { "a race that is won by a failure raises it",
    run = [[ return ctx:race { ctx:spawn { id = "b", workflow = "failing-nap" },
      ctx:spawn { id = "d", workflow = "day" } } ]],
    fails = "child_failed", expect = { ["r/d"] = { state = "cancelled" } } },
  { "of futures that were awaited before, the first delivered wins",
    run = [[
      local a = ctx:spawn { id = "a", workflow = "nap", data = { ms = 450, value = "a" } }
      local b = ctx:spawn { id = "b", workflow = "nap", data = { ms = 1, value = "b" } }
      a:await() b:await()
      return { ctx:race { b, a } } ]],
    result = { "a", 2 } },
  { "a race of branches that need nothing is won by the first key",
    run = [[ return { ctx:race { z = function() return "z" end, a = function() return "a" end } } ]],
    result = { "a", "a" } },
  { "a losing branch gets `cancelled` and may clean up",
    run = [[
      local seen = {}
      ctx:race {
        quick = function(own) own:sleep "5ms" return 1 end,
        slow = function(own)
          local ok, raised = pcall(own.sleep, own, "1d")
          seen[1], seen[2] = raised.code, own:step("tidy", function() return "tidied" end)
        end,
      }
      ctx:sleep "400ms"
      return seen ]],
    result = { "cancelled", "tidied" } },
  { "the children of a branch that lost are cancelled, those of others are not",
    run = [[
      local kept = ctx:spawn { id = "kept", workflow = "nap", data = { ms = 900, value = "kept" } }
      ctx:race {
        quick = function(own) own:sleep "400ms" end,
        slow = function(own) own:invoke { id = "child", workflow = "day" } end,
      }
      return kept:await() ]],
    result = "kept", expect = { ["r/race#1:slow:child"] = { state = "cancelled" } } },
  { "a race ends with its winner, and its run, whatever a loser waits for",
    run = [[
      local slow = ctx:spawn { id = "slow", workflow = "day" }
      local value = ctx:race { clock = function(own) own:sleep "300ms" return "late" end,
        answer = function() return slow:await() end }
      return { value, (ctx:step("after", function() return "went on" end)) } ]],
    result = { "late", "went on" }, expect = { ["r/slow"] = { state = "cancelled" } } },
  { "an operation for which a loser waited can be awaited later",
    run = [[
      local nap = ctx:spawn { id = "nap", workflow = "nap", data = { ms = 400, value = "n" } }
      local value = ctx:race { clock = function(own) own:sleep "1ms" return "late" end,
        answer = function() return nap:await() end }
      return { value, (nap:await()) } ]],
    result = { "late", "n" } },
  { "an empty race", fields = "retry = { attempts = 1 },", run = [[ ctx:race {} ]], fails = "error" },
  { "an unknown option of race is refused", fields = "retry = { attempts = 1 },",
    run = [[ ctx:race({ function() end }, { losers = "shoot" }) ]], fails = "error" },
  { "all takes futures and functions", fields = "retry = { attempts = 1 },", run = [[ ctx:all { 5 } ]],
    fails = "error" },
  { "branches in branches have scopes in scopes",
    run = [[ return ctx:all { outer = function(one)
        one:step("s", function() return 1 end)
        return one:all { inner = function(two)
          return two:all { function(three)
            return three:invoke { id = "deep", workflow = "double", data = { value = 4 } }
          end }
        end }
      end } ]],
    expect = { r = { result = '{"outer":{"inner":[8]}}', operations = "~all#1:outer:all#1:inner:all#1:1:deep" } } },
  { "branches begin in the order of their keys",
    run = [[
      local order = {}
      local function note(name) return function() order[#order + 1] = name end end
      ctx:all { b = note "b", a = note "a", [2] = note "2", [1] = note "1" }
      return order ]],
    result = { "1", "2", "a", "b" } },
  { "a run that returns waits for its branches",
    run = [[
      ctx:race({ function() return 1 end, function(own) own:sleep "5ms" own:step("late", function() return 2 end) end },
        { losers = "keep" })
      return "returned" ]],
    result = "returned", expect = { ["r [race#1:2:late]"] = { state = "completed" } } },
  { "a run that fails ends its branches first",
    fields = "retry = { attempts = 1 },",
    run = [[ ctx:all { function(own) own:sleep "2ms" error("no", 0) end,
        function(own) pcall(own.sleep, own, "1d") own:step("after", function() return "ended" end) end } ]],
    fails = "error", expect = { ["r [all#1:2:after]"] = { state = "completed" } } },
  { "steps of branches take turns",
    run = [[
      local order = {}
      local function three(name) return function(own)
        for i = 1, 3 do
          local value = own:step("s" .. i, function() return name .. i end)
          order[#order + 1] = value
        end
      end end
      ctx:all { a = three "a", b = three "b" }
      return order ]],
    result = { "a1", "b1", "a2", "b2", "a3", "b3" } },
  { "one future is awaited by several branches, in the order in which they began",
    run = [[
      local order, shared = {}, ctx:spawn { id = "n", workflow = "nap", data = { ms = 3, value = "n" } }
      ctx:all { c = function() local n = shared:await() order[#order + 1] = "c" .. n end,
        a = function() local n = shared:await() order[#order + 1] = "a" .. n end }
      return order ]],
    result = { "an", "cn" } },
  { "an outcome that is known is awaited like any other",
    run = [[
      local one = ctx:spawn { id = "one", workflow = "nap", data = { ms = 5, value = 1 } }
      ctx:sleep "450ms"
      local order = {}
      ctx:all { a = function() one:await() order[#order + 1] = "late" end,
        b = function() order[#order + 1] = "early" end }
      return order ]],
    result = { "early", "late" } },
  { "the same future twice", run = [[
      local one = ctx:spawn { id = "one", workflow = "double", data = { value = 1 } }
      return { ctx:all { one, one }, (ctx:settle { a = one, b = one }).b.value } ]],
    result = { { 2, 2 }, 2 } },
  { "a hundred children side by side",
    run = [[
      local futures, sum = {}, 0
      for i = 1, 100 do futures[i] = ctx:spawn { id = "c" .. i, workflow = "double", data = { value = i } } end
      for _, value in ipairs(ctx:all(futures)) do sum = sum + value end
      return sum ]],
    unordered = true, result = 10100 },
  { "thirty children after each other",
    run = [[
      local sum = 0
      for i = 1, 30 do sum = sum + ctx:invoke { workflow = i % 3 == 0 and "noted" or "echo", data = i } end
      return sum ]],
    result = 465 },
  { "more operations than one turn can send",
    run = [[
      local futures = {}
      for i = 1, 300 do futures[i] = ctx:spawn { id = "c" .. i, workflow = "noted", data = i } end
      return #ctx:all(futures) ]],
    unordered = true, result = 300 },
}
