-- Commands on many runs: which ones a SELECTOR means, and what is done to all of them, on the real binary, a real host
-- and a real Redis.

local cjson = require "cjson"
local support = require "tests.support"

local WORKFLOWS = [[
local weir = require "weir"

local waits = weir.workflow {
  id = "waits",
  run = function(ctx, data)
    if data.stage then ctx:tag("stage", data.stage) end
    ctx:sleep(data.pause or "1h")
  end,
}

local tree = weir.workflow {
  id = "tree",
  run = function(ctx, data)
    for i = 1, data.children do ctx:spawn { id = "c" .. i, workflow = "waits" } end
    if data.free then ctx:spawn { id = "free", workflow = "waits", detached = true } end
    ctx:sleep "1h"
  end,
}

local deep = weir.workflow {
  id = "deep",
  run = function(ctx, data)
    if data.depth > 0 then ctx:invoke { id = "d", workflow = "deep", data = { depth = data.depth - 1 } } end
    ctx:sleep "1h"
  end,
}

local later = weir.workflow {
  id = "later",
  run = function(ctx, data)
    ctx:sleep(data.pause)
    ctx:spawn { id = "child", workflow = "waits" }
    ctx:sleep "1h"
  end,
}

local lets = weir.workflow {
  id = "lets",
  run = function(ctx, data) ctx:invoke { id = "free", workflow = "later", data = data, detached = true } end,
}

local fails = weir.workflow {
  id = "fails",
  retry = { attempts = 1 },
  run = function(ctx, data)
    ctx:step("look", function() return true end)
    error(weir.error { code = data.code or "declined", message = "card " .. data.n .. " declined" })
  end,
}

local above = weir.workflow {
  id = "above",
  retry = { attempts = 1 },
  run = function(ctx, data) return ctx:invoke { id = "pay", workflow = "fails", data = data } end,
}

return { waits, tree, deep, later, lets, fails, above }
]]

local host, folder

local function weir(...) return host:weir(...) end

local function good(...)
  local reply = weir(...)
  assert.equal(0, reply.status, reply.stderr)
  return reply.stdout, reply.stderr
end

local function start(workflow, id, data, ...)
  good("start", workflow, "--id", id, "--data", data or "{}", ...)
end

