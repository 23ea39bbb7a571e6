-- ctx itself, its time, its random numbers, its log and its tags, and waits at unusual places.

local driver = require "spec.support.driver"
local json = require "weir.json"
local verbs = require "spec.support.verbs"
local weir = require "weir"

local failed, here, raised = verbs.failed, verbs.here, verbs.raised
local result, run, with = verbs.result, verbs.run, verbs.with

describe("sleep", function()
  it("takes its time, also till an instant", function()
    local view = run(function(ctx)
      ctx:sleep("1500ms")
      ctx:sleep(0.25)
      ctx:sleep { id = "till", until_ms = 1790000005000.0 }
      ctx:sleep { until_ms = 5 }
      return ctx:now()
    end)
    assert.equal(1790000005.0, view.result)
    assert.equal(5000, view.finished_at - view.started_at)
    assert.equal('{"duration_ms":1500}', view.by_id["sleep#1"].arguments)
  end)

  it("refuses mistakes at the author's line", function()
    for text, given in pairs {
      ["ctx:sleep takes a duration or until_ms"] = {},
      ["ctx:sleep: until_ms is an integer of milliseconds"] = { until_ms = "5" },
      ['ctx:sleep: unknown field "till"; it has duration, id, until_ms'] = { till = 5 },
    } do
      assert.equal(text, here(raised(function(ctx) ctx:sleep(given) end)))
    end
    assert.is_truthy(here(raised(function(ctx) ctx:sleep(-1) end)):find("cannot be negative"))
  end)
end)

describe("now, random and uuid", function()
  it("are the same on every replay, apart in each scope", function()
    local value = result(function(ctx)
      local list = { ctx:random(1 << 30), ctx:uuid(), ctx:now() }
      ctx:sleep("1s")
      list[4], list[5], list[6] = ctx:random(1 << 30), ctx:uuid(), ctx:now()
      ctx:all { function(inner)
        inner:sleep("1s")
        list[7], list[8] = inner:random(1 << 30), inner:uuid()
      end }
      return list
    end)
    assert.equal(1790000000.0, value[3])
    assert.equal(1790000001.0, value[6])
    assert.not_equal(value[1], value[4])
    assert.not_equal(value[4], value[7])
    assert.not_equal(value[2], value[8])
  end)

  it("are os.time, os.clock and math.random of the sandbox", function()
    local function source(code)
      return { ["w.lua"] = 'local weir = require "weir"\nreturn weir.workflow { id = "w", run = function(ctx)\n'
        .. code .. "\nend }" }
    end
    local values = {}
    for i, always_replay in ipairs { false, true } do
      values[i] = driver.new { always_replay = always_replay, files = source [[
        local list = { os.time(), math.random(1 << 30) }
        ctx:sleep("90s")
        list[3], list[4], list[5] = os.time(), math.random(1 << 30), os.date("!%H:%M", os.time())
        return list]] }:run("w")
    end
    assert.is_nil(values[1].error and values[1].error.message)
    assert.same(values[1].result, values[2].result)
    assert.equal(1790000000, values[1].result[1])
    assert.equal(1790000090, values[1].result[3])
  end)
end)

