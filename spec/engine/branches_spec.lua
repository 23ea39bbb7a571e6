-- The coroutines within a run, by themselves: who runs, in what order, and what ends a wait.

local branches = require "weir.engine.branches"
local failure = require "weir.base.failure"
local scope = require "weir.base.scope"
local journal = require "weir.replay.journal"

local function new()
  local log = journal.new({ started_at = "1000" }, 1)
  return branches.new(log), log
end

local function future() return { waits = {} } end

local function yes() return true end

-- A branch that notes what it comes by: "name" when it begins, "name:…" for what ended its wait.
local function waiting(all, name, futures, notes, check)
  return all:spawn(name .. ":", function()
    notes[#notes + 1] = name
    local ok, raised = pcall(all.await, all, "all", futures, check or yes)
    notes[#notes + 1] = name .. (ok and ":on" or ":" .. raised.code)
    return name
  end, {})
end

describe("branches", function()
  it("run in the order of their creation until all wait", function()
    local all = new()
    local notes, a = {}, future()
    for _, name in ipairs { "one", "two", "three" } do waiting(all, name, { a }, notes) end
    all:run()
    assert.same({ "one", "two", "three" }, notes)
    assert.equal(3, all.live_count)
    all:settle(a)
    all:run()
    assert.same({ "one:on", "two:on", "three:on" }, { table.unpack(notes, 4) })
    assert.equal(0, all.live_count)
  end)

  it("that wait for one future go on in the order they were created, not in which they came", function()
    local all = new()
    local notes, first, shared = {}, future(), future()
    all:spawn("one:", function()
      all:await("await", { first }, yes)
      all:await("await", { shared }, yes)
      notes[#notes + 1] = "one"
    end, {})
    all:spawn("two:", function()
      all:await("await", { shared }, yes)
      notes[#notes + 1] = "two"
    end, {})
    all:run()
    all:settle(first)
    all:run()
    all:settle(shared)
    all:run()
    assert.same({ "one", "two" }, notes)
  end)

  it("are futures themselves", function()
    local all = new()
    local notes = {}
    local inner
    all:spawn("outer:", function()
      all:await("await", { inner }, yes)
      notes[1] = "outer:on"
    end, {})
    inner = all:spawn("inner:", function() return 5 end, {})
    local bad = all:spawn("bad:", function() error("bad", 0) end, {})
    all:run()
    assert.same({ "outer:on" }, notes)
    assert.same({ true, 5 }, { inner.ok, inner.value })
    assert.is_false(bad.ok)
    assert.equal("bad", bad.value.message)
    assert.is_true(failure.is_failure(bad.value))
    assert.is_true(inner.settled < bad.settled)
  end)

  it("go on only when their check says so", function()
    local all = new()
    local notes, a, b, missing = {}, future(), future(), 2
    waiting(all, "both", { a, b }, notes, function()
      missing = missing - 1
      return missing == 0
    end)
    all:run()
    all:settle(a)
    all:run()
    assert.same({ "both" }, notes)
    all:settle(b)
    all:run()
    assert.same({ "both", "both:on" }, notes)
  end)

  it("stop awaiting in the journal what they do not wait for any more", function()
    local all, log = new()
    local a = log:begin("step", "a", "", "w.lua:1")
    local b = log:begin("step", "b", "", "w.lua:2")
    waiting(all, "one", { a, b }, {})
    all:run()
    assert.same({ 1, 1 }, { a.awaited, b.awaited })
    log:learn { "1\ta\tcompleted\t1001\t1\tnull" }
    all:settle(log:next())
    assert.equal(0, b.awaited)
  end)
end)

describe("raise", function()
  local raised = failure.new { code = "cancelled", message = "ended" }

  it("ends the waits of a scope, and of no other", function()
    local all = new()
    local notes, never = {}, future()
    for _, name in ipairs { "a", "ab", "b" } do waiting(all, name, { never }, notes) end
    all:run()
    all:raise(scope.within "a:", raised)
    all:run()
    assert.same({ "a:cancelled" }, { table.unpack(notes, 4) })
    all:raise(scope.everywhere, raised)
    all:run()
    assert.same({ "a:cancelled", "ab:cancelled", "b:cancelled" }, { table.unpack(notes, 4) })
  end)

  it("takes the place of what a branch that is about to go on had waited for", function()
    local all = new()
    local notes, a = {}, future()
    waiting(all, "one", { a }, notes)
    all:run()
    all:settle(a)
    all:raise(scope.everywhere, raised)
    all:run()
    assert.same({ "one", "one:cancelled" }, notes)
  end)

  it("ends a branch that has not begun", function()
    local all = new()
    local notes = {}
    local branch = waiting(all, "one", { future() }, notes)
    all:raise(scope.everywhere, raised)
    all:run()
    assert.same({}, notes)
    assert.is_false(branch.ok)
    assert.equal(raised, branch.value)
    assert.equal(0, all.live_count)
  end)

  it("leaves the branch that raises alone", function()
    local all = new()
    local branch = all:spawn("", function()
      all:raise(scope.everywhere, raised)
      return "went on"
    end, {})
    all:run()
    assert.equal("went on", branch.value)
  end)
end)

describe("drop", function()
  it("forgets all: the outcome that they waited for wakes no branch, and none of them runs", function()
    local all, log = new()
    local notes = {}
    local a = log:begin("step", "a", "", "w.lua:1")
    all:spawn("one:", function()
      local guard <close> = setmetatable({}, { __close = function() notes[#notes + 1] = "closed" end })
      assert(guard)
      all:await("await", { a }, yes)
      notes[#notes + 1] = "went on"
    end, {})
    all:run()
    all:drop()
    log:learn { "1\ta\tcompleted\t1001\t1\tnull" }
    local following = log:next()
    if following then all:settle(following) end
    all:run()
    assert.same({}, notes)
    assert.equal(0, all.live_count)
    collectgarbage()
    assert.same({}, notes)
  end)
end)

describe("a step's turn", function()
  it("comes one at a time, in order, and not for a branch that was ended", function()
    local all = new()
    local notes = {}
    for _, name in ipairs { "one", "two", "three" } do
      all:spawn(name .. ":", function()
        if pcall(all.await_step, all, { id = name }) then notes[#notes + 1] = name end
      end, {})
    end
    all:run()
    all:raise(scope.within "two:", failure.new { code = "cancelled" })
    all:run()
    for _ = 1, 2 do
      all:wake(all:next_step())
      all:run()
    end
    assert.is_nil(all:next_step())
    assert.same({ "one", "three" }, notes)
  end)
end)

describe("places", function()
  it("are the author's: weir's own frames and those of C are left out", function()
    local all = new()
    local branch = all:spawn("", function() error("here") end, {})
    all:run()
    assert.is_truthy(branch.value.message:find("^spec/engine/branches_spec.lua:%d+: here$"))
    assert.is_truthy(branch.value.traceback:find("spec/engine/branches_spec.lua:%d+: in function"))
    assert.is_nil(branch.value.traceback:find("lua/weir", 1, true))
    assert.is_nil(branch.value.traceback:find("[C]", 1, true))
  end)
end)
