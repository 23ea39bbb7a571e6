-- The table of the author's manual: which changes of a workflow its runs survive. Each row is played: an attempt on the
-- old code, then the new code on its journal, as `weir move`, an automatic retry and `weir retry RUN` do it.

local check = require "weir.engine.check"
local driver = require "spec.support.driver"
local support = require "tests.support"

-- The new code of each row, by the first cell. The old code is OLD unless a row says otherwise.
local OLD = [[
  ctx:step("a", function() return 1 end)
  ctx:invoke { id = "b", workflow = "child" }
]]

local ROWS = {
  ["fix code inside a step or a child"] = { [[
    ctx:step("a", function() return 2 end)
    ctx:invoke { id = "b", workflow = "child" }
  ]] },
  ["change how a result is computed from recorded outcomes"] = { [[
    local a = 10 * ctx:step("a", error)
    ctx:invoke { id = "b", workflow = "child", data = { a = a } }
  ]] },
  ["add an operation behind the recorded ones"] = { OLD, behind = [[ ctx:step("new", function() return 3 end) ]] },
  ["change what a recorded child or step is given, under its own id"] = { [[
    ctx:step("a", function() return 1 end)
    ctx:invoke { id = "b", workflow = "child", data = { other = true } }
  ]] },
  ["change the duration of a sleep that has an id"] = {
    OLD .. [[ ctx:sleep { id = "nap", duration = "5ms" } ]],
    old = OLD .. [[ ctx:sleep { id = "nap", duration = "1ms" } ]],
  },
  ["leave out the last operations"] = { [[ ctx:step("a", function() return 1 end) ]] },
  ["begin an operation before a recorded one"] = { [[
    ctx:step("a", function() return 1 end)
    ctx:step("new", function() return 3 end)
    ctx:invoke { id = "b", workflow = "child" }
  ]] },
  ["rename a recorded operation"] = { [[
    ctx:step("other", function() return 1 end)
    ctx:invoke { id = "b", workflow = "child" }
  ]] },
  ["change the kind or the workflow of an operation under its id"] = { [[
    ctx:step("a", function() return 1 end)
    ctx:invoke { id = "b", workflow = "other" }
  ]] },
  ["begin one more without an id before those without an id"] = {
    [[ ctx:sleep "3ms" ]] .. OLD .. [[ ctx:sleep "1ms" ]], old = OLD .. [[ ctx:sleep "1ms" ]],
  },
}

local FILE = [[
local weir = require "weir"
return {
  weir.workflow { id = "w", retry = { attempts = %d, delay = "1d", jitter = false }, run = function(ctx)
%s
  end },
  weir.workflow { id = "child", run = function() return "child" end },
  weir.workflow { id = "other", run = function() return "other" end },
}
]]

local LONG = 'ctx:sleep { id = "long", duration = "10d" }\n'

local function files(body, attempts) return { ["w.lua"] = FILE:format(attempts or 1, body) } end

-- Plays the old code up to where it waits, or fails.
local function play(body, attempts)
  local made = driver.new { files = files(body, attempts) }
  made:start("w", nil, { id = "r" })
  made:settle()
  return made
end

-- A sleep of some ms has to end first.
local function play_to(state, body, attempts)
  local made = play(body, attempts)
  for _ = 1, 20 do
    if made:state "r" == state then return made end
    made:advance(5)
    made:settle()
  end
  error("it is " .. made:state "r")
end

local function rehearsed_on(made, bundle)
  local fields = made.fields_of(made.records.r)
  fields.state = made:state "r"
  return check.rehearse(bundle, "r", fields, { now = made.now, limits = made.limits, host = made.host })
end

