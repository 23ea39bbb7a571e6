local json = require "weir.json"
local record = require "weir.record.record"

-- The record of a run as Redis keeps it: flat, in any order.
local function read(id, fields, texts)
  local list = {}
  local all = { workflow = "process-order", data = "{}", seed = "7", created_at = "1000", state = "running" }
  for field, value in pairs(fields) do all[field] = value end
  for field, value in pairs(texts or {}) do all[field] = value end
  for field, value in pairs(all) do list[#list + 1], list[#list + 2] = field, value end
  return record.read(id, list)
end

local function entry(number, started_at, kind, after, line, subject, arguments, attempt)
  return table.concat({ number, started_at, kind, after, attempt or 1, line, subject or "", arguments or "" }, "\t")
end

local function outcome(operation, state, finished_at, attempts, value)
  return table.concat({ operation, state, finished_at, attempts, value }, "\t")
end

local function ids(run)
  local list = {}
  for i, operation in ipairs(run.operations) do list[i] = operation.id end
  return list
end

describe("record", function()
  it("reads a run that completed, as --json shows it", function()
    local run = read("order-17", {
      state = "completed", data = '{"order_id":"o1"}', result = '{"status":"completed"}', bundle = "9f2c",
      started_at = "1001", finished_at = "1009", number = "1", turn = "2", owner = "",
    }, {
      ["o:validate"] = entry("1", "1002", "invoke", "0", "order.lua:11", "validate-order"),
      ["1"] = outcome("validate", "completed", "1004", "1", '{"valid":true}'),
    })
    assert.same({
      id = "order-17", workflow = "process-order", state = "completed", attempt = 1, generation = 1, seed = "7",
      data = { order_id = "o1" }, result = { status = "completed" }, error = json.null, parent = json.null,
      root = "order-17", queue = "default", priority = 0, bundle = "9f2c", tags = {}, created_at = 1000,
      started_at = 1001, finished_at = 1009,
      operations = { {
        id = "validate", kind = "invoke", state = "completed", number = 1, after = 0, run = "order-17/validate",
        workflow = "validate-order", arguments = {}, line = "order.lua:11", bundle = "9f2c",
        result = { valid = true }, error = json.null, attempts = 1, started_at = 1002, finished_at = 1004,
      } },
    }, json.decode(record.json(run)))
  end)

  it("shows a run that has done nothing with nulls and empty lists", function()
    local text = record.json(read("later", { state = "scheduled" }))
    assert.truthy(text:find('"operations":[]', 1, true))
    assert.truthy(text:find('"tags":{}', 1, true))
    for _, field in ipairs { "result", "error", "parent", "bundle", "started_at", "finished_at" } do
      assert.truthy(text:find(('"%s":null'):format(field), 1, true), field)
    end
  end)

  it("keeps payloads exact", function()
    local run = read("a", { data = '{"big":9223372036854775807,"empty":[],"f":5.0,"n":null}', result = "[]" })
    local text = record.json(run)
    assert.truthy(text:find('"data":{"big":9223372036854775807,"empty":[],"f":5.0,"n":null}', 1, true))
    assert.truthy(text:find('"result":[]', 1, true))
    assert.equal("[]", run.result)
  end)

  it("knows where a run stands in its tree", function()
    local run = read("order-17/ship:label/pack", {})
    assert.equal("order-17/ship:label", run.parent)
    assert.equal("order-17", run.root)
  end)

  it("does not show the queue of an unknown workflow", function()
    assert.equal("default", read("a", { queue = "?nobody" }).queue)
    assert.equal("gpu", read("a", { queue = "gpu", priority = "-5" }).queue)
  end)

  describe("operations", function()
    it("stand in the order in which they began", function()
      local run = read("a", {}, {
        ["o:third"] = entry("", "1005", "step", "2", "a.lua:30"),
        ["o:item-10"] = entry("", "1003", "invoke", "0", "a.lua:9", "w"),
        ["o:item-9"] = entry("", "1003", "invoke", "0", "a.lua:9", "w"),
        ["o:before"] = entry("", "1003", "invoke", "0", "a.lua:8", "w"),
        ["o:second"] = entry("", "1005", "step", "1", "a.lua:40"),
        ["o:first"] = entry("", "1002", "sleep", "0", "a.lua:50", "", '{"duration_ms":5}'),
      })
      assert.same({ "first", "before", "item-9", "item-10", "second", "third" }, ids(run))
    end)

    it("are running until they have an outcome, or until the run has ended", function()
      local texts = { ["o:nap"] = entry("", "1002", "sleep", "0", "a.lua:5", "", '{"duration_ms":5}') }
      local running = read("a", {}, texts).operations[1]
      assert.equal("running", running.state)
      assert.is_nil(running.number)
      assert.equal("cancelled", read("a", { state = "completed" }, texts).operations[1].state)
    end)

    it("are cut off by a cancel once it is delivered, which what began behind it tells", function()
      local texts = {
        ["1"] = outcome("", "cancelled", "1004", "0", "by hand"),
        ["o:nap"] = entry("", "1002", "sleep", "0", "a.lua:5", "", '{"duration_ms":5}'),
      }
      local run = read("a", { cancel = "1" }, texts)
      assert.same({ "running", nil }, { run.operations[1].state, run.cleans })
      texts["o:clean"] = entry("", "1005", "sleep", "1", "a.lua:6", "", '{"duration_ms":5}')
      run = read("a", { cancel = "1" }, texts)
      assert.same({ "nap", "clean" }, ids(run))
      assert.same({ "cancelled", "running" }, { run.operations[1].state, run.operations[2].state })
      assert.is_true(run.cleans)
    end)

    it("show the failure of a child as the workflow saw it", function()
      local child = json.encode { code = "declined", message = "card declined", run = "a/pay" }
      local operation = read("a", {}, {
        ["o:pay"] = entry("1", "1002", "invoke", "0", "a.lua:5", "payment"),
        ["1"] = outcome("pay", "failed", "1004", "3", child),
      }).operations[1]
      assert.equal("failed", operation.state)
      assert.equal(3, operation.attempts)
      assert.equal("child_failed", operation.error.code)
      assert.equal("Child execution failed: card declined", operation.error.message)
      assert.same({ "a", "pay" }, { operation.error.run, operation.error.operation })
      assert.equal("declined", operation.error.cause.code)
    end)

    it("show a child that was cancelled as cancelled", function()
      local operation = read("a", {}, {
        ["o:b"] = entry("1", "1002", "invoke", "0", "a.lua:5", "w"),
        ["1"] = outcome("b", "cancelled", "1004", "1", '{"code":"cancelled","message":"lost the race"}'),
      }).operations[1]
      assert.equal("cancelled", operation.state)
      assert.equal("cancelled", operation.error.cause.code)
    end)

    it("show what the run itself gave up as failed", function()
      local run = read("a", {}, {
        ["o:late"] = entry("1", "1002", "invoke", "0", "a.lua:5", "w", '{"timeout_ms":5}'),
        ["1"] = outcome("late", "timeout", "1007", "0", '{"code":"timeout","message":"too late"}'),
        ["o:typo"] = entry("2", "1002", "invoke", "1", "a.lua:6", "v"),
        ["2"] = outcome("typo", "refused", "1007", "0", '{"code":"unknown_workflow","message":"no workflow"}'),
      })
      local late, typo = run.operations[1], run.operations[2]
      assert.same({ "failed", "timeout", "a/late" }, { late.state, late.error.code, late.run })
      assert.same({ "failed", "unknown_workflow" }, { typo.state, typo.error.code })
      assert.is_nil(typo.run) -- it was never begun
    end)

    it("tell the tries of a step that backs off", function()
      local run = read("a", {}, {
        ["o:s"] = entry("", "1002", "step", "0", "a.lua:5", "", '{"failures":2,"pause_ms":700}'),
      })
      assert.equal(2, run.operations[1].attempts)
    end)

    it("tell the bundle of the attempt in which they began", function()
      local run = read("a", { attempt = "2", bundle = "new", ["bundle@1"] = "old" }, {
        ["o:one"] = entry("", "1002", "step", "0", "a.lua:5", "", "", "1"),
        ["o:two"] = entry("", "1003", "step", "1", "a.lua:6", "", "", "2"),
      })
      assert.same({ "old", "new" }, { run.operations[1].bundle, run.operations[2].bundle })
    end)
  end)

  describe("of a graph", function()
    local SHAPE = json.encode { nodes = {
      { key = "b", workflow = "w" }, { key = "a", workflow = "w" },
      { key = "z", workflow = "w", depends_on = { "a", "b" }, when = "settled" },
      { key = "c", workflow = "v", depends_on = { "z" }, optional = true },
    } }
    local TEXTS = {
      ["o:a"] = entry("1", "1002", "invoke", "0", "g.lua:3", "w"), ["1"] = outcome("a", "completed", "1004", "1", "5"),
      ["o:b"] = entry("", "1002", "invoke", "0", "g.lua:3", "w"),
    }

    it("has every node among its operations, those not begun pending and last", function()
      local run = read("g", { graph = SHAPE }, TEXTS)
      assert.same({ "b", "a", "z", "c" }, ids(run))
      assert.same({ id = "z", kind = "invoke", state = "pending", workflow = "w", run = "g/z", attempts = 0,
                    depends_on = { "a", "b" }, when = "settled" }, run.operations[3])
      assert.same({ {}, { "z" }, true },
        { run.operations[1].depends_on, run.operations[4].depends_on, run.operations[4].optional })
      assert.equal(4, #run.graph.nodes)
      assert.is_nil(read("a", {}).graph)
    end)

    it("shows them with --json", function()
      local operations = json.decode(record.json(read("g", { graph = SHAPE }, TEXTS))).operations
      local pending = operations[3]
      assert.same({ "pending", json.null, json.null, json.null, json.null, 0, { "a", "b" }, "settled" },
        { pending.state, pending.number, pending.after, pending.line, pending.started_at, pending.attempts,
          pending.depends_on, pending.when })
      assert.same({}, operations[1].depends_on)
      assert.is_true(json.is_array(operations[1].depends_on))
    end)

    it("that was given as data has its shape there", function()
      local data = [[{"name":"x","nodes":[{"key":"a","workflow":"w","data":{"n":1},"depends_on":null,"when":"all"},
                     {"key":"b","workflow":"w","depends_on":["a"],"optional":true}]}]]
      local run = read("g", { workflow = "weir.graph", data = data })
      assert.same({ nodes = { { key = "a", workflow = "w" },
                              { key = "b", workflow = "w", depends_on = { "a" }, optional = true } } }, run.graph)
      assert.same({ "a", "b" }, ids(run))
    end)

    it("is not drawn of data that is none", function()
      for _, data in ipairs { "[]", "5", "no", '{"nodes":5}', '{"nodes":[5]}', '{"nodes":[{"key":"a"}]}',
                              '{"nodes":[{"key":"a","workflow":"w","depends_on":[5]}]}' } do
        local run = read("g", { workflow = "weir.graph", data = data, state = "failed" })
        assert.is_nil(run.graph, data)
        assert.same({}, run.operations)
      end
    end)
  end)

  it("is shown with payloads that are as deep as they may be", function()
    local deep = ("["):rep(512) .. ("]"):rep(512)
    local run = read("a", { data = deep, result = deep, state = "completed" }, {
      ["o:s"] = entry(1, 1000, "step", 0, "w.lua:1"), ["1"] = outcome("s", "completed", "1001", "1", deep),
    })
    local text = record.json(run)
    assert.is_true(text:find('"result":' .. deep, 1, true) ~= nil)
    assert.equal("a", json.decode(text, json.DEEPEST).id)
  end)

  it("can be read also where a field holds what it never should", function()
    for _, odd in ipairs { "x", "", "5", "null", "\xff", "[" } do
      local run = read("a", { created_at = odd, error = odd, state = "failed", attempt = odd }, {
        ["o:c"] = entry(1, 1000, "invoke", 0, "w.lua:1", "w"), ["1"] = outcome("c", "failed", "1001", "1", odd),
      })
      assert.equal(odd == "5" and 5 or 0, run.created_at)
      assert.equal("string", type(run.error.message))
      assert.equal("failed", json.decode(record.json(run)).state)
    end
  end)

  it("tells an end that was recorded from an outcome", function()
    local run = read("a", { cancel = "1" }, { ["1"] = outcome("", "cancelled", "1004", "0", "by hand") })
    assert.equal("cancelled", run.cancel.state)
    assert.same({}, run.operations)
  end)
end)