describe("log", function()
  it("says everything once, however often it is replayed", function()
    local made = driver.new { always_replay = true, workflows = with(function(ctx)
      ctx.log:info("begun", { n = 1 })
      ctx:step("a", function() ctx.log:debug("inside") end)
      ctx.log:warn("between")
      ctx:sleep("1s")
      ctx.log:error("after")
    end) }
    made:run("w", nil, { id = "r" })
    local lines = {}
    for i, line in ipairs(made.logs) do lines[i] = line.level .. " " .. line.text end
    assert.same({ "info begun", "debug inside", "warn between", "error after" }, lines)
    assert.equal('{"n":1}', made.logs[1].fields)
    assert.equal("r", made.logs[1].run)
  end)

  it("takes print, in a run that is replayed as in one that is not", function()
    for _, always_replay in ipairs { false, true } do
      local made = driver.new { always_replay = always_replay, files = { ["w.lua"] = [[
        local weir = require "weir"
        return weir.workflow { id = "w", run = function(ctx)
          print("one", 1)
          ctx:sleep(1)
          print("two")
        end }]] } }
      made:run("w")
      assert.same({ "one\t1", "two" }, { made.logs[1].text, made.logs[2].text })
      assert.equal(2, #made.logs)
    end
  end)
end)

describe("ctx", function()
  it("says about the run", function()
    local value = result(function(ctx)
      return { ctx.run.id, ctx.run.workflow, ctx.run.attempt, ctx.run.root, ctx.run.depth, ctx.run.created_at,
               ctx.run.parent == nil }
    end)
    assert.same({ "r", "w", 1, "r", 0, 1790000000000, true }, value)
  end)

  it("says what is meant by names that it has not", function()
    assert.equal("ctx has no call; did you mean invoke?", here(raised(function(ctx) ctx:call {} end)))
    assert.equal("ctx has no activity; did you mean step?", here(raised(function(ctx) ctx:activity {} end)))
    assert.equal('name the level: ctx.log:info("…"), or debug, warn, error',
      here(raised(function(ctx) ctx:log("hi") end)))
    assert.equal('ctx.run: unknown field "name"; it has attempt, bundle, created_at, depth, id, parent, root, workflow',
      here(raised(function(ctx) return ctx.run.name end)))
    assert.equal('ctx.run: unknown field "workflo"; did you mean "workflow"?',
      here(raised(function(ctx) return ctx.run.workflo end)))
    local err = failed(function(data) return data.name end, { name = "ada" })
    assert.equal("ctx has no name; run gets (ctx, data): the data comes second", here(err.message))
  end)

  it("is not asked again by another attempt when it was misused", function()
    for _, usage_error in ipairs {
      function(ctx) ctx:step(function() end) end,
      function(ctx) ctx:nosuch() end,
      function(ctx) ctx.state = 1 end,
      function(ctx) ctx:invoke { workflow = "echo", timeout = {} } end,
      function(ctx) return ctx:spawn({ workflow = "echo" }).x end,
      function(ctx) ctx:step("s", function() ctx:sleep(1) end) end,
      function(ctx) return ctx.deps end,
      function() error(weir.error { cod = "typo" }) end,
      function() error(weir.fatal {}) end,
      function(ctx) table.sort({ 2, 1 }, function() ctx:sleep(1) end) end,
    } do
      local view = run(usage_error)
      assert.equal("failed", view.state)
      assert.equal(1, view.attempt)
      for _, operation in ipairs(view.operations) do assert.equal(1, operation.attempts or 1) end
    end
  end)

  it("refuses to be written, and verbs that it has not", function()
    assert.equal("ctx.state cannot be written: what must last belongs into a step's result",
      here(raised(function(ctx) ctx.state = 1 end)))
    assert.equal("ctx has no slep; did you mean sleep?", here(raised(function(ctx) ctx:slep(1) end)))
    assert.equal("ctx:promise is not there yet", here(raised(function(ctx) ctx:promise {} end)))
  end)

  it("of another run cannot be used", function()
    local other
    local made = driver.new { inlined = false, workflows = with(function(ctx, data)
      if data.first then
        other = ctx
        ctx:sleep("1h")
        return
      end
      return here(select(2, pcall(other.sleep, other, 1)))
    end) }
    made:start("w", { first = true }, { id = "a" })
    made:settle()
    assert.equal("ctx:sleep cannot be called from outside of its run", made:run("w", {}, { id = "b" }).result)
  end)
end)

describe("a wait", function()
  it("works inside of pcall, closing values and coroutines of the author", function()
    local made = {}
    for i, always_replay in ipairs { false, true } do
      made[i] = driver.new { always_replay = always_replay, files = { ["w.lua"] = [[
        local weir = require "weir"
        local echo = weir.workflow { id = "echo", run = function(_, data) return data end }
        return { echo, weir.workflow { id = "w", run = function(ctx)
          local list = {}
          do
            local guard <close> = setmetatable({}, { __close = function()
              list[1] = ctx:invoke { id = "closing", workflow = "echo", data = "closed" }
            end })
            pcall(function()
              ctx:sleep(1)
              error("x")
            end)
          end
          local each = coroutine.wrap(function()
            for i = 2, 3 do
              coroutine.yield(ctx:invoke { id = "in" .. i, workflow = "echo", data = i })
            end
          end)
          list[2] = each()
          list[3] = each()
          return list
        end } }]] } }
      local view = made[i]:run("w")
      assert.is_nil(view.error and view.error.message)
      assert.same({ "closed", 2, 3 }, view.result)
    end
  end)

  it("names itself where Lua cannot suspend", function()
    local function texts(ctx)
      local list = {}
      local function try(name, call)
        local _, err = pcall(call)
        list[name] = tostring(err)
      end
      try("sort", function()
        table.sort({ 1, 2 }, function() ctx:sleep(1) return true end)
      end)
      try("gsub", function() string.gsub("a", "a", function() ctx:invoke { workflow = "echo" } end) end)
      try("tostring", function()
        tostring(setmetatable({}, { __tostring = function() ctx:step("s", function() end) return "" end }))
      end)
      return list
    end
    local value = result(texts)
    for name, verb in pairs { sort = "sleep", gsub = "invoke", tostring = "step" } do
      assert.is_truthy(value[name]:find("ctx:" .. verb .. " cannot wait here", 1, true), value[name])
    end
  end)

  it("in the midst of a failing body lets closing values clean up, durably", function()
    local err = failed(function(ctx)
      local guard <close> = setmetatable({}, { __close = function()
        ctx:step("undo", function() return "undone" end)
      end })
      assert(guard)
      error(weir.fatal("no use"))
    end)
    assert.equal("no use", err.message)
  end)
end)

describe("scope", function()
  it("puts its id before those of the operations in it, and returns what its function returns", function()
    local view = run(function(ctx)
      return ctx:scope("order", function(order)
        order:step("pay", function() return 1 end)
        local shipped = order:scope("ship", function(ship)
          ship:step { run = function() return 2 end }
          return ship:invoke { id = "label", workflow = "double", data = { value = 4 } }
        end)
        return { shipped, order:all { a = function(branch) return branch:step("s", function() return 3 end) end } }
      end)
    end)
    assert.is_nil(view.error and view.error.message)
    assert.same({ 8, { a = 3 } }, view.result)
    local ids = {}
    for _, operation in ipairs(view.operations) do ids[#ids + 1] = operation.id end
    table.sort(ids)
    assert.same({ "order:all#1:a:s", "order:pay", "order:ship:label", "order:ship:step#1" }, ids)
  end)

  it("lets a helper be called twice, each time with ids of its own", function()
    local function pay(ctx, amount) return ctx:step("pay", function() return amount end) end
    assert.same({ 1, 2 }, result(function(ctx)
      return { ctx:scope("first", function(one) return pay(one, 1) end),
               ctx:scope("second", function(two) return pay(two, 2) end) }
    end))
  end)

  it("ends with its function, also when that fails", function()
    assert.same({ "no", 7 }, result(function(ctx)
      local _, err = pcall(ctx.scope, ctx, "bad", function() error("no", 0) end)
      return { err.message or err, (ctx:step("after", function() return 7 end)) }
    end))
  end)

  it("counts as the branch that it is in: a failure in it is handled by what follows it", function()
    local _, made = run(function(ctx)
      pcall(ctx.scope, ctx, "a", function(a) a:invoke { id = "bad", workflow = "broken" } end)
      ctx:scope("b", function(b) b:step("s", function() return 1 end) end)
      error(weir.fatal "stop")
    end)
    assert.equal("\t", made.records.r.fields.redo)
  end)

  it("refuses mistakes", function()
    local form = 'ctx:scope takes an id and a function: ctx:scope("id", function(ctx) … end)'
    assert.equal(form, here(raised(function(ctx) ctx:scope(function() end) end)))
    assert.equal(form, here(raised(function(ctx) ctx:scope "id" end)))
    assert.equal('ctx:scope: id "a/b" must not contain "/", which separates run ids',
      here(raised(function(ctx) ctx:scope("a/b", function() end) end)))
    local twice = raised(function(ctx)
      ctx:scope("a", function() end)
      ctx:scope("b", function(b) b:scope("a", function() end) end)
      ctx:parallel { id = "a", branches = {} }
    end)
    assert.same({ "duplicate_id", 'scope "a" is there already; give each ctx:parallel its own id' },
      { twice.code, twice.message })
    assert.matches('^scope "s" returned 2 values', raised(function(ctx)
      ctx:scope("s", function() return 1, 2 end)
    end).message)
    assert.equal('ids that begin with "undo:pay:" belong to the undo of "pay"; give "undo:pay:" another one',
      raised(function(ctx)
        ctx:undo("pay", function() end)
        ctx:scope("undo:pay", function() end)
      end).message)
  end)
end)

describe("a context", function()
  local AGAIN = "; use the ctx that the function there is given: function(ctx) … end"

  it("begins operations only in its own branch or scope", function()
    assert.equal('ctx:step was called on the ctx of the run, inside "s"' .. AGAIN, here(raised(function(ctx)
      ctx:scope("s", function() ctx:step("x", function() end) end)
    end)))
    assert.equal('ctx:invoke was called on the ctx of "s", inside the run' .. AGAIN, here(raised(function(ctx)
      local kept
      ctx:scope("s", function(inner) kept = inner end)
      kept:invoke { workflow = "echo" }
    end)))
    for verb, use in pairs {
      all = function(ctx) ctx:all {} end, map = function(ctx) ctx:map {} end, sleep = function(ctx) ctx:sleep(1) end,
      spawn = function(ctx) ctx:spawn { workflow = "echo" } end, scope = function(ctx) ctx:scope() end,
      undo = function(ctx) ctx:undo("x", print) end, parallel = function(ctx) ctx:parallel {} end,
      race = function(ctx) ctx:race {} end, any = function(ctx) ctx:any {} end,
      settle = function(ctx) ctx:settle {} end,
    } do
      assert.equal(('ctx:%s was called on the ctx of the run, inside "all#1:a"'):format(verb) .. AGAIN,
        here(raised(function(ctx) ctx:all { a = function() use(ctx) end } end)))
    end
  end)

  it("is that of the undo in an undo", function()
    local view = run(function(ctx)
      ctx:undo("pay", function(inner)
        inner:step("back", function() return 1 end)
        inner:parallel { id = "p", branches = { a = function(a) a:step("s", function() return 2 end) end } }
      end)
      error(weir.fatal "no")
    end)
    assert.equal("completed", view.by_id["undo:pay:back"].state)
    assert.equal("completed", view.by_id["undo:pay:p:a:s"].state)
  end)

  it("tells the time, tags and draws from anywhere in its run", function()
    assert.equal(1, result(function(ctx)
      return ctx:all { function()
        ctx:tag("k", "v")
        return #{ ctx:now() } + #{ ctx:random() } + #{ ctx:uuid() } - 2
      end }[1]
    end))
  end)
end)

describe("tag", function()
  local function tags_of(body, options)
    local _, made = run(body, nil, options)
    return json.decode(made.records.r.fields.tags)
  end

  it("gives the run a tag, or another one of the same key", function()
    assert.same({ stage = "two", n = "5", ok = "true", ["half"] = "0.5" }, tags_of(function(ctx)
      ctx:tag("stage", "one")
      ctx:tag("n", 5)
      ctx:sleep(1)
      ctx:tag("ok", true)
      ctx:tag("half", 0.5)
      ctx:tag("stage", "two")
    end))
  end)

  it("keeps those that the run was started with", function()
    local made = driver.new { workflows = with(function(ctx) ctx:tag("own", 1) end) }
    made:start("w", nil, { id = "r" })
    made.records.r.fields.tags = '{"shop":"berlin"}'
    made:settle()
    assert.same({ shop = "berlin", own = "1" }, json.decode(made.records.r.fields.tags))
  end)

  it("is not told by a log that another run has left behind", function()
    local made = driver.new { files = { ["w.lua"] = [[
      local weir = require "weir"
      local kept
      return weir.workflow { id = "w", run = function(ctx)
        kept = kept or ctx.log
        return { pcall(kept.info, kept, "mine?") }
      end }]] } }
    assert.same({ true }, made:run("w").result)
    local second = made:run("w").result
    assert.is_false(second[1])
    assert.matches("ctx.log:info cannot be called from outside of its run", second[2].message or second[2], 1, true)
  end)

  it("is silent on replay, and when nothing is new", function()
    for _, always_replay in ipairs { false, true } do
      local changes = 0
      local made = driver.new { always_replay = always_replay, history = true, workflows = with(function(ctx)
        ctx:tag("stage", "one")
        ctx:sleep(1)
        ctx:tag("stage", "two")
        ctx:tag("stage", "two")
        ctx:sleep(1)
        ctx:sleep(1)
      end) }
      made:run("w", nil, { id = "r" })
      local before
      for _, fields in ipairs(made.records.r.history) do
        if fields.tags ~= before then changes = changes + 1 end
        before = fields.tags
      end
      assert.equal(2, changes)
    end
  end)

  it("refuses what is no tag", function()
    assert.equal("ctx:tag: key is empty", here(raised(function(ctx) ctx:tag("", 1) end)))
    assert.equal('ctx:tag: value of "k" must be text, a number or a boolean, not a table',
      here(raised(function(ctx) ctx:tag("k", {}) end)))
    assert.equal('ctx:tag: value of "k" has 1025 bytes; 1024 are allowed',
      here(raised(function(ctx) ctx:tag("k", ("x"):rep(1025)) end)))
    assert.equal('ctx:tag: "k101" is one too many; a run has 100 tags at most', here(raised(function(ctx)
      for i = 1, 101 do ctx:tag("k" .. i, i) end
    end)))
    assert.equal('ctx:tag cannot be called inside step "s"', here(raised(function(ctx)
      ctx:step { id = "s", retry = { attempts = 1 }, run = function() ctx:tag("k", 1) end }
    end)))
  end)
end)
