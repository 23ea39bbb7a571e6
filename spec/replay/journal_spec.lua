-- The replay cursor by itself, and whole journals: what stands in them goes in, effects come out,
-- and nothing more than those.

local entry = require "weir.record.entry"
local journals = require "spec.support.journals"
local weir = require "weir"
local driver = require "spec.support.driver"

local begin, new, outcome = journals.begin, journals.new, journals.outcome

local wait = {}

describe("delivery", function()
  it("takes the lowest number that is awaited, one at a time", function()
    local made = new()
    local a, b, c = begin(made, "a"), begin(made, "b"), begin(made, "c")
    made:learn { outcome(1, "c"), outcome(2, "b"), outcome(3, "a") }
    made:await(a, wait)
    made:await(b, wait)
    assert.equal(b, made:next())
    assert.equal(2, made.delivered)
    made:await(c, wait)
    assert.equal(c, made:next())
    assert.equal(1, made.delivered)
    assert.equal(a, made:next())
    assert.is_nil(made:next())
  end)

  it("is the same when the outcomes were there before the operations", function()
    local made = new { ["1"] = "b\tcompleted\t1001\t1\tnull", ["2"] = "a\tcompleted\t1002\t1\tnull" }
    local a, b = begin(made, "a"), begin(made, "b")
    made:await(a, wait)
    made:await(b, wait)
    assert.equal(b, made:next())
    assert.equal(a, made:next())
  end)

  it("passes over an outcome that no branch awaits any more, and comes back to it", function()
    local made = new()
    local a, b = begin(made, "a"), begin(made, "b")
    made:await(a, wait)
    made:await(b, wait)
    made:learn { outcome(1, "a"), outcome(2, "b") }
    made:unawait(a)
    assert.equal(b, made:next())
    assert.is_nil(made:next())
    made:await(a, wait)
    assert.equal(a, made:next())
    assert.is_nil(made:next())
  end)

  it("never turns the clock back", function()
    local made = new()
    local a, b = begin(made, "a"), begin(made, "b")
    made:learn { outcome(1, "a", nil, 1500), outcome(2, "b", nil, 1400) }
    made:await(b, wait)
    made:next()
    assert.equal(1400, made.now_ms)
    made:await(a, wait)
    made:next()
    assert.equal(1500, made.now_ms)
  end)
end)

describe("a cancel", function()
  it("comes after what has a lower number and before what has a higher one", function()
    local made = new()
    local a, b = begin(made, "a"), begin(made, "b")
    made:await(a, wait)
    made:await(b, wait)
    made:learn { outcome(1, "a"), outcome(2, "", "cancelled"), outcome(3, "b") }
    assert.is_true(made:cancelling())
    assert.equal(a, made:next())
    assert.equal("cancel", made:next())
    assert.is_false(made:cancelling())
    assert.equal(b, made:next())
  end)

  it("waits for the children, and holds everything else back until then", function()
    local made = new()
    local child, other = begin(made, "child", "invoke"), begin(made, "other")
    made:open_child(child, "r/child")
    made:await(other, wait)
    made:learn { outcome(1, "", "cancelled"), outcome(2, "other") }
    assert.is_nil(made:next())
    made:learn { outcome(3, "child", "cancelled") }
    assert.equal("cancel", made:next())
    assert.equal(other, made:next())
  end)

  it("is delivered once, the first one", function()
    local made = new()
    made:learn { outcome(1, "", "expired") }
    assert.equal("cancel", made:next())
    made:learn { outcome(2, "", "cancelled") }
    assert.equal("expired", made.cancel.state)
    assert.is_nil(made:next())
  end)
end)

