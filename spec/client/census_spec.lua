local clients = require "spec.support.clients"

describe("a census", function()
  local sets, asked, members

  -- Redis: `sets`, and of each set its members as { state, workflow, created_at }.
  before_each(function()
    sets, asked, members = { "sets" }, {}, {}
    local function census(set, from, count)
      asked[#asked + 1] = ("%s %d+%d"):format(set, from, count)
      local reply, all = { "census", 0 }, members[set]
      for i = from + 1, math.min(from + count, #all) do
        reply[2] = reply[2] + 1
        table.move({ all[i][1], all[i][2], 1, "run" .. i, tostring(all[i][3] or i) }, 1, 5, #reply + 1, reply)
      end
      return reply
    end
    clients.load {
      call = function(...)
        local replies = {}
        for i, group in ipairs { ... } do
          replies[i] = group[1] == "sets" and sets or census(table.unpack(group, 2))
        end
        return { "ok", 5000, 7, replies }
      end,
    }
  end)

  after_each(clients.unload)

  local function add(set, runs)
    members[set] = runs
    table.move({ set, #runs }, 1, 2, #sets + 1, sets)
  end

  local function take(budget) return require("weir.client.census").take(budget) end

  it("counts each run once, in the set of its state", function()
    add("delayed", { { "waiting", "a" }, { "ready", "a" }, { "scheduled", "b", -9 }, { "retrying", "a" } })
    add("ready:default", { { "ready", "a" } })
    add("owned:7.1", { { "running", "a", 0 }, { "waiting", "a" }, { "ready", "b" } })
    add("owned:7.2", { { "running", "b" } })
    add("failed", { { "failed", "a", -5 } })
    add("roots", { { "completed", "a", -5 }, { "waiting", "a", -5 }, { "cancelled", "b" }, { "failed", "a" } })
    assert.same({
      states = { waiting = 1, scheduled = 1, retrying = 1, ready = 2, running = 2, failed = 1, completed = 1,
                 cancelled = 1 },
      workflows = {
        a = { waiting = 1, retrying = 1, ready = 1, running = 1, failed = 1, completed = 1 },
        b = { scheduled = 1, ready = 1, running = 1, cancelled = 1 },
      },
      running = { ["7"] = 2 }, sampled = false,
      oldest = { run = "run1", workflow = "a", state = "running", created_at = 0 },
    }, take(1000))
  end)

  it("of nothing is empty", function()
    assert.same({ states = {}, workflows = {}, running = {}, sampled = false }, take(1000))
  end)

  it("reads large sets in part, from their begin to their end, and scales the counts", function()
    local many = {}
    for i = 1, 100000 do many[i] = { i % 4 == 0 and "retrying" or "waiting", "a" } end
    add("delayed", many)
    add("ready:default", { { "ready", "b" } })
    local found = take(1000)
    assert.is_true(found.sampled)
    assert.is_true(math.abs(found.states.waiting - 75000) < 2000)
    assert.equal(100000, found.states.waiting + found.states.retrying)
    assert.equal(1, found.workflows.b.ready)
    assert.same({ "delayed 0+50", "delayed 5263+50" }, { asked[1], asked[2] })
    assert.equal("delayed 94736+50", asked[#asked - 1])
    assert.is_true(#asked <= 21)
  end)

  it("asks for few runs in each call", function()
    local many, calls = {}, 0
    for i = 1, 5000 do many[i] = { "waiting", "a" } end
    add("delayed", many)
    add("owned:1.1", many)
    local found = take(20000)
    assert.equal(5000, found.states.waiting)
    assert.is_true(found.sampled)
    for _, page in ipairs(asked) do
      calls = math.max(calls, tonumber(page:match "%+(%d+)$"))
    end
    assert.equal(2000, calls)
  end)

  it("looks at few runs of each of many sets", function()
    for i = 1, 100 do
      local runs = {}
      for k = 1, 100 do runs[k] = { "running", "a" } end
      add(("owned:%d.1"):format(i), runs)
    end
    assert.equal(10000, take(100).states.running)
    assert.equal("owned:1.1 0+10", asked[1])
  end)
end)
