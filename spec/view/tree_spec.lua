-- The tree of a run: rows, marks, notes, and shorter forms of large trees.

local terminal = require "weir.view.terminal"
local tree = require "weir.view.tree"

local PLAIN = { colours = false, columns = 80, rows = 24 }

local function run_of(fields)
  fields.root = fields.root or fields.id
  fields.workflow, fields.state = fields.workflow or "work", fields.state or "completed"
  fields.attempt, fields.created_at = fields.attempt or 1, fields.created_at or 0
  fields.operations = fields.operations or {}
  return fields
end

local function invoke(run, id, fields)
  fields = fields or {}
  fields.id, fields.kind, fields.run = id, "invoke", run .. "/" .. id
  fields.workflow, fields.state = fields.workflow or "child", fields.state or "completed"
  fields.attempts, fields.started_at = fields.attempts or 1, fields.started_at or 10
  if fields.state ~= "running" then fields.finished_at = fields.finished_at or 30 end
  return fields
end

local function by_id(...)
  local runs = {}
  for _, run in ipairs { ... } do runs[run.id] = run end
  return runs
end

describe("the tree", function()
  it("draws a run, its operations and those of its children, times standing right", function()
    local runs = by_id(
      run_of { id = "order", started_at = 5, finished_at = 2105, operations = {
        invoke("order", "validate", { workflow = "validate-order" }),
        { id = "sleep#1", kind = "sleep", state = "completed", attempts = 1, arguments = '{"duration_ms":1500}',
          started_at = 40, finished_at = 1540 },
        invoke("order", "pay", { state = "failed", finished_at = 2000,
          error = { code = "child_failed", message = "Child execution failed: no", cause = { message = "no" } } }),
      } },
      run_of { id = "order/validate", started_at = 11, finished_at = 29, operations = {
        { id = "ask", kind = "step", state = "completed", attempts = 3, started_at = 12, finished_at = 20 },
      } })
    local lines = tree.draw(tree.plant("order", runs), { style = PLAIN, now = 3000 })
    assert.same({
      "✓ order  work                                                             2.10s",
      "├─ ✓ validate  validate-order                                              20ms",
      "│  └─ ✓ ask  step  3 attempts                                               8ms",
      "├─ ✓ sleep#1   sleep 1.5s                                                 1.50s",
      "└─ ✗ pay       child  no                                                  1.99s",
    }, lines)
  end)

  it("puts the operations of branches below the counts of their parallel or map", function()
    local function step(id, scope, began, ended)
      return { id = id, kind = "step", state = ended and "completed" or "running", attempts = 1, scope = scope,
               started_at = began, finished_at = ended }
    end
    local run = run_of { id = "r", state = "waiting", started_at = 0, operations = {
      step("first", "", 1, 2), step("m:1:get", "m:1\t", 10, 20), step("m:2:p:a:get", "m:2\tp:a\t", 30),
      step("m2:get", "", 40, 50), step("m:3:get", "m:3\t", 45, 60),
    }, progress = { done = 1, total = 4, status = "busy", groups = {
      { id = "m", verb = "map", done = 212, failed = 3, total = 5000, state = "running" },
      { id = "m:2:p", verb = "parallel", done = 0, failed = 0, total = 2, state = "running" },
      { id = "none", verb = "map", done = 2, failed = 0, total = 2, state = "completed" },
    } } }
    local lines = tree.draw(tree.plant("r", by_id(run)), { style = PLAIN, now = 100 })
    assert.same({
      "◌ r  work  busy; 1 of 4 (25%)                                             100ms",
      "├─ ✓ first   step                                                           1ms",
      "├─ ● m       map 212 of 5,000, 3 failed                                    90ms",
      "│  ├─ ✓ m:1:get  step                                                      10ms",
      "│  ├─ ● m:2:p    parallel 0 of 2                                           70ms",
      "│  │  └─ ● m:2:p:a:get  step                                               70ms",
      "│  └─ ✓ m:3:get  step                                                      15ms",
      "├─ ✓ m2:get  step                                                          10ms",
      "└─ ✓ none    map 2 of 2",
    }, lines)
    run.state, run.finished_at = "failed", 100
    local row = tree.plant("r", by_id(run)).rows[2]
    assert.same({ "cancelled", 100 }, { row.state, row.ended })
  end)

  it("shows an open child by its own state", function()
    local runs = by_id(
      run_of { id = "a", state = "waiting", operations = { invoke("a", "b", { state = "running" }) } },
      run_of { id = "a/b", state = "retrying", error = { message = "no luck" } })
    local row = tree.plant("a", runs).rows[1]
    assert.same({ "retrying", "no luck" }, { row.state, row.failed })
  end)

  it("draws nothing below a run that only stands for a child: it may be the one above", function()
    local shared = invoke("a", "next", { shared = true })
    shared.run = "a"
    local runs = by_id(run_of { id = "a", operations = { shared } })
    assert.same({}, tree.plant("a", runs).rows[1].rows)
  end)

  it("never draws a line wider than the terminal, whatever the names", function()
    local runs = by_id(run_of { id = ("世界"):rep(60), operations = {
      invoke("x", ("é"):rep(300), { workflow = ("w"):rep(200) }),
      invoke("x", "b", { state = "failed", error = { message = ("long\27[2J "):rep(50) } }),
    } })
    for _, columns in ipairs { 24, 40, 80, 200 } do
      local style = { colours = false, columns = columns, rows = 24 }
      for _, line in ipairs(tree.draw(tree.plant(next(runs), runs), { style = style, now = 0, origin = 0 })) do
        assert.is_true(terminal.width(line) < math.max(columns, 41), line)
        assert.is_nil(line:find("\27"))
      end
    end
  end)

  it("gathers neighbours that repeat each other", function()
    local operations = {}
    for i = 1, 1200 do operations[i] = invoke("a", "report-" .. i, { finished_at = 10 + i }) end
    operations[1201] = invoke("a", "report-1201", { state = "failed", error = { message = "no luck" } })
    for i = 1, 6 do
      operations[#operations + 1] = invoke("a", "poll#" .. i, { state = "failed",
        error = { message = "not yet " .. i } })
      operations[#operations + 1] = { id = "sleep#" .. i, kind = "sleep", state = "completed", attempts = 1,
        arguments = '{"duration_ms":1500}', started_at = 40, finished_at = 1540 }
    end
    for _, name in ipairs { "b", "c", "d", "e" } do operations[#operations + 1] = invoke("a", name) end
    local planted = tree.plant("a", by_id(run_of {
      id = "a", started_at = 5, finished_at = 2105, operations = operations,
    }))
    assert.same({
      "✓ a  work                                                                 2.10s",
      "├─ ✓ 1,200 × report-N  child, 1ms to 1.20s each                           1.20s",
      "├─ ✗ report-1201       child  no luck                                      20ms",
      "├─ ✗ 6 × poll#N        child, 20ms each  not yet 1                         20ms",
      "├─ ✓ 6 × sleep#N       sleep N.Ns, 1.50s each                             1.50s",
      "├─ ✓ b                 child                                               20ms",
      "├─ ✓ c                 child                                               20ms",
      "├─ ✓ d                 child                                               20ms",
      "└─ ✓ e                 child                                               20ms",
    }, tree.draw(tree.gather(planted), { style = PLAIN, now = 3000 }))
    assert.equal(1218, tree.size(planted))
  end)

  it("gathers none that goes on, was retried or has what failed below it", function()
    local operations, runs = {}, { }
    for i = 1, 6 do
      operations[i] = invoke("a", "b" .. i, i == 2 and { state = "running" } or nil)
      operations[6 + i] = { id = "s" .. i, kind = "step", state = "completed", attempts = 2, started_at = 1,
        finished_at = 2 }
      operations[12 + i] = invoke("a", "c" .. i)
      runs["a/c" .. i] = run_of { id = "a/c" .. i, operations = { invoke("a/c" .. i, "x", { state = "failed",
        error = { message = "no" } }) } }
    end
    runs.a = run_of { id = "a", operations = operations }
    local planted = tree.plant("a", runs)
    assert.equal(tree.size(planted), tree.size(tree.gather(planted)))
  end)

  describe("that does not fit", function()
    local function wide(n)
      local operations, children = {}, {}
      for i = 1, n do
        local state = i == 3 and "failed" or i == n - 1 and "running" or "completed"
        operations[i] = invoke("fan", "item-" .. i, { state = state, error = i == 3 and { message = "no" } or nil })
        children[i] = run_of { id = "fan/item-" .. i, state = state == "running" and "waiting" or state, operations = {
          { id = "work", kind = "step", state = "completed", attempts = 1, started_at = 1, finished_at = 2 },
        } }
      end
      local runs = by_id(run_of { id = "fan", state = "waiting", operations = operations }, table.unpack(children))
      return tree.plant("fan", runs)
    end

    it("is cut to the rows there are, always", function()
      for _, n in ipairs { 1, 5, 30, 200 } do
        for rows = 1, 40 do
          assert.is_true(tree.size(tree.prune(wide(n), rows)) <= rows, ("%d in %d"):format(n, rows))
        end
      end
    end)

    it("keeps what goes on and what failed, and counts the rest", function()
      local pruned = tree.prune(wide(200), 12)
      local names = {}
      for _, row in ipairs(pruned.rows) do names[row.name] = true end
      assert.is_true(names["item-199"])
      assert.is_true(names["item-3"])
      local counted = pruned.rows[1].hidden
      assert.same({ "completed" }, { (next(counted)) })
      assert.equal(200, counted.completed + #pruned.rows - 1)
    end)

    it("folds what completed before it hides anything", function()
      local pruned = tree.prune(wide(10), 14)
      assert.equal(10, #pruned.rows)
      assert.equal(0, #pruned.rows[1].rows)
      assert.equal(1, #pruned.rows[9].rows)
    end)

    it("leaves the tree itself alone", function()
      local whole = wide(50)
      local size = tree.size(whole)
      tree.prune(whole, 5)
      assert.equal(size, tree.size(whole))
    end)
  end)
end)