describe("effects", function()
  local function invoke(made, id, bytes)
    local operation = made:begin("invoke", id, "w", "w.lua:1")
    made.effects:add("invoke", { operation = id, data = ("x"):rep(bytes) })
    made:open_child(operation, "r/" .. id)
    return operation
  end

  local function speculate(made, operation, result)
    made.effects:patch(operation.handle, "result", result)
    made:speculate(operation, result, 2000)
  end

  it("that were speculated are never told in parts", function()
    local made = new()
    for _, id in ipairs { "a", "b", "c" } do speculate(made, invoke(made, id, 900000), "null") end
    invoke(made, "d", 900000)
    assert.is_true(made.effects:overflows())
    local part, all = made.effects:take()
    assert.is_false(all)
    assert.same({ "speculate", 0, 2000, 3 }, { table.unpack(part, 1, 4) })
    assert.equal(4 + 3 * 12, #part)
    assert.equal("d", made.effects:take()[2])
  end)

  it("count what the children returned that were speculated", function()
    local made = new()
    speculate(made, invoke(made, "a", 1), ("x"):rep(1500000))
    speculate(made, invoke(made, "b", 1), ("x"):rep(1500000))
    assert.is_true(made.effects:overflows())
  end)

  it("that are left over may bring outcomes: nothing can be speculated beside them", function()
    local made = new()
    for i = 1, 150 do made:resolve(begin(made, "s" .. i, "sleep"), "completed", 1, "null") end
    made.effects:take()
    assert.is_true(made.effects.uncertain)
    made.effects:take()
    assert.is_false(made.effects.uncertain)
  end)
end)

describe("replaying", function()
  it("lasts until the code is where it was", function()
    local made = new {
      ["o:a"] = "1\t1000\t" .. entry.write("step", 0, 1, "w.lua:1", "", ""),
      ["o:b"] = "\t1000\t" .. entry.write("sleep", 1, 1, "w.lua:2", "", ""),
      ["1"] = "a\tcompleted\t1001\t1\tnull",
    }
    assert.is_true(made:replaying())
    made:await(begin(made, "a"), wait)
    assert.is_true(made:replaying())
    made:next()
    assert.is_true(made:replaying()) -- b was begun from here on
    begin(made, "b", "sleep")
    assert.is_false(made:replaying())
  end)

  it("is not taken up again by an outcome of a lower number", function()
    local made = new {
      ["o:a"] = "2\t1000\t" .. entry.write("step", 0, 1, "w.lua:1", "", ""),
      ["o:b"] = "1\t1000\t" .. entry.write("step", 0, 1, "w.lua:2", "", ""),
      ["o:c"] = "\t1000\t" .. entry.write("sleep", 2, 1, "w.lua:3", "", ""),
      ["1"] = "b\tcompleted\t1001\t1\tnull", ["2"] = "a\tcompleted\t1002\t1\tnull",
    }
    local a, b = begin(made, "a"), begin(made, "b")
    made:await(a, wait)
    made:next()
    begin(made, "c", "sleep")
    made:await(b, wait)
    made:next()
    assert.equal(1, made.delivered)
    assert.is_false(made:replaying())
  end)
end)

-- ------------------------------------------------------------------------------------------------
-- Whole journals

local function workflow(run, fields)
  fields = fields or {}
  fields.id, fields.run = "w", run
  return weir.workflow(fields)
end

-- It waits, so that it is not run within its parent's turn.
local leaf = weir.workflow { id = "leaf", run = function(ctx) ctx:sleep(1) end }

-- The effects of one turn, each "name argument…" of what a spec is about.
local function told(run, given)
  local lines = {}
  given = given or {}
  for _, effect in ipairs((driver.replay({ workflow(run), leaf }, given))) do
    local name = effect[1]
    if name == "record" or name == "cancel" then
      lines[#lines + 1] = name .. " " .. effect[2]
    elseif name == "resolve" then
      lines[#lines + 1] = ("resolve %s %s %s"):format(effect[2], effect[3], effect[5])
    elseif name == "invoke" then
      lines[#lines + 1] = ("invoke %s %s %s %s"):format(effect[2], effect[4], effect[5], effect[6])
    elseif name == "complete" then
      lines[#lines + 1] = "complete " .. effect[2]
    elseif name == "suspend" then
      lines[#lines + 1] = ("suspend %s %s"):format(effect[2], effect[3])
    else
      lines[#lines + 1] = name .. " " .. effect[2]
    end
  end
  return lines
end

describe("a journal in, effects out:", function()
  it("an invoke", function()
    local function run(ctx, data)
      return ctx:invoke { id = "a", workflow = "leaf", data = data } + 1
    end
    assert.same({ 'invoke a r/a leaf {"x":1}', "suspend  " }, told(run, { data = { x = 1 } }))
    local begun = { { "a", "invoke", "leaf" } }
    assert.same({ "suspend  " }, told(run, { operations = begun }))
    assert.same({ "complete 6" }, told(run, { operations = begun, outcomes = { { "a", nil, "5" } } }))
  end)

  it("spawns", function()
    local function run(ctx)
      local a = ctx:spawn { id = "a", workflow = "leaf" }
      local b = ctx:spawn { id = "b", workflow = "leaf", timeout = "5s" }
      return { (a:await()), (b:await()) }
    end
    assert.same({ "invoke a r/a leaf {}", "invoke b r/b leaf {}", "suspend  5000" }, told(run))
    local begun = { { "a", "invoke", "leaf" }, { "b", "invoke", "leaf" } }
    assert.same({ "suspend 1790000005000 " },
      told(run, { operations = begun, outcomes = { { "a", nil, "1" } } }))
    assert.same({ "complete [1,2]" },
      told(run, { operations = begun, outcomes = { { "b", nil, "2" }, { "a", nil, "1" } } }))
  end)

  it("a step", function()
    local ran = 0
    local function run(ctx)
      return ctx:step("a", function()
        ran = ran + 1
        return ran
      end)
    end
    assert.same({ "resolve a completed 1", "suspend  " }, told(run))
    assert.same({ "complete 7" },
      told(run, { operations = { { "a", "step" } }, outcomes = { { "a", nil, "7" } } }))
    assert.equal(1, ran)
  end)

  it("a step after something: not before that is acknowledged", function()
    local function run(ctx)
      local a = ctx:spawn { id = "a", workflow = "leaf" }
      ctx:step("b", function() return 1 end)
      a:await()
    end
    assert.same({ "invoke a r/a leaf {}" }, told(run))
    assert.same({ "resolve b completed 1", "suspend  " }, told(run, { operations = { { "a", "invoke", "leaf" } } }))
  end)

  it("a sleep", function()
    local function run(ctx)
      ctx:sleep("3s")
      ctx:sleep { id = "till", until_ms = 1790000009000 }
    end
    assert.same({ "record sleep#1", "suspend  3000" }, told(run))
    local first = { "sleep#1", "sleep", "", '{"duration_ms":3000}' }
    assert.same({ "suspend 1790000003000 " }, told(run, { operations = { first } }))
    assert.same({ "record till", "suspend 1790000009000 " },
      told(run, { operations = { first }, outcomes = { { "sleep#1" } } }))
    assert.same({ "complete null" }, told(run, {
      operations = { first, { "till", "sleep", "", '{"until_ms":1790000009000}', 1 } },
      outcomes = { { "sleep#1" }, { "till" } },
    }))
  end)

  it("a race: the lower number wins, whatever stands first", function()
    local function run(ctx)
      local value, key = ctx:race({
        a = ctx:spawn { id = "a", workflow = "leaf" }, b = ctx:spawn { id = "b", workflow = "leaf" },
      })
      return { value, key }
    end
    local begun = { { "a", "invoke", "leaf" }, { "b", "invoke", "leaf" } }
    assert.same({ "cancel r/a", "suspend  " },
      told(run, { operations = begun, outcomes = { { "b", nil, "2" } } }))
    assert.same({ 'complete [2,"b"]' },
      told(run, { operations = begun, outcomes = { { "b", nil, "2" }, { "a", nil, "1" } } }))
  end)

  it("a timeout that is due when the run wakes", function()
    local function run(ctx) return ctx:invoke { id = "a", workflow = "leaf", timeout = "1s" } end
    local effects, made = driver.replay({ workflow(run), leaf },
      { operations = { { "a", "invoke", "leaf", '{"on_timeout":"cancel","timeout_ms":1000}' } } })
    assert.same({ "suspend", 1790000001000, "" }, effects[1])
    assert.equal(1, #effects)
    effects = driver.split(made:turn(1790000001000, {}))
    assert.same({ "resolve", "a", "timeout", 0 }, table.move(effects[1], 1, 4, 1, {}))
    assert.same({ "cancel", "r/a", 'cancelled: invoke "a" timed out after 1s', "" }, effects[2])
    assert.same({ "suspend", "", "" }, effects[3])
  end)

  it("a cancel: no child is started, the children end, then it is delivered", function()
    local function run(ctx)
      local ok, err = pcall(function()
        ctx:invoke { id = "a", workflow = "leaf" }
      end)
      return { ok, err.code }
    end
    local begun = { { "a", "invoke", "leaf" } }
    assert.same({ "cancel r/a", "suspend  " },
      told(run, { operations = begun, outcomes = { { "", "cancelled", "by hand" } } }))
    assert.same({ "fail cancelled" }, told(run, {
      operations = begun, outcomes = { { "", "cancelled", "by hand" }, { "a", "cancelled", '{"code":"cancelled"}' } },
    }))
    local refused = '{"code":"cancelled","message":"not started: its run is being cancelled"}'
    assert.same({ "resolve a refused " .. refused, "fail cancelled" },
      told(run, { outcomes = { { "", "cancelled", "by hand" } } }))
  end)

  it("now, random, uuid and log leave nothing", function()
    local function run(ctx)
      ctx.log:info("here")
      return { ctx:now(), ctx:random(10) <= 10, #ctx:uuid(), ctx.run.id }
    end
    assert.same({ 'complete [1790000000.0,true,36,"r"]' }, told(run))
  end)

  it("an operation of another kind, workflow or duration is a mismatch, and no attempt follows", function()
    local function mismatch(run, operation)
      local effects = driver.replay({ workflow(run), leaf },
        { operations = { operation }, outcomes = { { operation[1] } } })
      assert.same({ "fail", "failed" }, table.move(effects[1], 1, 2, 1, {}))
      assert.equal(1, #effects)
      local err = require("weir.base.failure").decode(effects[1][3])
      assert.equal("replay_mismatch", err.code)
      return err.message
    end
    local here = "spec/replay/journal_spec%.lua:%d+"
    assert.is_truthy(mismatch(function(ctx) ctx:step("a", error) end, { "a", "invoke", "charge-card" })
      :match('^operation "a" was invoke of "charge%-card" at old%.lua:7 %(bundle b1%), now step at '
        .. here .. " %(bundle b1%); the same code took another way, .*: read that in a step, then weir retry r$"))
    assert.is_truthy(mismatch(function(ctx) ctx:invoke { id = "a", workflow = "leaf" } end,
      { "a", "invoke", "charge-card" }):match('now invoke of "leaf" at ' .. here))
    assert.is_truthy(mismatch(function(ctx) ctx:sleep("2s") end, { "sleep#1", "sleep", "", '{"duration_ms":1000}' })
      :match('was sleep {"duration_ms":1000} at old.lua:7 %(bundle b1%), now sleep {"duration_ms":2000} at'))
    -- also when the author catches it
    mismatch(function(ctx)
      pcall(ctx.step, ctx, "a", error)
      return "fine"
    end, { "a", "sleep" })
  end)

  it("after a retry by hand named operations may be moved, inserted and given another duration", function()
    local begun = { { "b", "step" }, { "nap", "sleep", "", '{"duration_ms":1000}' } }
    local outcomes = { { "b", nil, "2" }, { "nap" } }
    assert.same({ "resolve new completed 1", "suspend  " }, told(function(ctx)
      ctx:sleep { id = "nap", duration = "9s" }
      ctx:step("new", function() return 1 end)
      return ctx:step("b", error)
    end, { operations = begun, outcomes = outcomes, fields = { attempt = "2", attempts_before = "1" } }))
  end)

  describe("what was not asked for again", function()
    local function renamed(ctx)
      ctx:sleep { id = "nap", duration = "1s" }
      return ctx:step("uno", function() error "it ran" end)
    end
    local begun = { { "nap", "sleep", "", '{"duration_ms":1000}' }, { "one", "step", "", "", 1 } }
    local outcomes = { { "nap" }, { "one", nil, "1" } }

    local function ending(run, held)
      local effects = driver.replay({ workflow(run) }, held)
      assert.equal(1, #effects) -- nothing of what is new is told
      return effects[1][1] .. " " .. (effects[1][3] or effects[1][2])
    end

    it("is told in the same attempt, and nothing new begins", function()
      local fields = { bundle = "b1" }
      local text = ending(renamed, { operations = begun, outcomes = outcomes, fields = fields })
      assert.matches('"code":"replay_mismatch"', text, 1, true)
      assert.matches('the journal holds operation \\"one\\", step at old.lua:7 (bundle b1), which was not asked for'
        .. ' again; the code asked for operation \\"uno\\" at spec/replay/journal_spec.lua:', text, 1, true)
      for _, other in ipairs {
        function(ctx) ctx:spawn { id = "new", workflow = "leaf" } end,
        function(ctx) ctx:sleep { id = "new", duration = "1s" } end,
        function(ctx) ctx:step { id = "new", at_most_once = true, run = error } end,
        function(ctx) ctx:all { function(own) own:step("new", error) end } end,
        function(ctx) pcall(ctx.spawn, ctx, { id = "new", workflow = "leaf" }) end,
        function() end,
      } do
        assert.matches("replay_mismatch", ending(function(ctx)
          ctx:sleep { id = "nap", duration = "1s" }
          return other(ctx)
        end, { operations = begun, outcomes = outcomes }))
        assert.matches("replay_mismatch", ending(other, { operations = begun, outcomes = outcomes }))
      end
    end)

    it("is told in an automatic attempt whose code asks for something else there", function()
      local fields = { attempt = "2", ["bundle@1"] = "older" }
      local function held() return { operations = begun, outcomes = outcomes, fields = fields } end
      assert.matches("replay_mismatch", ending(renamed, held()))
      assert.matches("replay_mismatch", ending(function(ctx) -- also when the code has looked at ctx.run
        return ctx.run.id and renamed(ctx)
      end, held()))
      assert.matches("replay_mismatch", ending(function(ctx)
        ctx:sleep { id = "nap", duration = "1s" }
        ctx:invoke { id = "instead", workflow = "leaf" }
      end, held()))
      assert.matches("replay_mismatch", ending(function(ctx)
        ctx:spawn { id = "before", workflow = "leaf" }
      end, held()))
    end)

    it("is nothing to an automatic attempt that goes on past it, nor to another branch", function()
      local fields = { attempt = "2", ["bundle@1"] = "older" }
      assert.equal("complete 5", ending(function() return 5 end,
        { operations = begun, outcomes = outcomes, fields = fields }))
      local function run(ctx)
        return ctx:settle {
          a = function(own) own:step("new", function() return 1 end) end,
          b = function() return 1 end,
        }
      end
      local effects = driver.replay({ workflow(run) }, {
        operations = { { "settle#1:b:step", "step", "", "", 0 } }, outcomes = { { "settle#1:b:step" } },
        fields = fields,
      })
      assert.same({ "resolve", "settle#1:a:new" }, { effects[1][1], effects[1][2] })
    end)

    it("is told in a branch, too, live", function()
      local newer, done = false, {}
      local made = driver.new { workflows = { weir.workflow { id = "w", retry = { attempts = 2 }, run = function(ctx)
        ctx:all { a = function(own)
          own:step(newer and "uno" or "one", function() done[#done + 1] = newer end)
          if not newer then error "a bug" end
        end, b = function(own) own:step("other", function() end) end }
      end } } }
      made:start("w", nil, { id = "r" })
      made:settle()
      newer = true
      assert.equal("replay_mismatch", made:finish("r").error.code)
      assert.same({ false }, done)
    end)

    it("may depend on the attempt, on the same code", function()
      local function run(ctx)
        if ctx.run.attempt == 1 then ctx:step("one", error) end
        ctx:step("two", function() return 2 end)
      end
      local effects = driver.replay({ workflow(run) }, {
        operations = { { "one", "step" } }, outcomes = { { "one", nil, "1" } },
        fields = { attempt = "2", ["bundle@1"] = "b1" },
      })
      assert.same({ "resolve", "two" }, { effects[1][1], effects[1][2] })
    end)
  end)

  it("a run whose workflow its bundle lacks, or whose data is no JSON", function()
    local effects = driver.replay({ leaf }, { fields = { workflow = "leav" } })
    assert.is_truthy(effects[1][3]:find('"unknown_workflow"', 1, true))
    effects = driver.replay({ leaf }, { fields = { data = "{" } })
    assert.is_truthy(effects[1][3]:find('"payload_invalid"', 1, true))
    assert.equal(1, #effects)
  end)

  it("a run that was lost runs nothing any more", function()
    local ran = false
    local effects = driver.replay({ workflow(function() ran = true end) },
      { outcomes = { { "", "crash_loop", "crash_loop: 5 processes died while they ran it" } } })
    assert.is_false(ran)
    assert.same({ "fail", "failed" }, table.move(effects[1], 1, 2, 1, {}))
    assert.is_truthy(effects[1][3]:find('"code":"crash_loop"', 1, true))
  end)
end)
