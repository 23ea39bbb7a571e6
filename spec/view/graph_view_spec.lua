-- Graphs as people see them: stages, the critical path, pictures whose lines can be followed, lists of what
-- does not fit, Graphviz. All pure.

local diagram = require "weir.view.diagram"
local dot = require "weir.view.dot"
local graph_view = require "weir.view.graph_view"
local graph_text = require "weir.view.graph_text"
local terminal = require "weir.view.terminal"
local tree = require "weir.view.tree"

local NOW = 1000000

-- "a; b: a; c: a b" as the nodes of a shape; "b: a?" is optional, "c: any a b" says when.
local function nodes_of(text)
  local nodes = {}
  for key, rest in text:gmatch("([%w%-]+):?([^;]*);?") do
    local node = { key = key, workflow = "work", depends_on = {} }
    for word in rest:gmatch("[%w%-]+") do
      if word == "any" or word == "settled" then
        node.when = word
      else
        table.insert(node.depends_on, word)
      end
    end
    node.optional = rest:find("?", 1, true) and true or nil
    nodes[#nodes + 1] = node
  end
  return nodes
end

-- Nodes named in `times` ran: { began, ended, state, message }.
local function run_of(text, times, fields)
  local run = { id = "g", workflow = "flow", state = "waiting", operations = {}, graph = { nodes = nodes_of(text) } }
  for _, node in ipairs(run.graph.nodes) do
    local given = times and times[node.key]
    if given then
      table.insert(run.operations, {
        id = node.key, kind = "invoke", run = "g/" .. node.key, started_at = given[1], finished_at = given[2],
        state = given[3] or given[2] and "completed" or "running", attempts = 1,
        error = given[4] and { code = "child_failed", message = "Child execution failed: " .. given[4],
                               cause = { message = given[4] } } or nil,
      })
    end
  end
  for name, value in pairs(fields or {}) do run[name] = value end
  return run
end

-- Each node begins when the last it depends on has ended, and takes as many seconds as its place.
local function times_of(text)
  local times = {}
  for i, node in ipairs(nodes_of(text)) do
    local began = 0
    for _, key in ipairs(node.depends_on) do began = math.max(began, times[key][2]) end
    times[node.key] = { began, began + 1000 * i }
  end
  return times
end

local function view_of(text, times, fields)
  return graph_view.view(run_of(text, times, fields), NOW)
end

local function plain(columns) return { colours = false, columns = columns or 80, rows = 24 } end

local function drawn(text, columns)
  return diagram.draw(view_of(text, times_of(text)), { style = plain(columns), now = NOW, rows = 40 })
end

local function critical_of(view)
  local keys = {}
  for i, node in ipairs(view.critical) do keys[i] = node.key end
  return table.concat(keys, " ")
end

local CI = "checkout; install: checkout; build: install; unit-tests: build; integration-tests: build; "
  .. "e2e-tests: build?; deploy: settled unit-tests integration-tests e2e-tests; notify: deploy"

describe("a graph", function()
  it("stands in stages by the longest way", function()
    local view = view_of "a; b: a; c: a b; d; e: d c"
    local stages = {}
    for i, stage in ipairs(view.stages) do
      stages[i] = ""
      for _, node in ipairs(stage) do stages[i] = stages[i] .. node.key end
    end
    assert.same({ "ad", "b", "c", "e" }, stages)
  end)

  it("shows what goes on by the state of its run, and how many children that has", function()
    local run = run_of("a; b: a", { a = { 0, 10 }, b = { 10 } })
    local view = graph_view.view(run, NOW, {
      ["g/a"] = { state = "completed",
                  operations = { { run = "g/a/x", started_at = 1 }, { id = "s", started_at = 2 } } },
      ["g/b"] = { state = "retrying", operations = {}, error = { message = "no luck" } },
    })
    assert.same({ "completed", 1, "retrying", "no luck" },
      { view.nodes[1].state, view.nodes[1].children, view.nodes[2].state, view.nodes[2].failed })
  end)

  it("counts what is reached either way, each once", function()
    local by_key = view_of("a; b: a; c: a; d: b c; e: d").by_key
    assert.same({ 3, 1 }, { graph_view.reach(by_key.d, "depends_on"), graph_view.reach(by_key.d, "required_by") })
  end)

  describe("'s critical path", function()
    it("is the chain that decided when it ended", function()
      local view = view_of("a; b: a; c: a; d: b c", { a = { 0, 10 }, b = { 10, 50 }, c = { 10, 90 }, d = { 90, 95 } })
      assert.same({ "a c d", 95 }, { critical_of(view), view.critical_ms })
    end)

    it("is the longest chain of what ended in the same millisecond", function()
      local now = { 5, 5 }
      local view = view_of("a; b: a; c: b; d: a c; e: a d", { a = now, b = now, c = now, d = now, e = now })
      assert.equal("a b c d e", critical_of(view))
    end)

    it("goes through the first to complete where any will do", function()
      local view = view_of("a; b; c: any a b",
        { a = { 0, 90 }, b = { 0, 20, "completed" }, c = { 20, 200 } })
      assert.equal("b c", critical_of(view))
      view = view_of("a; b; c: any a b", { a = { 0, 10, "failed", "no" }, b = { 0, 20 }, c = { 20, 200 } })
      assert.equal("b c", critical_of(view))
    end)

    it("goes through what failed where all that counts is that it ended", function()
      local view = view_of("a; b; c: settled a b", { a = { 0, 50, "failed", "no" }, b = { 0, 20 }, c = { 50, 70 } })
      assert.equal("a c", critical_of(view))
    end)

    it("passes over what never began to what kept it from beginning", function()
      local view = view_of("a; b: a; c: b; d; e: settled c d",
        { a = { 0, 50, "failed", "no" }, d = { 0, 20 }, e = { 50, 70 } })
      assert.equal("a e", critical_of(view))
    end)

    it("ends in what has gone on for longest, counted until now", function()
      local view = view_of("a; b: a; c: a; d: b c", { a = { 0, 10 }, b = { 10 }, c = { 10, 90 } })
      assert.same({ "a b", 10 + NOW - 10 }, { critical_of(view), view.critical_ms })
    end)

    it("ends in what failed last", function()
      local view = view_of("a; b: a; c: b", { a = { 0, 10 }, b = { 10, 30, "failed", "no" } },
        { state = "failed", finished_at = 31 })
      assert.same({ "a b", 30 }, { critical_of(view), view.critical_ms })
    end)

    it("is none before anything began", function()
      local view = view_of "a; b: a"
      assert.same({ "", 0 }, { critical_of(view), view.critical_ms })
      assert.is_nil(graph_text.critical(plain(), view))
    end)

    it("is told in a line that fits, with both its ends", function()
      local view = view_of("a; b: a; c: b", times_of "a; b: a; c: b")
      assert.equal("critical path  a → b → c  6.00s", graph_text.critical(plain(), view))
      local chain = { "n1" }
      for i = 2, 5000 do chain[i] = ("n%d: n%d"):format(i, i - 1) end
      local text = table.concat(chain, "; ")
      local times = {}
      for i = 1, 5000 do times["n" .. i] = { i, i + 1 } end
      assert.equal("critical path  n1 → n2 → n3 → … 4994 more … → n4998 → n4999 → n5000  5.00s",
        graph_text.critical(plain(), view_of(text, times)))
    end)
  end)

  describe("'s pending node", function()
    it("names what it waits for, and what ended it", function()
      local view = view_of("a; b: a; c: b; d: a", { a = { 0, 50, "failed", "no" } })
      local obstacle, blocker = graph_view.obstacle(view, view.by_key.c)
      assert.same({ "b", "a" }, { obstacle.key, blocker.key })
      view = view_of("a; b; c: a b", { a = { 0, 50 }, b = { 0 } })
      obstacle, blocker = graph_view.obstacle(view, view.by_key.c)
      assert.equal("b", obstacle.key)
      assert.is_nil(blocker)
      view = view_of("a; b; c: any a b", { a = { 0, 50, "failed", "no" }, b = { 0 } })
      obstacle, blocker = graph_view.obstacle(view, view.by_key.c)
      assert.equal("b", obstacle.key)
      assert.is_nil(blocker)
    end)

    it("has nothing in its way when it is about to begin", function()
      local view = view_of("a; b; c: a b", { a = { 0, 50 }, b = { 0, 50 } })
      assert.is_nil((graph_view.obstacle(view, view.by_key.c)))
      view = view_of("a; b; c: any a b", { a = { 0, 50 }, b = { 0 } })
      assert.is_nil((graph_view.obstacle(view, view.by_key.c)))
    end)
  end)
end)

describe("the diagram", function()
  it("draws a pipeline", function()
    assert.same({ "✓ extract 1.00s ━━ ✓ transform 2.00s ━━ ✓ load 3.00s" },
      drawn "extract; transform: extract; load: transform")
  end)

  it("draws a fan-out", function()
    assert.same({
      "✓ fetch 1.00s ━┱─ ✓ process-a 2.00s",
      "               ┠─ ✓ process-b 3.00s",
      "               ┗━ ✓ process-c 4.00s",
    }, drawn "fetch; process-a: fetch; process-b: fetch; process-c: fetch")
  end)

  it("draws a fan-in", function()
    assert.same({
      "✓ map-1 1.00s ─┲━ ✓ reduce 4.00s",
      "✓ map-2 2.00s ─┨",
      "✓ map-3 3.00s ━┛",
    }, drawn "map-1; map-2; map-3; reduce: map-1 map-2 map-3")
  end)

  it("draws a diamond", function()
    assert.same({
      "✓ start 1.00s ━┱─ ✓ path-a 2.00s ─┲━ ✓ merge 4.00s",
      "               ┗━ ✓ path-b 3.00s ━┛",
    }, drawn "start; path-a: start; path-b: start; merge: path-a path-b")
  end)

  it("draws a pipeline of eight, with the times below where it is narrow", function()
    assert.same({
      "✓ checkout ━ ✓ install ━ ✓ build ┱─ ✓ unit-tests ───────┲━ ✓ deploy ━ ✓ notify",
      "  1.00s        2.00s       3.00s ┃    4.00s             ┃    7.00s      8.00s",
      "                                 ┠─ ✓ integration-tests ┨",
      "                                 ┃    5.00s             ┃",
      "                                 ┗━ ✓ e2e-tests ━━━━━━━━┛",
      "                                      6.00s",
    }, drawn(CI))
    assert.same({
      "✓ checkout 1.00s ━━ ✓ install 2.00s ━━ ✓ build 3.00s ━┱─ ✓ unit-tests 4.00s ────────┲━ ✓ deploy 7.00s ━━ ✓ "
        .. "notify 8.00s",
      "                                                      ┠─ ✓ integration-tests 5.00s ─┨",
      "                                                      ┗━ ✓ e2e-tests 6.00s ━━━━━━━━━┛",
    }, drawn(CI, 130))
  end)

  it("draws edges that pass stages, and leaves a gap where lines cross", function()
    assert.same({
      "✓ a 1.00s ━┯━ ✓ b 2.00s ━━ ✓ c 3.00s ━━━━━━━┯━ ✓ d 4.00s ━┯━ ✓ e 5.00s",
      "           └──────────────────────────┬─────┘             │",
      "                                      └───────────────────┘",
    }, drawn "a; b: a; c: b; d: c a; e: d a")
    assert.same({
      "✓ a 1.00s ─────┬─────┬─ ✓ x 4.00s ─┲━ ✓ end 7.00s",
      "✓ b 2.00s ───┬─│─────┘             ┃",
      "             │ └─────┲━ ✓ z 6.00s ━┩",
      "✓ c 3.00s ━┯━━━━━━━━━┛             │",
      "           │ └───────┬─ ✓ y 5.00s ─┘",
      "           └─────────┘",
    }, drawn "a; b; c; x: a b; y: b c; z: a c; end: x y z")
  end)

  it("says of running, failed and pending nodes what they are", function()
    local lines = diagram.draw(view_of("a; b: a; c: a; d: b c",
      { a = { 0, 1000 }, b = { 1000, 3000, "failed", "no" }, c = { 940000 } }),
      { style = plain(), now = NOW, rows = 40 })
    assert.same({
      "✓ a 1.00s ━┱─ ✗ b 2.00s ─┬─ · d",
      "           ┗━ ● c 1m ────┘",
    }, lines)
  end)

  it("is the same each time", function()
    local first = table.concat(drawn(CI), "\n")
    for _ = 1, 5 do assert.equal(first, table.concat(drawn(CI), "\n")) end
  end)

  it("is never wider than the terminal, and gives up where it does not fit", function()
    for columns = 20, 140, 3 do
      for _, line in ipairs(drawn(CI, columns) or {}) do assert.is_true(terminal.width(line) < columns, line) end
    end
    assert.is_nil(drawn(CI, 60))
    local fan = { "a" }
    for i = 1, 100 do fan[#fan + 1] = ("b%d: a"):format(i) end
    assert.is_nil(drawn(table.concat(fan, "; ")))
  end)
end)

-- ------------------------------------------------------------------------------------------------
-- Following the lines

local UP, DOWN, LEFT, RIGHT = 8, 4, 2, 1
local OPENINGS = {
  ["─"] = LEFT | RIGHT, ["│"] = UP | DOWN, ["┌"] = DOWN | RIGHT, ["┐"] = DOWN | LEFT, ["└"] = UP | RIGHT,
  ["┘"] = UP | LEFT, ["├"] = UP | DOWN | RIGHT, ["┤"] = UP | DOWN | LEFT, ["┬"] = DOWN | LEFT | RIGHT,
  ["┴"] = UP | LEFT | RIGHT, ["┼"] = UP | DOWN | LEFT | RIGHT,
}
local BACK = { [UP] = DOWN, [DOWN] = UP, [RIGHT] = LEFT }
local STEP = { [UP] = { -1, 0 }, [DOWN] = { 1, 0 }, [RIGHT] = { 0, 1 } }

local function cells_of(lines)
  local cells = {}
  for row, line in ipairs(lines) do
    cells[row] = {}
    for _, code in utf8.codes(line) do table.insert(cells[row], utf8.char(code)) end
  end
  return cells
end

-- The keys that stand in the picture, by row and column of their marks, and where each ends.
local function labels_of(cells)
  local labels = {}
  for row, line in ipairs(cells) do
    labels[row] = {}
    for column, cell in ipairs(line) do
      if cell == "·" then
        local key, at = "", column + 2
        while line[at] and line[at]:find("%w") do key, at = key .. line[at], at + 1 end
        labels[row][column] = { key = key, to = at - 1 }
      end
    end
  end
  return labels
end

-- All nodes that the lines out of a node lead to.
local function follow(cells, labels, row, column)
  local reached, seen = {}, {}
  local function go(at_row, at_column, direction)
    local place = ("%d %d %d"):format(at_row, at_column, direction)
    if seen[place] then return end
    seen[place] = true
    local cell = cells[at_row] and cells[at_row][at_column]
    if direction == RIGHT and cell == " " then
      reached[assert(labels[at_row][at_column + 1], "a line ends nowhere").key] = true
      return
    end
    local openings = assert(OPENINGS[cell], ("a line breaks off at %d, %d"):format(at_row, at_column))
    local exits = openings & BACK[direction] == 0 and direction or openings & ~BACK[direction]
    for way, step in pairs(STEP) do
      if exits & way ~= 0 then go(at_row + step[1], at_column + step[2], way) end
    end
  end
  if cells[row][column + 1] == " " and cells[row][column + 2] and OPENINGS[cells[row][column + 2]] then
    local first = cells[row][column + 2]
    if OPENINGS[first] & LEFT ~= 0 then go(row, column + 2, RIGHT) end
  end
  return reached
end

local function random_graph(random)
  local nodes, count = {}, random(2, 12)
  for i = 1, count do
    local keys = {}
    for j = 1, i - 1 do
      if random() < 2.2 / count then keys[#keys + 1] = "n" .. j end
    end
    nodes[i] = ("n%d: %s"):format(i, table.concat(keys, " "))
  end
  return table.concat(nodes, "; ")
end

describe("the lines of a diagram", function()
  it("lead from each node to those that depend on it, and nowhere else", function()
    local state = 20261121
    local function random(from, to) -- its own, so that each test run sees the same graphs
      state = (state * 1103515245 + 12345) % 2147483648
      local fraction = state / 2147483648
      return from and from + math.floor(fraction * (to - from + 1)) or fraction
    end
    for _ = 1, 500 do
      local text = random_graph(random)
      local view = view_of(text)
      local lines = assert(diagram.draw(view, { style = plain(1000), now = NOW, rows = 1000 }))
      local cells = cells_of(lines)
      local labels = labels_of(cells)
      local seen = 0
      for row, line in ipairs(labels) do
        for _, label in pairs(line) do
          local wanted = {}
          for _, after in ipairs(view.by_key[label.key].required_by) do wanted[after.key] = true end
          assert.same(wanted, follow(cells, labels, row, label.to), text .. "\n" .. table.concat(lines, "\n"))
          seen = seen + 1
        end
      end
      assert.equal(#view.nodes, seen)
    end
  end)
end)

-- ------------------------------------------------------------------------------------------------

describe("the picture", function()
  local function draw(view, columns, rows, name)
    return graph_text[name or "draw"](view, { style = plain(columns), now = NOW, rows = rows or 40 })
  end

  local function ci()
    return view_of(CI, {
      checkout = { 0, 1200 }, install = { 1210, 13000 }, build = { 13010, 53000 }, ["unit-tests"] = { 53010, 70000 },
      ["integration-tests"] = { 53010 }, ["e2e-tests"] = { 53010, 60000, "failed", "no button\nin 30s" },
    })
  end

  it("tells the counts, the critical path and what went wrong", function()
    local lines = draw(ci(), 130)
    assert.same({
      "",
      "8 nodes: 4 completed, 1 failed, 1 running, 2 pending",
      "critical path  checkout → install → build → integration-tests  16m 39s",
      "",
      "✗ e2e-tests  no button in 30s (optional)",
    }, { table.unpack(lines, 4) })
  end)

  it("tells what failed before what was cancelled with its graph", function()
    local text, times = {}, {}
    for i = 1, 12 do
      text[i] = ("n%d"):format(i)
      times["n" .. i] = { 0, 10, "cancelled", "cancelled by weir cancel" }
    end
    times.n12 = { 0, 5, "failed", "disk full" }
    local lines = draw(view_of(table.concat(text, "; "), times), 60)
    assert.equal("✗ n12  disk full", lines[#lines - 10])
    assert.equal("⊘ n1  cancelled by weir cancel", lines[#lines - 9])
    assert.equal("… and 2 more that did not complete", lines[#lines])
  end)

  it("takes a node that the cancel of its graph kept from starting for cancelled", function()
    local run = run_of("a", { a = { 0, 0, "failed" } })
    run.operations[1].error = { code = "cancelled", message = "not started: its run is being cancelled" }
    local lines = draw(graph_view.view(run, NOW))
    assert.same({ "1 node: 1 cancelled", "⊘ a  not started: its run is being cancelled" }, { lines[3], lines[#lines] })
  end)

  it("lists the nodes by stages where a diagram does not fit", function()
    assert.same({
      "stage 1  ✓ checkout 1.20s",
      "stage 2  ✓ install 11.8s",
      "stage 3  ✓ build 40.0s",
      "stage 4  ✗ e2e-tests 6.99s   ● integration-tests 15m 46s",
      "         ✓ unit-tests 17.0s",
      "stage 5  · deploy",
      "stage 6  · notify",
    }, { table.unpack(draw(ci(), 60), 1, 7) })
  end)

  it("mentions what has children of its own", function()
    local run = run_of("a; b: a", { a = { 0, 10 } })
    local view = graph_view.view(run, NOW, { ["g/a"] = { state = "completed",
      operations = { { run = "x", started_at = 1 }, { run = "y", started_at = 1 } } } })
    local lines = draw(view)
    assert.equal("a has 2 children of its own: weir show g/a", lines[#lines])
  end)

  local function big()
    local text, times = { "root" }, { root = { 0, 100 } }
    for i = 1, 10000 do
      text[#text + 1] = ("item-%d: root"):format(i)
      if i <= 6000 then
        local bad = i % 2000 == 0
        times["item-" .. i] = { 100, 100 + i, bad and "failed" or "completed", bad and "bad" or nil }
      elseif i <= 6003 then
        times["item-" .. i] = { 100 + i }
      end
    end
    local keys = {}
    for i = 1, 10000 do keys[i] = "item-" .. i end
    text[#text + 1] = "sum: " .. table.concat(keys, " ")
    return view_of(table.concat(text, "; "), times)
  end

  it("counts 10,000 nodes, and names what failed and what goes on first", function()
    assert.same({
      "stage 1  ✓ root 100ms",
      "stage 2  ✗ item-2000 2.00s   ✗ item-4000 4.00s   ✗ item-6000 6.00s",
      "         ● item-6001 16m 33s   ● item-6002 16m 33s   ● item-6003 16m 33s",
      "         ✓ item-1 1ms   ✓ item-2 2ms   ✓ item-3 3ms   ✓ item-4 4ms",
      "         ✓ item-5 5ms   ✓ item-6 6ms   … 5,991 completed, 3,997 pending",
      "stage 3  · sum",
      "",
      "10,002 nodes: 5,998 completed, 3 failed, 3 running, 3,998 pending",
      "critical path  root → item-6001  16m 33s",
      "",
      "✗ item-2000  bad",
      "✗ item-4000  bad",
      "✗ item-6000  bad",
    }, draw(big()))
  end)

  it("folds long stretches of stages in which nothing happens", function()
    local text, times = { "n1" }, { n1 = { 1, 2 } }
    for i = 2, 10000 do
      text[i] = ("n%d: n%d"):format(i, i - 1)
      times["n" .. i] = i < 4000 and { i, i + 1 } or i == 4000 and { NOW - 60000 } or nil
    end
    assert.same({
      "stages 1–3999      … 3,999 completed",
      "stage 4000         ● n4000 1m",
      "stages 4001–10000  … 6,000 pending",
    }, { table.unpack(draw(view_of(table.concat(text, "; "), times)), 1, 3) })
  end)

  it("is never wider or higher than asked", function()
    local views = { ci(), big() }
    for _, columns in ipairs { 24, 40, 80, 200 } do
      for rows = 4, 24, 5 do
        for i, view in ipairs(views) do
          local lines = draw(view, columns, rows, "live")
          assert.is_true(#lines <= rows, ("%d lines in %d rows of %d columns, %d"):format(#lines, rows, columns, i))
          for _, line in ipairs(lines) do assert.is_true(terminal.width(line) < columns, line) end
        end
      end
      for _, view in ipairs(views) do
        for _, line in ipairs(draw(view, columns)) do assert.is_true(terminal.width(line) < columns, line) end
      end
    end
  end)

  it("lets no text move the cursor", function()
    local view = view_of("a; b: a", { a = { 0, 10, "failed", "evil \27[2J \r\n more" } })
    for _, line in ipairs(draw(view)) do assert.is_nil(line:find("[\27\r\n]")) end
  end)
end)

describe("Graphviz", function()
  -- Reads a file: the attributes of its nodes, and its edges.
  local function parse(text)
    local nodes, edges = {}, {}
    local STRING = '"((?:))"' and '"(.-[^\\])"'
    assert.truthy(text:find('^digraph "[^\n]*" {\n'), text)
    assert.truthy(text:find("\n}$"))
    for line in text:gmatch("\n  ([^\n]*);") do
      local from, to, rest = line:match("^" .. STRING .. " %-> " .. STRING .. "(.*)$")
      local name, attributes = line:match("^" .. STRING .. " %[(.*)%]$")
      if from then
        edges[#edges + 1] = { from, to, rest ~= "" }
      elseif name then
        nodes[name] = attributes
      else
        assert.truthy(line:find("^rankdir=LR$") or line:find("^node %["), line)
      end
    end
    return nodes, edges
  end

  it("has a graph's nodes, edges and critical path", function()
    local text = "a; b: a; c: a; d: b c"
    local times = { a = { 0, 1000 }, b = { 1000, 2000, "failed", "no" }, c = { 1000, 4000 } }
    local view = view_of(text, times)
    local nodes, edges = parse(dot.graph("g", view, NOW))
    assert.truthy(nodes.a:find('label="a\\ncompleted 1.00s"', 1, true), nodes.a)
    assert.truthy(nodes.c:find("bold", 1, true))
    assert.truthy(nodes.d:find("dashed", 1, true))
    assert.truthy(nodes.d:find('"d\\npending"', 1, true))
    assert.same({ { "a", "b", false }, { "a", "c", true }, { "b", "d", false }, { "c", "d", false } }, edges)
  end)

  it("quotes what keys may hold", function()
    local view = graph_view.view({ id = 'g"', state = "waiting", operations = {}, graph = { nodes = {
      { key = 'say "hi"' }, { key = "back\\slash", depends_on = { 'say "hi"' } } } } }, NOW)
    local _, edges = parse(dot.graph('g"', view, NOW))
    assert.same({ { 'say \\"hi\\"', "back\\\\slash", false } }, edges)
  end)

  it("has the tree of any other run", function()
    local runs = {
      p = { id = "p", workflow = "w", state = "completed", attempt = 1, created_at = 0, finished_at = 9, operations = {
        { id = "a", kind = "invoke", run = "p/a", workflow = "x", state = "completed", attempts = 1, started_at = 1,
          finished_at = 5 },
        { id = "s", kind = "sleep", state = "completed", attempts = 1, started_at = 1, finished_at = 5 },
      } },
      ["p/a"] = { id = "p/a", workflow = "x", state = "completed", attempt = 1, created_at = 1, finished_at = 5,
        operations = { { id = "b", kind = "invoke", run = "p/a/b", workflow = "y", state = "completed", attempts = 1,
          started_at = 2, finished_at = 3 } } },
    }
    local nodes, edges = parse(dot.tree(tree.plant("p", runs), NOW))
    assert.same({ { "p", "p/a", false }, { "p/a", "p/a/b", false } }, edges)
    assert.truthy(nodes["p/a/b"]:find("y", 1, true))
    assert.is_nil(nodes["p/s"])
  end)
end)
