local clients = require "spec.support.clients"

describe("a list of unfinished runs", function()
  local members, runs, asked

  before_each(function()
    members, runs, asked = {}, {}, {}
    local answers = {
      sets = function()
        local reply = { "sets" }
        for _, set in ipairs(members) do table.move({ set.name, #set }, 1, 2, #reply + 1, reply) end
        return reply
      end,
      members = function(name, from, count)
        asked[#asked + 1] = ("%s %d+%d"):format(name, from, count)
        for _, set in ipairs(members) do
          if set.name == name then
            return { "members", table.unpack(set, from + 1, math.min(#set, from + count)) }
          end
        end
      end,
      status = function(...)
        local reply = { "status" }
        for i, id in ipairs { ... } do
          local run = runs[id]
          reply[i + 1] = run and { "state", run[1], "workflow", run[2], "created_at", tostring(run[3]) } or {}
        end
        return reply
      end,
    }
    clients.load {
      call = function(...)
        local replies = {}
        for i, group in ipairs { ... } do replies[i] = answers[group[1]](table.unpack(group, 2)) end
        return { "ok", 5000, 7, replies }
      end,
    }
  end)

  after_each(clients.unload)

  local function add(name, ids) members[#members + 1] = table.move(ids, 1, #ids, 1, { name = name }) end

  local function unfinished(selection, most, looked_at)
    local found, left = require("weir.client.list").unfinished(selection, most or 100, looked_at or 1000)
    local ids = {}
    for i, run in ipairs(found) do ids[i] = run.id end
    return table.concat(ids, " "), left
  end

  it("comes from the sets of its state, newest first, each run once", function()
    add("delayed", { "w", "r" })
    add("ready:default", { "r", "q" })
    add("owned:7.1", { "x", "w" })
    add("owned:7.2", { "y" })
    add("roots", { "old" })
    runs = { w = { "waiting", "a", 5 }, r = { "ready", "a", 1 }, q = { "ready", "b", 9 }, x = { "running", "a", 3 },
             y = { "running", "b", 4 } }
    assert.equal("y x", unfinished { state = "running" })
    assert.equal("q r", unfinished { state = "ready" })
    assert.equal("w", unfinished { state = "waiting" })
    assert.equal("x", unfinished { state = "running", workflow = "a" })
    assert.equal("y", unfinished({ state = "running" }, 1))
    assert.equal("", unfinished { state = "scheduled" })
  end)

  it("looks at a share of each set where there are many", function()
    local ids = {}
    for i = 1, 3000 do
      ids[i] = "r" .. i
      runs[ids[i]] = { "ready", "a", i }
    end
    add("ready:a", ids)
    add("ready:b", { "z" })
    local _, left = unfinished({ state = "ready" }, 10, 1000)
    assert.same({ "ready:a 0+500", "ready:a 500+499", "ready:b 0+1" }, asked)
    assert.equal(2001, left)
  end)

  it("is there for states that are no end", function()
    local list = require "weir.client.list"
    assert.is_true(list.is_unfinished "running" and list.is_unfinished "scheduled")
    assert.is_false(list.is_unfinished "failed" or list.is_unfinished(nil))
  end)
end)
