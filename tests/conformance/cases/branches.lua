-- scope, parallel, map, any and future:cancel, within one another and where a run ends early.

local BROKEN = [[ error(weir.error { code = "mine", message = "no " .. tostring(data.what), retryable = false }) ]]

return {
  { "a scope puts its id before those in it",
    run = [[
      return ctx:scope("a", function(a)
        a:step("s", function() return 1 end)
        return a:scope("b", function(b) return b:invoke { workflow = "double", data = { value = 4 } } end)
      end) ]],
    result = 8, expect = { ["r [a:s]"] = { state = "completed" }, ["r [a:b:invoke#1]"] = { run = "r/a:b:invoke#1" } } },
  { "a failure in a scope is raised where it is called",
    run = [[
      local ok, err = pcall(ctx.scope, ctx, "a", function(a) a:invoke { id = "f", workflow = "fails" } end)
      return { ok, err.code, (ctx:step("after", function() return 1 end)) } ]],
    result = { false, "child_failed", 1 } },
  { "parallel gives the results under their names",
    run = [[ return ctx:parallel { id = "p", branches = {
        a = function(a) return a:invoke { id = "n", workflow = "nap", data = { ms = 3, value = "a" } } end,
        b = function(b) b:sleep "1ms" return b:step("s", function() return "b" end) end,
        c = function() end,
      } } ]],
    unordered = true, expect = { r = { result = '{"a":"a","b":"b","c":null}' } } },
  { "parallel raises the first failure and cancels the rest",
    run = [[
      local cleaned
      local ok, err = pcall(ctx.parallel, ctx, { id = "p", branches = {
        bad = function(bad) bad:sleep "400ms" bad:invoke { id = "f", workflow = "fails" } end,
        child = function(child) child:invoke { id = "d", workflow = "day" } end,
        careful = function(careful)
          local _, why = pcall(careful.sleep, careful, "1d")
          cleaned = careful:step("clean", function() return why.code end)
        end,
      } })
      return { ok, err.code, cleaned } ]],
    unordered = true, result = { false, "child_failed", "cancelled" },
    expect = { ["r/p:child:d"] = { state = "cancelled" }, ["r [p:careful:clean]"] = { state = "completed" } } },
  { "a failure in parallel that is not caught ends the run",
    run = [[ ctx:parallel { branches = { function(a) a:invoke { id = "f", workflow = "fails" } end,
      function(b) b:invoke { id = "d", workflow = "day" } end } } ]],
    fails = "child_failed", expect = { ["r/parallel#1:2:d"] = { state = "cancelled" } } },
  { "map gives a list of results, so many at a time",
    run = [[
      return ctx:map { id = "m", items = { 5, 4, 3, 2, 1 }, concurrency = 2, run = function(own, item, index)
        local value = own:invoke { id = "n", workflow = "nap", data = { ms = 2 * item, value = item * 10 } }
        return { value, index }
      end } ]],
    unordered = true, result = { { 50, 1 }, { 40, 2 }, { 30, 3 }, { 20, 4 }, { 10, 5 } } },
  { "map of nothing is an empty list, map of what returns nothing is full of null",
    run = [[ return { ctx:map { items = {}, run = print }, ctx:map { items = { 1, 2 }, run = function() end } } ]],
    expect = { r = { result = "[[],[null,null]]" } } },
  { "map takes an iterator, which may wait",
    run = [[
      local items = coroutine.wrap(function()
        for page = 1, 3 do
          for _, item in ipairs(ctx:step("page-" .. page, function() return { page, -page } end)) do
            coroutine.yield(item)
          end
        end
      end)
      return ctx:map { items = items, concurrency = 1, run = function(own, item)
        return own:invoke { id = "d", workflow = "double", data = { value = item } }
      end } ]],
    result = { 2, -2, 4, -4, 6, -6 }, expect = { ["r [map#1:6:d]"] = { state = "completed" } } },
  { "map tolerates so many failures",
    run = [[
      local list = ctx:map { id = "m", items = { 1, 2, 3 }, tolerate = 1, concurrency = 1, run = function(own, item)
        if item == 2 then own:invoke { id = "f", workflow = "fails" } end
        return item
      end }
      return { list[1].ok, list[1].value, list[2].ok, list[2].error.code, list[3].value } ]],
    result = { true, 1, false, "child_failed", 3 } },
  { "map raises when more fail, with both numbers",
    run = [[
      local _, err = pcall(ctx.map, ctx, { id = "m", items = { 1, 2, 3, 4 }, tolerate = 1, concurrency = 1,
        run = function(own, item)
          if item > 1 then own:invoke { id = "f", workflow = id .. "-child", data = { what = item } } end
        end })
      return { err.code, err.message, err.details.failed, err.details.tolerate, err.cause.code } ]],
    child = BROKEN,
    result = { "too_many_failures", 'ctx:map "m": 2 failed, and 1 may (tolerate); the first was 2: '
      .. "Child execution failed: no 2", 2, 1, "child_failed" } },
  { "too many failures end the run at once", fields = 'retry = { attempts = 3, delay = "1ms" },',
    run = [[ ctx:map { items = { 1 }, tolerate = 0, run = function(own) own:invoke { workflow = "fails" } end } ]],
    fails = "too_many_failures", expect = { r = { attempt = 1 } } },
  { "a retry repeats the items that failed, and only those",
    run = [[
      return ctx:map { id = "m", items = { 1, 2, 3 }, concurrency = 1, run = function(own, item)
        local began = own:step("kept", function() return ctx.run.attempt end)
        return own:step { id = "s", retry = { attempts = 1 }, run = function()
          if item == 2 and ctx.run.attempt == 1 then error "never" end
          return began
        end }
      end } ]],
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r" }, { "ends", "r" } }, result = { 1, 1, 2 } },
  { "any takes the first result, and cancels the others",
    run = [[
      local value, key = ctx:any { bad = ctx:spawn { id = "f", workflow = "fails" },
        good = ctx:spawn { id = "n", workflow = "nap", data = { ms = 2000, value = "v" } },
        slow = ctx:spawn { id = "d", workflow = "day" } }
      return { value, key } ]],
    result = { "v", "good" }, expect = { ["r/d"] = { state = "cancelled" }, ["r/f"] = { state = "failed" } } },
  { "any raises every failure if none succeeds",
    run = [[
      local _, err = pcall(ctx.any, ctx, { a = ctx:spawn { id = "a", workflow = id .. "-child", data = { what = "a" } },
        b = function() error(weir.fatal "b fails") end })
      return { err.code, err.message, err.details.a.code, err.details.b.code } ]],
    child = BROKEN,
    result = { "all_failed", "ctx:any: none of 2 succeeded: a: Child execution failed: no a; b: b fails",
      "child_failed", "error" } },
  { "a future that is cancelled ends its child",
    run = [[
      local day = ctx:spawn { id = "d", workflow = "day" }
      ctx:sleep "2ms"
      day:cancel()
      local ended = day:settle()
      return { ended.ok, ended.error.code, ended.error.cause.code } ]],
    result = { false, "child_failed", "cancelled" }, expect = { ["r/d"] = { state = "cancelled" } } },
  { "a future that has its outcome keeps it",
    run = [[
      local fast = ctx:spawn { id = "n", workflow = "nap", data = { ms = 1, value = "v" } }
      ctx:sleep "2s"
      fast:cancel()
      return fast:await() ]],
    result = "v" },
  { "one within the other: map in parallel in a scope in any",
    run = [[
      local value = ctx:any { function(any)
        return any:scope("s", function(scope)
          return scope:parallel { id = "p", branches = { x = function(x)
            return x:map { id = "m", items = { 1, 2 }, concurrency = 1, run = function(own, item)
              own:sleep "1ms"
              return own:all { function(last) return last:step("s", function() return item end) end }
            end }
          end } }
        end)
      end }
      return value ]],
    result = { x = { { 1 }, { 2 } } },
    expect = { ["r [any#1:1:s:p:x:m:2:all#1:1:s]"] = { state = "completed" } } },
  { "branches in an undo",
    run = [[
      ctx:undo("pay", function(undo)
        undo:scope("back", function(scope)
          scope:map { id = "m", items = { 1, 2 }, concurrency = 1, run = function(own)
            own:step("s", function() return 1 end)
          end }
        end)
        undo:parallel { branches = { a = function(a) a:sleep "1ms" end } }
      end)
      error(weir.fatal "stop") ]],
    fails = "error", expect = { ["r [undo:pay:back:m:2:s]"] = { state = "completed" },
      ["r [undo:pay:parallel#1:a:sleep#1]"] = { state = "completed" } } },
  { "branches after a cancel",
    run = [[
      local ok, err = pcall(ctx.map, ctx, { id = "m", items = { 1, 2 }, run = function(own)
        own:invoke { id = "d", workflow = "day" }
      end })
      ctx:scope("clean", function(clean)
        clean:parallel { id = "p", branches = { a = function(a) a:step("s", function() return err.code end) end } }
      end)
      error(err, 0) ]],
    play = { { "start", "r" }, { "waits", "r", "m:2:d" }, { "cancel", "r" }, { "ends", "r" } },
    unordered = true, cancelled = true, expect = {
      ["r [clean:p:a:s]"] = { state = "completed", result = '"cancelled"' }, ["r/m:1:d"] = { state = "cancelled" },
      ["r/m:2:d"] = { state = "cancelled" } } },
  { "branches that a race ends",
    run = [[
      local _, key = ctx:race { fast = function(fast) fast:sleep "400ms" end, slow = function(slow)
        slow:map { id = "m", items = { 1, 2 }, run = function(own) own:invoke { id = "d", workflow = "day" } end }
      end }
      return key ]],
    unordered = true, result = "fast", expect = { ["r/race#1:slow:m:1:d"] = { state = "cancelled" } } },
  { "a context of another branch is refused", fields = 'retry = { attempts = 3, delay = "1ms" },',
    run = [[ ctx:map { items = { 1 }, run = function() ctx:step("s", function() end) end } ]],
    fails = "error", expect = { r = { attempt = 1, error = "~was called on the ctx of the run" } } },
  { "a list that is none is refused", fields = 'retry = { attempts = 3, delay = "1ms" },',
    run = [[ ctx:map { items = { a = 1 }, run = print } ]],
    fails = "error", expect = { r = { attempt = 1, error = "~it has the key a" } } },
  { "two scopes of one id are refused",
    run = [[ ctx:scope("a", function() end) ctx:map { id = "a", items = {}, run = print } ]],
    fails = "duplicate_id" },
  { "the last progress and status are kept, with the counts of branches",
    run = [[
      ctx:status "begins"
      ctx:progress(1, 4)
      pcall(ctx.map, ctx, { id = "m", items = { 1, 2, 3 }, concurrency = 1, run = function(own, item)
        own:progress(item, 4, "item " .. item)
        if item == 2 then own:invoke { id = "f", workflow = "fails" } end
        own:sleep "1ms"
      end })
      ctx:parallel { id = "p", branches = { a = function(a) a:sleep "1ms" end, b = function() end } }
      ctx:status "over" ]],
    expect = { r = { progress = '{"done":2,"groups":[{"done":2,"failed":1,"id":"m","state":"failed","total":3,'
      .. '"verb":"map"},{"done":2,"failed":0,"id":"p","state":"completed","total":2,"verb":"parallel"}],'
      .. '"status":"over","text":"item 2","total":4}' } } },
  { "branches go on after a crash",
    run = [[
      return ctx:map { id = "m", items = { 1, 2, 3 }, concurrency = 2, run = function(own, item)
        own:sleep { id = "z", duration = item == 1 and "3s" or "1ms" }
        return own:invoke { id = "d", workflow = "double", data = { value = item } }
      end } ]],
    play = { { "start", "r" }, { "waits", "r", "m:1:z" }, { "crash" }, { "ends", "r" } },
    unordered = true, result = { 2, 4, 6 } },
}
