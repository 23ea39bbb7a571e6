-- Commands about nodes of a graph: deps, why, retry and show.

local commands = require "spec.support.commands"
local json = require "weir.json"

describe("weir deps", function()
  local side, answers, fields, run

  before_each(function()
    side = commands.new()
    answers, fields, run = side.answers, side.fields, side.run
  end)

  after_each(commands.unload)

  describe("of a graph", function()
    local entry = "invoke\t0\t1\tetl.lua:3\tjob\t"

    -- extract has completed, transform goes on or ended in some other way; load and report have not begun.
    local function graph(extra)
      local shape = json.encode { nodes = json.array {
        { key = "extract", workflow = "job" },
        { key = "transform", workflow = "job", depends_on = json.array { "extract" } },
        { key = "load", workflow = "job", depends_on = json.array { "transform" } },
        { key = "report", workflow = "job", depends_on = json.array { "load" } },
      } }
      local list = fields { state = "waiting", graph = shape, started_at = "90000",
                            ["o:extract"] = "1\t90000\t" .. entry, ["1"] = "extract\tcompleted\t92000\t1\t7" }
      for field, value in pairs(extra) do list[#list + 1], list[#list + 2] = field, value end
      answers.inspect = function(id)
        return id == "etl" and list or id == "other" and fields { state = "completed" } or { "missing" }
      end
      answers.status = function(...)
        local reply = { "status" }
        for _, id in ipairs { ... } do
          local known = id == "etl" or id == "other" or id == "etl/transform"
          reply[#reply + 1] = known and { "state", "waiting", "workflow", "job", "created_at", "92000" } or {}
        end
        return reply
      end
    end

    local RUNNING = { ["o:transform"] = "\t92000\t" .. entry }
    local FAILED = { ["o:transform"] = "2\t92000\t" .. entry,
                     ["2"] = 'transform\tfailed\t93000\t1\t{"code":"error","message":"disk full"}' }

    it("deps tells both ways, with those that have not begun", function()
      graph(FAILED)
      local status, out = run("deps", "etl/load")
      assert.equal(0, status)
      assert.equal([[
depends on
  ✗ transform  failed  etl/transform  1.00s  disk full
required by
  · report  pending  etl/report
in all: depends on 2 nodes, required by 1
]], out)
    end)

    it("deps asks how what goes on stands", function()
      graph(RUNNING)
      local _, out = run("deps", "etl/extract")
      assert.truthy(out:find("depends on\n  nothing\n", 1, true), out)
      assert.truthy(out:find("required by\n  ◌ transform  waiting  etl/transform  8.00s\n", 1, true), out)
    end)

    it("deps as JSON has the run ids of direct ones", function()
      graph(RUNNING)
      local _, out = run("deps", "etl/load", { json = true })
      assert.equal('{"depends_on":["etl/transform"],"required_by":["etl/report"],"run":"etl/load"}\n', out)
    end)

    it("deps of the graph itself has all nodes", function()
      graph(RUNNING)
      local status, out = run("deps", "etl")
      assert.equal(0, status)
      assert.equal([[
  NODE       STATE      TOOK   DEPENDS ON
✓ extract    completed  2.00s
◌ transform  waiting    8.00s  extract
· load       pending           transform
· report     pending           load
]], out)
      side.printed = {}
      local _, text = run("deps", "etl", { json = true })
      assert.equal("etl/transform", json.decode(text).nodes[3].depends_on[1])
    end)

    it("deps of the graph tells which nodes run whatever came before", function()
      graph {}
      answers.inspect = fields { state = "waiting", graph = json.encode { nodes = json.array {
        { key = "a", workflow = "job" }, { key = "b", workflow = "job" },
        { key = "first", workflow = "job", depends_on = json.array { "a", "b" }, when = "any" },
        { key = "sweep", workflow = "job", depends_on = json.array { "first" }, when = "settled" },
      } } }
      local _, out = run("deps", "etl")
      assert.truthy(out:find("· first  pending        any of a, b\n", 1, true), out)
      assert.truthy(out:find("· sweep  pending        settled of first\n", 1, true), out)
    end)

    it("deps says what is no graph, no node, and no run", function()
      graph(RUNNING)
      local status, _, err = run("deps", "other")
      assert.equal(1, status)
      assert.equal("weir: run other is neither a graph nor a node of one; weir show other shows its children\n", err)
      side.said = {}
      status, _, err = run("deps", "etl/lod")
      assert.same({ 66, 'weir: graph "etl" has no node "lod"; did you mean etl/load?\n' }, { status, err })
      assert.equal(66, (run("deps", "none")))
      assert.equal(66, (run("deps", "none/load")))
    end)

    it("why says what a pending node waits for", function()
      graph(RUNNING)
      local _, out = run("why", "etl/load")
      assert.equal("etl/load: it is not started: it depends on etl/transform, which is running "
        .. "(weir why etl/transform)\n", out)
    end)

    it("why says what kept a node from beginning, however far it is", function()
      graph(FAILED)
      local _, out = run("why", "etl/load")
      assert.equal("etl/load: it is not started: it depends on etl/transform, which failed: disk full; "
        .. "weir retry etl/transform goes on\n", out)
      side.printed = {}
      _, out = run("why", "etl/report")
      assert.equal("etl/report: it is not started: it depends on etl/load, which is not started either because "
        .. "etl/transform failed: disk full; weir retry etl/transform goes on\n", out)
    end)

    it("why names the nearest node", function()
      graph(RUNNING)
      local status, _, err = run("why", "etl/repord")
      assert.same({ 66, 'weir: graph "etl" has no node "repord"; did you mean etl/report?\n' }, { status, err })
    end)

    it("show draws it, --dot prints it, and the two forms cannot be combined", function()
      graph(FAILED)
      local _, out = run("show", "etl")
      assert.truthy(out:find("\n✓ extract 2.00s ━━ ✗ transform 1.00s ── · load ── · report\n", 1, true), out)
      assert.truthy(out:find("\ncritical path  extract → transform  3.00s\n", 1, true), out)
      assert.truthy(out:find("\n✗ transform  disk full\n", 1, true), out)
      side.printed = {}
      _, out = run("show", "etl", { dot = true })
      assert.truthy(out:find('^digraph "etl" {\n'), out)
      assert.truthy(out:find('"load" -> "report";', 1, true), out)
      for _, forms in ipairs { { "json", "dot" }, { "json", "watch" }, { "dot", "watch" } } do
        assert.equal(64, (run("show", "etl", { [forms[1]] = true, [forms[2]] = true })))
      end
      side.said = {}
      local status, _, err = run("show", "etl", { watch = true })
      assert.same({ 64, "weir: show --watch needs a terminal; use weir wait etl\n" }, { status, err })
    end)
  end)
end)
