-- ctx:parallel and ctx:map, run to their ends in memory.

local json = require "weir.json"
local verbs = require "spec.support.verbs"
local weir = require "weir"

local here, raised, result, run = verbs.here, verbs.raised, verbs.result, verbs.run

local function numbers(count)
  local list = {}
  for i = 1, count do list[i] = i end
  return list
end

local function double(ctx, item)
  return ctx:invoke { id = "double", workflow = "nap", data = { span = "1s", name = item * 2 } }
end

describe("parallel", function()
  it("gives the results of its branches under their names", function()
    local view = run(function(ctx)
      return ctx:parallel { id = "build", branches = {
        docs = function(docs) return docs:invoke { id = "n", workflow = "nap", data = { span = "2s", name = "d" } } end,
        code = function(code)
          code:sleep "1s"
          return code:step("link", function() return "c" end)
        end,
        none = function() end,
      } }
    end)
    assert.same({ docs = "d", code = "c", none = json.null }, view.result)
    assert.equal(2000, view.finished_at - view.started_at)
    assert.truthy(view.by_id["build:docs:n"] and view.by_id["build:code:link"])
  end)

  it("gives a list for a list, and numbers itself where it has no id", function()
    local view = run(function(ctx)
      ctx:parallel { branches = {} }
      return ctx:parallel { branches = { function(a) return a:step("s", function() return 1 end) end } }
    end)
    assert.same({ 1 }, view.result)
    assert.equal("completed", view.by_id["parallel#2:1:s"].state)
  end)

  it("runs so many at a time, in the order of their names", function()
    local began = {}
    local view = run(function(ctx)
      began = {}
      local branches = {}
      for _, name in ipairs { "c", "a", "b" } do
        branches[name] = function(branch)
          began[#began + 1] = name
          branch:sleep "1s"
        end
      end
      ctx:parallel { id = "p", branches = branches, concurrency = 2 }
    end)
    assert.same({ "a", "b", "c" }, began)
    assert.equal(2000, view.finished_at - view.started_at)
  end)

  it("raises the first failure, when the others have been cancelled and have ended", function()
    local view, made = run(function(ctx)
      local cleaned = false
      local ok, err = pcall(ctx.parallel, ctx, { id = "p", branches = {
        bad = function(bad)
          bad:sleep "1s"
          bad:invoke { id = "b", workflow = "broken" }
        end,
        careful = function(careful)
          local _, why = pcall(careful.sleep, careful, "1h")
          careful:sleep "5s"
          cleaned = why.code .. ": " .. why.message
        end,
        slow = function(slow) slow:invoke { id = "s", workflow = "nap", data = { span = "1h" } } end,
      } })
      return { ok, err.code, cleaned, ctx:now() - ctx.run.created_at / 1000 }
    end)
    assert.same({ false, "child_failed", "cancelled: the branch was ended because another branch failed", 6.0 },
      view.result)
    assert.equal("cancelled", made:state "r/p:slow:s")
  end)

  it("begins no more branches after a failure", function()
    local began = {}
    raised(function(ctx)
      began = {}
      local branches = {}
      for i = 1, 5 do
        branches[i] = function()
          began[#began + 1] = i
          if i == 2 then error("no", 0) end
        end
      end
      ctx:parallel { branches = branches, concurrency = 1 }
    end)
    assert.same({ 1, 2 }, began)
  end)

  it("ends its branches when its own branch ends early, and when the run is cancelled", function()
    local view, made = run(function(ctx)
      local _, key = ctx:race {
        fast = function(fast) fast:sleep "1s" end,
        slow = function(slow)
          slow:parallel { id = "p", branches = {
            long = function(branch) branch:invoke { id = "l", workflow = "nap", data = { span = "1h" } } end,
            wide = function(branch) branch:sleep "1h" end,
          } }
        end,
      }
      return key
    end)
    assert.equal("fast", view.result)
    assert.equal("cancelled", made:state "r/race#1:slow:p:long:l")
  end)

  it("is repeated by a retry where it failed and where it was cancelled", function()
    for _, item in ipairs { "1s", "1h" } do
      local _, made = run(function(ctx)
        ctx:parallel { id = "p", branches = {
          bad = function(bad)
            bad:sleep "1m"
            bad:invoke { id = "b", workflow = "broken" }
          end,
          other = function(other) other:invoke { id = "o", workflow = "nap", data = { span = item } } end,
        } }
      end)
      assert.equal(item == "1s" and "\tp:bad:b" or "\tp:bad:b\tp:other:o", made.records.r.fields.redo)
    end
  end)

  it("lets an undo of a branch run after a failure in another", function()
    local view = run(function(ctx)
      ctx:parallel { id = "p", branches = {
        a = function(a)
          a:step { id = "charge", run = function() return 5 end, undo = function(amount) return -amount end }
        end,
        b = function(b)
          b:sleep "1s"
          error(weir.fatal "no")
        end,
      } }
    end)
    assert.equal("failed", view.state)
    assert.equal("completed", view.by_id["undo:p:a:charge:step"].state)
  end)

  it("refuses mistakes", function()
    local form = "ctx:parallel{ id = …, branches = { name = function(ctx) … end, … } }"
    local takes = "ctx:parallel takes a table with branches: " .. form
    assert.equal(takes, here(raised(function(ctx) ctx:parallel { function() end } end)))
    assert.equal(takes, here(raised(function(ctx) ctx:parallel("id", {}) end)))
    assert.equal('ctx:parallel: unknown field "concurency"; did you mean "concurrency"?',
      here(raised(function(ctx) ctx:parallel { branches = {}, concurency = 2 } end)))
    local not_function = "ctx:parallel: branches: [a] is a table, not a function: %s (ctx:all takes futures as well)"
    assert.equal(not_function:format(form), here(raised(function(ctx)
      ctx:parallel { branches = { a = ctx:spawn { workflow = "echo" } } }
    end)))
    assert.equal('ctx:parallel: branches: the name "a/b" must not contain "/", which separates run ids',
      here(raised(function(ctx) ctx:parallel { branches = { ["a/b"] = function() end } } end)))
    for _, wrong in ipairs { 0, 1.5, "2" } do
      assert.equal("ctx:parallel: concurrency is how many branches run at a time: an integer from 1",
        here(raised(function(ctx) ctx:parallel { branches = {}, concurrency = wrong } end)))
    end
    for _, wrong in ipairs { -1, 0.5, "10%" } do
      assert.equal("ctx:parallel: tolerate is how many branches may fail: an integer from 0, or math.huge",
        here(raised(function(ctx) ctx:parallel { branches = {}, tolerate = wrong } end)))
    end
  end)
end)

describe("map", function()
  it("gives the results in the order of the items", function()
    local view = run(function(ctx)
      return ctx:map { id = "m", items = numbers(3), run = function(inner, item, index)
        inner:sleep { id = "wait", duration = 10 - item }
        return { item = item, index = index }
      end }
    end)
    assert.same({ { item = 1, index = 1 }, { item = 2, index = 2 }, { item = 3, index = 3 } }, view.result)
    assert.truthy(view.by_id["m:2:wait"])
    assert.equal("[]", json.encode(result(function(ctx) return ctx:map { items = {}, run = double } end)))
    assert.same({ json.null, json.null }, result(function(ctx)
      return ctx:map { items = { 1, 2 }, run = function() end }
    end))
  end)

  it("runs so many at a time", function()
    local most, running = 0, 0
    local view = run(function(ctx)
      most, running = 0, 0
      return #ctx:map { items = numbers(10), concurrency = 4, run = function(inner, item)
        running = running + 1
        most = math.max(most, running)
        local value = double(inner, item)
        running = running - 1
        return value
      end }
    end)
    assert.equal(10, view.result)
    assert.equal(4, most)
    assert.equal(3000, view.finished_at - view.started_at)
  end)

  it("takes an iterator, which may wait", function()
    local view = run(function(ctx)
      local page, list, at = 0, {}, 0
      local function items()
        at = at + 1
        if list[at] == nil and page < 3 then
          page = page + 1
          list, at = ctx:step("page-" .. page, function() return { page * 10, page * 10 + 1 } end), 1
        end
        return list[at]
      end
      return ctx:map { id = "m", items = items, concurrency = 2, run = double }
    end)
    assert.is_nil(view.error and view.error.message)
    assert.same({ 20, 22, 40, 42, 60, 62 }, view.result)
    assert.equal("page-3", view.by_id["page-3"].id)
  end)

  it("ends its branches when its iterator fails", function()
    local view, made = run(function(ctx)
      local count = 0
      local ok, err = pcall(ctx.map, ctx, { id = "m", run = double, items = function()
        count = count + 1
        if count == 3 then error("no more", 0) end
        return count
      end })
      return { ok, err.message, ctx:now() - ctx.run.created_at / 1000 }
    end)
    assert.same({ false, "no more", 0.0 }, view.result)
    assert.is_nil(made.records["r/m:3:double"])
  end)

  it("tolerates so many failures, and tells how each ended", function()
    local function some_fail(ctx, item)
      if item % 2 == 0 then ctx:invoke { id = "b", workflow = "broken", data = { what = "item " .. item } } end
      return item
    end
    local list = result(function(ctx) return ctx:map { items = numbers(4), tolerate = 2, run = some_fail } end)
    assert.same({ true, false, true, false }, { list[1].ok, list[2].ok, list[3].ok, list[4].ok })
    assert.same({ 1, "child_failed" }, { list[1].value, list[2].error.code })
    local err = raised(function(ctx)
      ctx:map { id = "m", items = numbers(9), tolerate = 2, concurrency = 1, run = some_fail }
    end)
    assert.equal("too_many_failures", err.code)
    assert.equal('ctx:map "m": 3 failed, and 2 may (tolerate); the first was 2: Child execution failed: no item 2',
      err.message)
    assert.same({ failed = 3, tolerate = 2 }, err.details)
    assert.equal("child_failed", err.cause.code)
    assert.is_false(err.retryable)
    assert.equal(4, #result(function(ctx)
      return ctx:map { items = numbers(4), tolerate = math.huge, run = some_fail }
    end))
  end)

  it("is repeated by a retry where it failed, and only there", function()
    local _, made = run(function(ctx)
      ctx:map { id = "m", items = numbers(3), run = function(inner, item)
        if item == 2 then inner:invoke { id = "c", workflow = "broken" } end
        inner:step("s", function() return item end)
      end }
    end)
    assert.equal("\tm:2:c", made.records.r.fields.redo)
  end)

  it("nests, in all that branches are in", function()
    assert.same({ { { 2, 4 }, { 2, 4 } }, "ok" }, result(function(ctx)
      local both = ctx:all {
        function(a)
          return a:map { id = "outer", items = { 1, 2 }, run = function(b)
            return b:scope("s", function(c)
              return c:map { id = "inner", items = { 1, 2 }, concurrency = 1, run = double }
            end)
          end }
        end,
        function(a)
          return (a:any { function(b) return (b:parallel { branches = { x = function() return "ok" end } }).x end })
        end,
      }
      return both
    end))
  end)

  it("holds no more than runs at a time, besides its results", function()
    local most, live = 0, 0
    result(function(ctx)
      local kept = setmetatable({}, { __mode = "k" })
      local list = ctx:map { items = numbers(40), concurrency = 3, run = function(inner)
        kept[inner] = true
        inner:sleep "1s"
        collectgarbage()
        live = 0
        for _ in pairs(kept) do live = live + 1 end
        most = math.max(most, live)
      end }
      return #list
    end)
    assert.is_true(most <= 9, most .. " contexts were there at a time")
  end)

  it("refuses mistakes", function()
    local form = "ctx:map takes a table with items and a function: "
      .. "ctx:map{ id = …, items = …, run = function(ctx, item, index) … end }"
    assert.equal(form, here(raised(function(ctx) ctx:map { items = {} } end)))
    assert.equal(form, here(raised(function(ctx) ctx:map({ 1 }, function() end) end)))
    local items = "ctx:map: items is a list, or a function that returns the next item with each call; "
    for fault, wrong in pairs {
      ["it has the key b"] = { 1, c = 2, b = 3 }, ["it is a number"] = 10,
      ["of 4 items 1 are missing"] = { 1, 2, [4] = 4 },
      ["it is weir.null"] = json.null, ["it has the key 0"] = { [0] = 1 },
    } do
      assert.equal(items .. fault, here(raised(function(ctx) ctx:map { items = wrong, run = double } end)))
    end
    assert.equal('ctx:map: unknown field "item"; did you mean "items"?',
      here(raised(function(ctx) ctx:map { items = {}, item = {}, run = double } end)))
  end)
end)
