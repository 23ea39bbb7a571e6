-- Graphs as text: the diagram, or a list where it does not fit.

local graphs = require "spec.support.graphs"
local graph_text = require "weir.view.graph_text"
local graph_view = require "weir.view.graph_view"
local terminal = require "weir.view.terminal"

local CI, NOW, plain, run_of, view_of = graphs.CI, graphs.NOW, graphs.plain, graphs.run_of, graphs.view_of

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
