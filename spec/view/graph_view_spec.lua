-- The view of a graph: stages, the critical path, and what keeps a node from beginning.

local graphs = require "spec.support.graphs"
local graph_text = require "weir.view.graph_text"
local graph_view = require "weir.view.graph_view"

local NOW, critical_of, plain = graphs.NOW, graphs.critical_of, graphs.plain
local run_of, times_of, view_of = graphs.run_of, graphs.times_of, graphs.view_of

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