-- Ids of the runs that a SELECTOR means, as they come.
local function listed(...)
  local ids = {}
  for line in good("list", "--json", ...):gmatch "[^\n]+" do ids[#ids + 1] = cjson.decode(line).id end
  return ids
end

local function lines_of(text)
  local lines = {}
  for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
  return lines
end

local function state_of(id) return host:run(id).state end

local function record_of(id) return host.redis:call("HGETALL", "weir:{0}:r:" .. id) end

describe("many runs", function()
  before_each(function()
    folder = support.folder()
    support.write(folder .. "/work.lua", WORKFLOWS)
    host = support.host({ folder }, { flags = { "--workers", "2" } })
  end)

  after_each(function()
    host:stop()
    support.remove(folder)
  end)

  describe("list", function()
    it("without a filter brings what people started; with one, children too, below their parents", function()
      start("tree", "t1", '{"children":2}')
      start("waits", "w1")
      host:wait_for("t1/c2", "waiting")
      host:wait_for("w1", "waiting")
      assert.same({ "w1", "t1" }, listed())
      assert.same({ "w1", "t1", "t1/c1", "t1/c2" }, listed("--state", "waiting"))
      assert.same({ "w1", "t1" }, listed("--state", "waiting", "--roots"))
      assert.same({ "w1", "t1/c1", "t1/c2" }, listed("--workflow", "waits"))
      assert.same({ "t1/c2" }, listed("--match", "C2"))
    end)

    it("knows workflows, queues, tags, errors and texts", function()
      start("fails", "f1", '{"n":1}', "--tag", "shop=berlin", "--tag", "lane=2")
      start("above", "a1", '{"n":2,"code":"expired_card"}')
      start("waits", "q1", "{}", "--queue", "elsewhere", "--tag", "shop=berlin")
      host:wait_for("f1", "failed")
      host:wait_for("a1", "failed")
      assert.same({ "q1" }, listed("--queue", "elsewhere"))
      assert.same({ "q1", "f1" }, listed("--tag", "shop=berlin"))
      assert.same({ "f1" }, listed("--tag", "shop=berlin", "--tag", "lane=2"))
      start("waits", "s1", '{"stage":3}', "--tag", "shop=berlin")
      host:wait_for("s1", "waiting")
      assert.same({ "s1" }, listed("--tag", "stage=3", "--tag", "shop=berlin"))
      assert.same({ stage = "3", shop = "berlin" }, host:run("s1").tags)
      assert.same({ "a1", "a1/pay" }, listed("--error", "expired_card"))
      assert.same({ "a1" }, listed("--error", "child_failed"))
      assert.same({ "f1" }, listed("--match", "CARD 1 DECL"))
      assert.same({}, listed("--match", "card . declined"))
      local failed = listed("--state", "failed")
      table.sort(failed)
      assert.same({ "a1", "a1/pay", "f1" }, failed)
    end)

    it("knows when", function()
      start("waits", "old")
      local at = math.tointeger(host:run("old").created_at)
      support.wait_until("the clock to go on", function()
        start("waits", "new-" .. host.redis:call("INCR", "tries"))
        return host:run("new-" .. host.redis:call("GET", "tries")).created_at > at + 1
      end)
      assert.same({ "old" }, { listed("--until", tostring(at))[1] })
      assert.same({}, listed("--until", tostring(at - 1)))
      local new = listed("--since", tostring(at + 1))
      assert.is_true(#new > 0)
      for _, id in ipairs(new) do assert.truthy(id:find "^new") end
      assert.same(listed(), listed("--since", "1h"))
      assert.same({}, listed("--until", "1h"))
      assert.equal(64, weir("list", "--since", "yesterday").status)
      assert.equal(64, weir("list", "--state", "wating").status)
    end)

    it("goes by the instant of each run itself, also below roots that are older", function()
      start("later", "l1", '{"pause":"20ms"}')
      start("lets", "l2", '{"pause":"20ms"}')
      local function born(id) return math.tointeger(host:wait_for(id, "waiting").created_at) end
      local first, second = born "l1/child", born "l2/free/child"
      assert.equal("completed", state_of "l2")
      assert.same({ "l1/child" }, listed("--match", "l1", "--since", tostring(first)))
      assert.same({ "l2/free/child" }, listed("--match", "l2", "--since", tostring(second)))
      assert.same({ "l1" }, listed("--match", "l1", "--until", tostring(first - 1)))
      assert.same({ "l2", "l2/free" }, listed("--match", "l2", "--until", tostring(second - 1)))
      assert.same({}, listed("--match", "child", "--roots", "--since", tostring(first)))

      local since = tostring(math.min(first, second))
      assert.same({ "l2/free/child", "l1/child" }, listed("--match", "child", "--since", since))
      assert.same({ "l1/child" }, listed("--match", "child", "--since", since, "--after", "l2/free/child"))
    end)

    -- Every page of a list, as a person reads on, until one is not full.
    local function paged(limit, ...)
      local ids, flags = {}, { ... }
      local last = #flags + 1
      repeat
        local reply = weir("list", "--json", "--limit", tostring(limit), table.unpack(flags))
        assert.equal(0, reply.status, reply.stderr)
        for _, line in ipairs(lines_of(reply.stdout)) do ids[#ids + 1] = cjson.decode(line).id end
        flags[last] = "--after"
        flags[last + 1] = reply.stderr:match "^these are the %l+ %d+; for more: %-%-limit N, or %-%-after (%S+)\n$"
      until not flags[last + 1]
      return ids
    end

    it("pages on with --after, and says how: runs of one instant, children and failed runs too", function()
      local lines = {}
      for i = 1, 25 do lines[i] = ('{"i":%d}'):format(i) end
      support.write(folder .. "/lines", table.concat(lines, "\n"))
      good("start", "waits", "--each", folder .. "/lines", "--id", "e")
      start("tree", "t1", '{"children":7}')
      host:wait_for("t1/c7", "waiting")
      for i = 1, 5 do start("above", "a" .. i, '{"n":1}') end
      for i = 1, 5 do host:wait_for("a" .. i, "failed") end
      for _, selection in ipairs { {}, { "--since", "1h" }, { "--state", "failed" } } do
        local whole = listed("--limit", "100", table.unpack(selection))
        assert.same(whole, paged(3, table.unpack(selection)))
      end
      assert.equal("", weir("list", "--limit", "99").stderr)
    end)

    it("refuses to go on after what has no place in the list any more", function()
      start("waits", "w1")
      assert.equal(66, weir("list", "--after", "nobody").status)
      local reply = weir("list", "--state", "failed", "--after", "w1")
      assert.equal(64, reply.status)
      assert.truthy(reply.stderr:find(
        "^weir: %-%-after names run w1, which is no longer among the failed runs: it is %l+; "))
    end)

    it("goes through journals of many children", function()
      start("tree", "wide", '{"children":1200}')
      host:wait_for("wide", "waiting")
      local ids = listed("--match", "wide/", "--limit", "2000")
      assert.equal(1200, #ids)
      local seen = {}
      for _, id in ipairs(ids) do seen[id] = true end
      for i = 1, 1200 do assert.is_true(seen["wide/c" .. i]) end
    end)

    it("goes down to every depth", function()
      start("deep", "a", '{"depth":3}')
      host:wait_for("a/d/d/d", "waiting")
      assert.same({ "a", "a/d", "a/d/d", "a/d/d/d" }, listed("--workflow", "deep"))
    end)

    it("groups failed runs by what they failed of", function()
      for i = 1, 3 do start("fails", "f" .. i, ('{"n":%d}'):format(i * 10)) end
      start("above", "a1", '{"n":7,"code":"expired_card"}')
      for _, id in ipairs { "f1", "f2", "f3", "a1" } do host:wait_for(id, "failed") end
      local groups = lines_of(good("list", "--group", "error", "--json"))
      for i, line in ipairs(groups) do groups[i] = cjson.decode(line) end
      assert.same({ 3, "declined", "card N declined", "f3" },
        { groups[1].count, groups[1].code, groups[1].message, groups[1].run })
      assert.same({ 2, "expired_card" }, { groups[2].count, groups[2].code })
      assert.equal(2, #groups)
      local text = good("list", "--group", "error", "--workflow", "fails")
      assert.truthy(text:find "^COUNT +CODE +NEWEST +MESSAGE\n3 +declined +f3 +card N declined\n1 +expired_card")
    end)
  end)

  describe("cancel", function()
    it("by a SELECTOR ends all that are meant, each tree once", function()
      start("tree", "t1", '{"children":2}')
      start("waits", "w1")
      start("fails", "f1", '{"n":1}')
      host:wait_for("t1/c2", "waiting")
      host:wait_for("w1", "waiting")
      host:wait_for("f1", "failed")
      local out, said = good("cancel", "--match", "1", "--yes")
      assert.same({ "", "cancelled 2, 1 had ended already\n" }, { out, said })
      for _, id in ipairs { "t1", "t1/c1", "t1/c2", "w1" } do host:wait_for(id, "cancelled") end
      assert.equal("cancelled 0, 5 had ended already\n", select(2, good("cancel", "--match", "1", "--yes")))
    end)

    it("ends children that were let go, when they are meant", function()
      start("tree", "t1", '{"children":1,"free":true}')
      host:wait_for("t1/free", "waiting")
      host:wait_for("t1/c1", "waiting")
      assert.equal("cancelled 2\n", select(2, good("cancel", "--state", "waiting", "--yes")))
      host:wait_for("t1/free", "cancelled")
    end)

    it("with --dry-run prints the ids and writes nothing", function()
      for i = 1, 3 do start("waits", "w" .. i, "{}", "--delay", "1h") end
      local before = record_of "w2"
      local out, said = good("cancel", "--workflow", "waits", "--dry-run")
      assert.same({ "w3\nw2\nw1\n", "would cancel 3 runs\n" }, { out, said })
      assert.equal("w2\n", (good("cancel", "w2", "--dry-run")))
      assert.same({ "", "would cancel 0 runs; 1 other not in a state for it\n" }, { good("cancel", "no", "--dry-run") })
      assert.equal(before, record_of "w2")
    end)

    it("takes ids from stdin", function()
      for i = 1, 3 do start("waits", "w" .. i, "{}", "--delay", "1h") end
      local reply = weir("cancel", "-", { stdin = "w1\n\nw3\r\nw1\n" })
      assert.same({ 0, "", "cancelled 2\n" }, { reply.status, reply.stdout, reply.stderr })
      assert.same({ "cancelled", "scheduled", "cancelled" }, { state_of "w1", state_of "w2", state_of "w3" })
      reply = weir("cancel", "-", { stdin = "w1\nw2\n" })
      assert.same({ 0, "cancelled 1, 1 had ended already\n" }, { reply.status, reply.stderr })
      assert.equal(66, weir("cancel", "-", { stdin = "nope\n" }).status)
      assert.equal(0, weir("cancel", "-", { stdin = '{"id":"w1","state":"waiting"}\n' }).status)
      assert.equal(66, weir("cancel", "-", { stdin = "w2 \n" }).status) -- another run than w2
      assert.equal(66, weir("cancel", "-", { stdin = "{nonsense\n" }).status)
      assert.truthy(weir("cancel", "-", { stdin = '{"a":1}\n' }).stderr:find("line 1 of stdin is neither", 1, true))
    end)

    it("is refused without --yes when there is no terminal, and when no run is named", function()
      start("waits", "w1", "{}", "--delay", "1h")
      local before = record_of "w1"
      local reply = weir("cancel", "--workflow", "waits")
      assert.equal(64, reply.status)
      assert.truthy(reply.stderr:find "add %-%-yes to act, or %-%-dry%-run")
      for _, words in ipairs { { "cancel" }, { "cancel", "--limit", "3", "--yes" } } do
        reply = weir(table.unpack(words))
        assert.equal(64, reply.status)
        assert.truthy(reply.stderr:find "^weir: name runs %(weir cancel RUN%.%.%.%)")
      end
      assert.equal(64, weir("cancel", "w1", "--state", "failed").status)
      assert.equal(64, weir("cancel", "w1", "--rate", "fast").status)
      assert.equal(before, record_of "w1")
    end)

    it("asks on a terminal, with the count", function()
      for i = 1, 2 do start("waits", "w" .. i, "{}", "--delay", "1h") end
      local function answer(text)
        local said, status = host:on_terminal({ typed = text }, "cancel", "--workflow", "waits")
        return status, said
      end
      local status, said = answer "n"
      assert.truthy(said:find("cancel 2 runs? [y/N]", 1, true), said)
      assert.truthy(said:find("nothing was cancelled", 1, true), said)
      assert.equal(1, status)
      assert.equal("scheduled", state_of "w1")
      status, said = answer "y"
      assert.truthy(said:find("cancelled 2", 1, true), said)
      assert.equal(0, status)
      assert.equal("cancelled", state_of "w1")
    end)

    it("goes on where it was interrupted, at the pace it was told", function()
      for i = 1, 6 do start("waits", "w" .. i, "{}", "--delay", "1h") end
      local process = support.process({ support.build .. "/weir", "cancel", "--workflow", "waits", "--yes", "--rate",
        "1/m" }, { WEIR_REDIS = host.redis.url })
      support.wait_until("the first", function() return state_of "w6" == "cancelled" end)
      process:signal "TERM"
      assert.equal(130, process:wait())
      assert.equal("cancelled 1, 5 of 6 are left: the same command goes on with them\n", process:stderr())
      process:stop()
      assert.equal("scheduled", state_of "w5")
      assert.equal("cancelled 5, 1 had ended already\n",
        select(2, good("cancel", "--workflow", "waits", "--yes", "--rate", "1000/s")))
    end)

    it("takes no more than --limit", function()
      for i = 1, 3 do start("waits", "w" .. i, "{}", "--delay", "1h") end
      assert.equal("cancelled 2\n", select(2, good("cancel", "--workflow", "waits", "--yes", "--limit", "2")))
      assert.equal("scheduled", state_of "w1")
      assert.equal("w1\n", (good("cancel", "--workflow", "waits", "--dry-run", "--limit", "2")))
    end)
  end)

  describe("retry", function()
    it("by a SELECTOR lets whole trees begin again", function()
      for i = 1, 3 do start("fails", "f" .. i, ('{"n":%d}'):format(i)) end
      start("above", "a1", '{"n":7}')
      for _, id in ipairs { "f1", "f2", "f3", "a1" } do host:wait_for(id, "failed") end
      local out = good("retry", "--state", "failed", "--dry-run")
      local ids = lines_of(out)
      table.sort(ids)
      assert.same({ "a1", "f1", "f2", "f3" }, ids)
      assert.equal("retried 4\n", select(2, good("retry", "--state", "failed", "--yes")))
      for _, id in ipairs { "f1", "f2", "f3", "a1" } do
        support.wait_until("another attempt of " .. id, function()
          local run = host:run(id)
          return run.state == "failed" and run.attempt == 2
        end)
      end
    end)

    it("and a delete go on where they were interrupted", function()
      for i = 1, 3 do start("fails", "f" .. i, ('{"n":%d}'):format(i)) end
      for i = 1, 3 do host:wait_for("f" .. i, "failed") end
      local function interrupt(verb, is_done)
        local process = support.process({ support.build .. "/weir", verb, "--workflow", "fails", "--yes", "--rate",
          "1/m" }, { WEIR_REDIS = host.redis.url })
        support.wait_until("the first", is_done)
        process:signal "INT"
        assert.equal(130, process:wait())
        assert.truthy(process:stderr():find("2 of 3 are left: the same command goes on with them", 1, true))
        process:stop()
      end
      interrupt("retry", function() return host:run("f3").attempt == 2 end)
      host:wait_for("f3", "failed")
      assert.equal("retried 3\n", select(2, good("retry", "--workflow", "fails", "--yes")))
      for i = 1, 3 do host:wait_for("f" .. i, "failed") end
      interrupt("delete", function() return not host:run "f3" end)
      assert.equal("deleted 2\n", select(2, good("delete", "--workflow", "fails", "--yes")))
      assert.same({}, listed("--workflow", "fails"))
    end)

    it("leaves alone what goes on", function()
      start("waits", "w1")
      host:wait_for("w1", "waiting")
      assert.equal("retried 0, 1 had not failed\n", select(2, good("retry", "--workflow", "waits", "--yes")))
      local reply = weir("retry", "w1")
      assert.equal(1, reply.status)
      assert.truthy(reply.stderr:find "^weir: run w1 is waiting")
    end)
  end)
end)