local function rehearse(made, new)
  assert(made:deploy { files = files(new) })
  return rehearsed_on(made, made.bundles[#made.bundles])
end

local HOW = {
  move = function(case)
    local made = play_to("waiting", (case.old or OLD) .. LONG)
    return rehearse(made, case[1] .. LONG .. (case.behind or "")).code or "safe"
  end,
  retry = function(case)
    local made = play_to("retrying", (case.old or OLD) .. 'error "a bug"', 2)
    local foreseen = rehearse(made, case[1] .. (case.behind or "")).code
    assert(made:deploy { files = files(case[1] .. (case.behind or ""), 2) })
    local view = made:finish "r"
    assert.equal(foreseen, view.error and view.error.code)
    return view.state == "completed" and "safe" or view.error.code
  end,
  by_hand = function(case)
    local made = play_to("failed", (case.old or OLD) .. 'error "a bug"')
    assert(made:deploy { files = files(case[1] .. (case.behind or "")) })
    made:retry("r", "rule")
    local view = made:finish "r"
    return view.state == "completed" and "safe" or view.error.code
  end,
}

-- The rows of the manual: the change -> the cells behind it.
local function manual()
  local rows = {}
  local text = assert(support.read "workflows/README.md":match "| change | `weir move`.-\n|[-|]+\n(.-)\n\n")
  for line in text:gmatch "[^\n]+" do
    local change, move, automatic, by_hand = line:match "^| (.-) | (.-) | (.-) | (.-) |$"
    rows[change] = { move = move, retry = automatic, by_hand = by_hand }
  end
  return rows
end

local function verdict(cell)
  return cell:match "^`?(safe)" or cell:match "^`(replay_mismatch)`" or cell:match "^waits"
end

-- The row of a file that is removed: how a run of its workflow goes on.
local REMOVED = "remove a workflow file"
local OTHERS = { ["other.lua"] = 'return require("weir").workflow { id = "another", run = function() end }' }
local ONCE = OLD .. 'if ctx.run.attempt == 1 then error "a bug" end\n'

local WITHOUT_FILE = {
  move = function()
    local made = play_to("waiting", OLD .. LONG)
    made:deploy { files = files(OLD .. LONG) }
    made:deploy { files = OTHERS }
    assert.equal("b2", made.registry.w.bundle)
    return rehearsed_on(made, made.bundles.b2).code or "safe"
  end,
  retry = function()
    local made = play_to("retrying", ONCE, 2)
    made:deploy { files = OTHERS }
    local view = made:finish "r"
    assert.equal("b1", made.records.r.fields.bundle)
    assert.is_nil(made.registry.w)
    return view.state == "completed" and "safe" or view.error.code
  end,
  by_hand = function()
    local made = play_to("failed", ONCE)
    made:deploy { files = OTHERS }
    made:retry("r", "rule")
    assert.equal("ready", made:finish("r").state)
    made:deploy { files = files(ONCE) }
    return made:finish("r").state == "completed" and "waits" or "safe"
  end,
}

describe("a change of the code of a workflow", function()
  local rows = manual()

  for change, case in pairs(ROWS) do
    for how, act in pairs(HOW) do
      it(("%s (%s)"):format(change, how), function()
        local row = assert(rows[change], "it is not in the manual")
        assert.equal(verdict(row[how]), act(case))
      end)
    end
  end

  for how, act in pairs(WITHOUT_FILE) do
    it(("%s (%s)"):format(REMOVED, how), function() assert.equal(verdict(rows[REMOVED][how]), act()) end)
  end

  it("is in the manual only where it is played", function()
    for change in pairs(rows) do assert.is_truthy(ROWS[change] or change == REMOVED, change) end
  end)
end)

describe("a rehearsal", function()
  it("runs no step, no child and writes no line", function()
    local lines = {}
    local made = play(OLD .. LONG)
    function made.host.log(_, _, text) lines[#lines + 1] = text end
    assert.same({}, rehearse(made, OLD .. 'print "told"\n' .. LONG .. 'ctx:step("after", error)'))
    assert.same({}, lines)
    assert.same({}, rehearse(made, OLD .. LONG:gsub("10d", "20d")))
  end)

  it("says that the new code would fail, and where", function()
    local made = play(OLD .. LONG)
    local found = rehearse(made, OLD .. 'local x = nil + 1\n' .. LONG)
    assert.equal("error", found.code)
    assert.matches("^w.lua:%d+$", found.line)
    assert.equal("unknown_workflow", check.rehearse({ name = "b9", workflows = {},
      environment = made.bundles[1].environment }, "r", made.fields_of(made.records.r),
      { now = made.now, limits = made.limits, host = made.host }).code)
  end)

  it("names both lines and both bundles of a mismatch", function()
    local made = play(OLD .. LONG)
    local found = rehearse(made, ROWS["rename a recorded operation"][1] .. LONG)
    assert.same({ "replay_mismatch", "w.lua:4" }, { found.code, found.line })
    assert.matches('the journal holds operation "a", step at w.lua:4 (bundle b1), which was not asked for again; the '
      .. 'code asked for operation "other" at w.lua:4 (bundle b2)', found.message, 1, true)
  end)
end)
