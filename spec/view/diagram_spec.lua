-- Diagrams of graphs, whose lines can be followed.

local graphs = require "spec.support.graphs"
local diagram = require "weir.view.diagram"
local terminal = require "weir.view.terminal"

local CI, NOW, drawn, plain, view_of = graphs.CI, graphs.NOW, graphs.drawn, graphs.plain, graphs.view_of

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
