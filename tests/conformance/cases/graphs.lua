-- Graphs: when nodes begin, what follows from a failure, what nodes read, and what a retry resets.

local CHILD = ', weir.workflow { id = id .. "-child", retry = { attempts = 1 }, run = function(ctx)\n%s\nend }'

local function graph(nodes, child)
  local below = child and CHILD:format(child) or ""
  return ("return { weir.graph { id = id, nodes = { %s } }%s }"):format(nodes, below)
end

local DIAMOND = [[
  { key = "a", workflow = "noted", data = { n = 1 } },
  { key = "b", workflow = "double", depends_on = { "a" }, data = function(_, deps) return { value = deps.a.n } end },
  { key = "c", workflow = "noted", depends_on = { "a" }, data = function(_, deps) return { n = deps.a.n + 5 } end },
  { key = "d", workflow = "echo", depends_on = { "b", "c" },
    data = function(_, deps) return { deps.b, deps.c.n } end },
]]

return {
  { "a diamond", code = graph(DIAMOND), unordered = true, result = { d = { 2, 6 } } },
  { "a chain, in order",
    code = graph [[
      { key = "one", workflow = "noted", data = 1 },
      { key = "two", workflow = "noted", depends_on = { "one" }, data = function(_, deps) return deps.one + 1 end },
      { key = "three", workflow = "noted", depends_on = { "two" }, data = function(_, deps) return deps.two + 1 end },
    ]],
    result = { three = 3 } },
  { "nodes get the graph's input only where `data` passes it on",
    code = graph [[ { key = "n", workflow = "noted", data = function(input) return { input.x } end } ]],
    play = { { "start", "r", data = { x = 5 } }, { "ends", "r" } }, result = { n = { 5 } } },
  { "nodes behind a failed node do not begin, independent ones go on",
    code = graph [[
      { key = "bad", workflow = "fails" }, { key = "after", workflow = "noted", depends_on = { "bad" } },
      { key = "later", workflow = "noted", depends_on = { "after" } },
      { key = "free", workflow = "nap", data = { ms = 5 } },
    ]],
    fails = "child_failed",
    expect = { ["r [after]"] = { state = "pending" }, ["r/free"] = { state = "completed" },
               r = { error = '~node \\"bad\\" failed: not today; 2 not started' } } },
  { "a node whose data function raises has failed, and nodes that can do without it go on",
    code = graph [[
      { key = "load", workflow = "noted", data = { 1 } },
      { key = "chart", workflow = "noted", depends_on = { "load" }, optional = true,
        data = function(_, deps) return { deps.load.rows[1] } end },
      { key = "large", workflow = "noted", depends_on = { "load" }, optional = true,
        data = function() return ("x"):rep(70000) end },
      { key = "two", workflow = "noted", depends_on = { "load" }, optional = true, data = function() return 1, 2 end },
      { key = "after", workflow = "noted", depends_on = { "chart" }, when = "settled",
        data = function(_, deps)
          return { deps("chart").ok, deps("chart").error.message:match "^data of node[^:]*" }
        end },
      { key = "archive", workflow = "noted", depends_on = { "load" }, data = { 2 } },
    ]],
    unordered = true, result = { after = { false, 'data of node "chart"' }, archive = { 2 } },
    expect = { ["r [chart]"] = { state = "failed" }, ["r [large]"] = { error = "~payload_too_large" },
      ["r [two]"] = { error = "~returned 2 values" } } },
  { "a required node whose data function raises fails the graph, and a retry calls the function again",
    code = [[ return { weir.graph { id = id, nodes = {
        { key = "n", workflow = "noted", data = function(input) return { input.x + 1 } end },
        { key = "free", workflow = "nap", data = { ms = 5 } } } } } ]],
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r" }, { "ends", "r" } },
    fails = "child_failed", expect = { ["r/free"] = { state = "completed" }, ["r [n]"] = { state = "failed" } } },
  { "a node that only optional nodes follow counts as a last one, however they end",
    code = graph [[
      { key = "load", workflow = "noted", data = 1 }, { key = "report", workflow = "noted", data = 2 },
      { key = "notify", workflow = "fails", depends_on = { "load", "report" }, optional = true },
      { key = "tell", workflow = "noted", depends_on = { "load" }, optional = true, data = 3 },
      { key = "last", workflow = "noted", depends_on = { "report", "tell" }, data = 4 },
    ]],
    unordered = true, result = { last = 4 } },
  { "the same, when no other node follows",
    code = graph [[
      { key = "load", workflow = "noted", data = 1 },
      { key = "notify", workflow = "noted", depends_on = { "load" }, optional = true, data = 2 },
    ]],
    unordered = true, result = { load = 1, notify = 2 } },
  { "a node sees which dependencies have not begun",
    code = graph([[
      { key = "bad", workflow = "fails", optional = true },
      { key = "never", workflow = "noted", depends_on = { "bad" } },
      { key = "reads", workflow = id .. "-child", depends_on = { "never" }, when = "settled" },
      { key = "given", workflow = "noted", depends_on = { "never" }, when = "settled",
        data = function(_, deps) return deps("never").error.code end },
    ]], [[ return ctx.deps("never").error.code ]]),
    unordered = true, result = { given = "pending", reads = "pending" } },
  { "the error names both failed nodes",
    code = graph [[ { key = "x", workflow = "fails" }, { key = "y", workflow = "failing-nap" } ]],
    fails = "child_failed", expect = { r = { error = '~2 of 2 nodes failed: x, y' } } },
  { "an optional node may fail",
    code = graph [[
      { key = "extra", workflow = "fails", optional = true }, { key = "main", workflow = "noted", data = 1 },
      { key = "end", workflow = "noted", data = 2, depends_on = { "extra", "main" }, when = "settled" },
    ]],
    unordered = true, result = { ["end"] = 2 } },
  { "any: the first that completes is enough",
    code = graph([[
      { key = "slow", workflow = "nap", data = { ms = 400, value = "s" } },
      { key = "quick", workflow = "nap", data = { ms = 1, value = "q" } },
      { key = "first", workflow = id .. "-child", depends_on = { "slow", "quick" }, when = "any" },
    ]], [[
      local slow = ctx.deps "slow"
      return { slow.ok or false, ctx.deps.quick } ]]),
    result = { first = { false, "q" } } },
  { "any: a node without a completed dependency never begins",
    code = graph [[
      { key = "x", workflow = "fails", optional = true }, { key = "y", workflow = "failing-nap", optional = true },
      { key = "first", workflow = "noted", depends_on = { "x", "y" }, when = "any" },
    ]],
    expect = { r = { state = "completed", result = "{}" }, ["r [first]"] = { state = "pending" } } },
  { "settled: whatever the outcome",
    code = graph([[
      { key = "x", workflow = "fails", optional = true }, { key = "y", workflow = "noted", data = "why" },
      { key = "report", workflow = id .. "-child", depends_on = { "x", "y" }, when = "settled" },
    ]], [[
      local x, y = ctx.deps "x", ctx.deps "y"
      return { x.ok, x.error.message, y.ok, y.value, ctx.deps.x == nil } ]]),
    unordered = true, result = { report = { false, "not today", true, "why", true } } },
  { "a node reads what it depends on, also by pairs",
    code = graph([[
      { key = "a", workflow = "noted", data = 1 }, { key = "b", workflow = "noted", data = 2 },
      { key = "sum", workflow = id .. "-child", depends_on = { "b", "a" } },
    ]], [[
      local list = {}
      for key, value in pairs(ctx.deps) do list[#list + 1] = key .. value end
      ctx:sleep "1ms"
      return { list, ctx.deps.a + ctx.deps.b } ]]),
    unordered = true, loose = { "r/sum [sleep#1] number", "r/sum [sleep#1] after" },
    result = { sum = { { "b2", "a1" }, 3 } } },
  { "a node reads nothing that it does not depend on",
    code = graph([[
      { key = "a", workflow = "noted", data = 1 }, { key = "sum", workflow = id .. "-child", depends_on = { "a" } },
    ]], [[ return ctx.deps.b ]]),
    fails = "child_failed", expect = { ["r/sum"] = { error = '~deps has no \\"b\\"' } } },
  { "a node's timeout, retry, priority and queue",
    code = graph [[
      { key = "late", workflow = "day", timeout = "400ms", optional = true },
      { key = "again", workflow = "flaky", retry = { attempts = 2, delay = "1ms" }, optional = true },
      { key = "p", workflow = "noted", priority = 3, queue = "lane" },
    ]],
    unordered = true,
    expect = { ["r/late"] = { state = "cancelled" }, ["r/again"] = { state = "failed", attempt = 2 },
               ["r/p"] = { priority = 3, queue = "lane" } } },
  { "a function that makes the nodes from the input",
    code = [[
      return weir.graph { id = id, nodes = function(input)
        local nodes = {}
        for i = 1, input.count do
          nodes[i] = { key = "n" .. i, workflow = "double", data = { value = i },
            depends_on = i > 1 and { "n" .. i - 1 } or nil }
        end
        return nodes
      end } ]],
    play = { { "start", "r", data = { count = 5 } }, { "ends", "r" } }, result = { n5 = 10 } },
  { "a function that makes wrong nodes",
    code = [[ return weir.graph { id = id, nodes = function()
        return { { key = "a", workflow = "echo", depends_on = { "b" } },
                 { key = "b", workflow = "echo", depends_on = { "a" } } }
      end } ]],
    fails = "error", expect = { r = { attempt = 1 } } },
  { "a graph as data",
    run = [[ return 1 ]],
    play = { { "start", "r", workflow = "weir.graph", data = { name = "sent", nodes = {
      { key = "a", workflow = "noted", data = 1 },
      { key = "b", workflow = "double", data = { value = 2 }, depends_on = { "a" } },
    } } }, { "ends", "r" } },
    result = { b = 4 } },
  { "an invoke of a graph as data is refused with all its faults",
    run = [[ return ctx:invoke { id = "g", workflow = "weir.graph", data = { nodes = {
        { key = "a", workflow = "echo", depends_on = { "x" } }, { key = "a", workflow = "echo" } } } } ]],
    fails = "child_failed", expect = { ["r/g"] = { error = "~invalid_data" } } },
  { "a node with an unknown workflow",
    code = [[ return weir.graph { id = id, nodes = function()
        return { { key = "a", workflow = "nobody's" }, { key = "b", workflow = "noted" } }
      end } ]],
    fails = "child_failed", unordered = true, expect = { ["r [a]"] = { state = "failed" } } },
  { "a data function that raises",
    code = graph [[ { key = "a", workflow = "noted", data = function() error("no data", 0) end } ]],
    fails = "child_failed" },
  { "a graph without nodes", code = [[ return weir.graph { id = id, nodes = function() return {} end } ]],
    fails = "error" },
  { "a graph within a graph",
    code = [[
      return { weir.graph { id = id, nodes = { { key = "in", workflow = id .. "-child", data = { x = 1 } },
          { key = "out", workflow = "noted", depends_on = { "in" },
            data = function(_, deps) return deps["in"].leaf end } } },
        weir.graph { id = id .. "-child", nodes = {
          { key = "leaf", workflow = "noted", data = function(input) return input.x end } } } } ]],
    result = { out = 1 } },
  { "a cancel ends running nodes and begins no others",
    code = graph [[
      { key = "long", workflow = "day" }, { key = "clean", workflow = "cleans" },
      { key = "after", workflow = "noted", depends_on = { "long" } },
    ]],
    play = { { "start", "r" }, { "waits", "r/long", "long" }, { "waits", "r/clean", "sleep#1" }, { "cancel", "r" },
             { "ends", "r" } },
    cancelled = true, unordered = true,
    expect = { ["r/long"] = { state = "cancelled" }, ["r [after]"] = { state = "pending" } } },
  { "a retry resets failed nodes and all that depend on them",
    code = graph [[
      { key = "fine", workflow = "noted", data = 1 },
      { key = "bad", workflow = "unlucky", depends_on = { "fine" }, data = 5 },
      { key = "after", workflow = "noted", depends_on = { "bad" }, data = function(_, deps) return deps.bad end },
    ]],
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r" }, { "ends", "r" } },
    result = { after = { 1, 5 } }, expect = { ["r/fine"] = { attempt = 1 }, ["r/bad"] = { attempt = 2 } } },
  { "the retry of a node reopens its graph",
    code = graph [[ { key = "bad", workflow = "unlucky", data = 5 } ]],
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r/bad" }, { "ends", "r" } },
    result = { bad = { 1, 5 } } },
  { "a node that has not begun cannot be retried",
    code = graph [[
      { key = "bad", workflow = "fails" }, { key = "after", workflow = "noted", depends_on = { "bad" } },
    ]],
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r/after" } }, fails = "child_failed" },
  { "--from a node resets it and all nodes that depend on it",
    code = graph [[
      { key = "a", workflow = "noted", data = 1 }, { key = "b", workflow = "noted", data = 2, depends_on = { "a" } },
      { key = "c", workflow = "noted", data = 3, depends_on = { "b" } },
      { key = "d", workflow = "noted", data = 4, depends_on = { "a" } },
    ]],
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r", from = "b" }, { "ends", "r" } },
    unordered = true, expect = { ["r/b~2"] = { state = "completed" }, ["r/c~2"] = { state = "completed" },
      r = { state = "completed" } } },
  { "--scratch of a graph", code = graph(DIAMOND), unordered = true,
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r", scratch = true }, { "ends", "r" } },
    result = { d = { 2, 6 } }, expect = { ["r/a~2"] = { state = "completed" } } },
  { "a settled node that saw a failure is reset with it",
    code = graph([[
      { key = "bad", workflow = "unlucky", data = 5 },
      { key = "report", workflow = id .. "-child", depends_on = { "bad" }, when = "settled" },
    ]], [[ return ctx.deps("bad").ok ]]),
    play = { { "start", "r" }, { "ends", "r" }, { "retry", "r" }, { "ends", "r" } },
    result = { report = true }, expect = { ["r/report~2"] = { result = "true" } } },
  { "a graph that expires", code = [[ return weir.graph { id = id, timeout = "400ms", nodes = {
        { key = "long", workflow = "day" }, { key = "after", workflow = "noted", depends_on = { "long" } } } } ]],
    fails = "expired", expect = { ["r/long"] = { state = "cancelled" } } },
  { "a hundred nodes, in layers",
    code = [[
      return weir.graph { id = id, nodes = function()
        local nodes = {}
        for layer = 1, 10 do
          for i = 1, 10 do
            local needs = {}
            for j = 1, layer > 1 and 10 or 0 do needs[j] = ("n%d-%d"):format(layer - 1, j) end
            nodes[#nodes + 1] = { key = ("n%d-%d"):format(layer, i), workflow = i % 3 == 0 and "noted" or "double",
              data = { value = layer }, depends_on = needs }
          end
        end
        return nodes
      end } ]],
    unordered = true, expect = { r = { state = "completed" }, ["r [n10-10]"] = { result = "20" } } },
}
