-- Dedupe: operations and starts with the same key share one run.

local function shared(key) return ([[dedupe = { key = "%s" }]]):format(key) end

return {
  { "the second takes the first's outcome, when that has ended", run = [[
      local one, first = ctx:invoke { id = "one", workflow = "noted", data = 1, ]] .. shared "d1" .. [[ }
      local two, second = ctx:invoke { id = "two", workflow = "noted", data = 2, ]] .. shared "d1" .. [[ }
      return { one, two, first.id, second.id } ]],
    result = { 1, 1, "r/one", "r/one" } },
  { "the second waits for the first, when that is under way", run = [[
      local one = ctx:spawn { id = "one", workflow = "nap", data = { ms = 400, value = "n" }, ]] .. shared "d2" .. [[ }
      local two = ctx:spawn { id = "two", workflow = "nap", data = { ms = 1 }, ]] .. shared "d2" .. [[ }
      return { (two:await()), (one:await()) } ]],
    unordered = true, result = { "n", "n" } },
  { "the same key of another workflow is another key", run = [[
      local one, first = ctx:invoke { id = "one", workflow = "noted", data = 1, ]] .. shared "d3" .. [[ }
      local two, second = ctx:invoke { id = "two", workflow = "echo", data = 2, ]] .. shared "d3" .. [[ }
      return { one, two, second.id } ]],
    result = { 1, 2, "r/two" } },
  { "a failed run is not shared", run = [[
      pcall(ctx.invoke, ctx, { id = "one", workflow = "fails", ]] .. shared "d4" .. [[ })
      return { ctx:invoke { id = "two", workflow = "fails", ]] .. shared "d4" .. [[ } } ]],
    fails = "child_failed", expect = { ["r/two"] = { state = "failed" } } },
  { "a run older than `within` is not shared", run = [[
      ctx:invoke { id = "one", workflow = "echo", dedupe = { key = "d5", within = "20ms" } }
      ctx:sleep "50ms"
      return select(2, ctx:invoke { id = "two", workflow = "echo", dedupe = { key = "d5", within = "1h" } }).id ]],
    result = "r/two" },
  { "all operations that share a run get its failure", run = [[
      local function fail(id) return ctx:spawn { id = id, workflow = "failing-nap", ]] .. shared "d6" .. [[ } end
      local all = ctx:settle { fail "one", fail "two" }
      return { all[1].ok, all[1].error.code, all[2].ok, all[2].error.code, all[2].error.operation } ]],
    unordered = true, result = { false, "child_failed", false, "child_failed", "two" } },
  { "a run that would wait for itself is a cycle",
    run = [[ return (ctx:invoke { id = "c", workflow = id .. "-child", data = 1, dedupe = { key = "d7" } }) ]],
    child = [[ return ctx:invoke { id = "again", workflow = id .. "-child", dedupe = { key = "d7" } } ]],
    fails = "child_failed", expect = { r = { error = "~cycle" } } },
  { "a timeout of one invoke leaves the run to the others", run = [[
      local one = ctx:spawn { id = "one", workflow = "nap", data = { ms = 800, value = "n" }, ]] .. shared "d8" .. [[ }
      local ok, raised = pcall(ctx.invoke, ctx, { id = "two", workflow = "nap", timeout = "400ms",
        ]] .. shared "d8" .. [[ })
      return { ok, raised.code, (one:await()) } ]],
    result = { false, "timeout", "n" } },
  { "a detached invoke with a key returns the id of the shared run", run = [[
      return { (ctx:invoke { id = "one", workflow = "echo", detached = true, ]] .. shared "d9" .. [[ }),
        (ctx:invoke { id = "two", workflow = "echo", detached = true, ]] .. shared "d9" .. [[ }) } ]],
    result = { "r/one", "r/one" } },
  { "runs that are started with a key", run = [[ return data ]],
    play = { { "start", "r.a", data = 1, dedupe = { key = "d10", within = "1h" } }, { "ends", "r.a" },
             { "start", "r.b", data = 2, dedupe = { key = "d10", within = "1h" } } },
    expect = { ["r.a"] = { result = "1" } } },
  { "a child waits for the run of another tree", run = [[
      return (ctx:invoke { id = "c", workflow = "day", ]] .. shared "d11" .. [[ }) ]],
    play = { { "start", "r.a" }, { "waits", "r.a/c", "long" }, { "start", "r.b" }, { "waits", "r.b", "c" },
             { "cancel", "r.a/c" }, { "ends", "r.b" }, { "ends", "r.a" } },
    expect = { ["r.b"] = { state = "failed" }, ["r.b [c]"] = { state = "cancelled", run = "r.a/c" } } },
  { "a cancel of one waiting run leaves the shared run to the others", run = [[
      return (ctx:invoke { id = "c", workflow = "day", ]] .. shared "d12" .. [[ }) ]],
    play = { { "start", "r.a" }, { "waits", "r.a/c", "long" }, { "start", "r.b" }, { "waits", "r.b", "c" },
             { "cancel", "r.b" }, { "ends", "r.b" }, { "waits", "r.a/c", "long" }, { "cancel", "r.a" },
             { "ends", "r.a" } },
    expect = { ["r.b"] = { state = "cancelled" }, ["r.a/c"] = { state = "cancelled" } } },
  { "a child takes the result of a run of another tree", run = [[
      return (ctx:invoke { id = "c", workflow = "noted", data = ctx.run.id, ]] .. shared "d13" .. [[ }) ]],
    play = { { "start", "r.a" }, { "ends", "r.a" }, { "start", "r.b" }, { "ends", "r.b" } },
    expect = { ["r.b"] = { result = '"r.a"' } } },
  { "trees that would wait for each other are a cycle, and the error shows the chain", run = [[
      return (ctx:invoke { id = "c", workflow = id .. "-child", data = data, dedupe = { key = "d14" .. data.own } }) ]],
    child = [[
      pcall(ctx.invoke, ctx, { id = "gate", workflow = "day" })
      return ctx:invoke { id = "other", workflow = id .. "-child", dedupe = { key = "d14" .. data.other } } ]],
    play = { { "start", "r.a", data = { own = 1, other = 2 } }, { "waits", "r.a/c/gate", "long" },
             { "start", "r.b", data = { own = 2, other = 1 } }, { "waits", "r.b/c/gate", "long" },
             { "cancel", "r.a/c/gate" }, { "waits", "r.a/c", "other" }, { "cancel", "r.b/c/gate" },
             { "ends", "r.b" }, { "ends", "r.a" } },
    expect = { ["r.b/c [other]"] = { error = "~r.b/c waits for r.a/c waits for r.b/c" },
               ["r.a/c [other]"] = { run = "r.b/c" }, ["r.a"] = { error = "~cycle" } } },
  { "a detached child may wait for the run that started it", run = [[
      if data.first then return (ctx:invoke { id = "c", workflow = id, data = {}, dedupe = { key = "d15" } }) end
      ctx:invoke { id = "loose", workflow = id .. "-child", detached = true }
      pcall(ctx.invoke, ctx, { id = "gate", workflow = "day" })
      return "done" ]],
    child = [[ return (ctx:invoke { id = "above", workflow = id, dedupe = { key = "d15" } }) ]],
    play = { { "start", "r", data = { first = true } }, { "waits", "r/c/gate", "long" },
             { "waits", "r/c/loose", "above" }, { "cancel", "r/c/gate" }, { "ends", "r" }, { "ends", "r/c/loose" } },
    expect = { ["r/c/loose"] = { result = '"done"' } } },
  { "dedupe is a table with a key", fields = "retry = { attempts = 1 },",
    run = [[ ctx:invoke { id = "c", workflow = "echo", dedupe = "key" } ]], fails = "error" },
}
