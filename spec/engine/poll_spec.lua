-- ctx:poll, run to its end in memory.

local json = require "weir.json"
local verbs = require "spec.support.verbs"
local weir = require "weir"

local failed, here, raised, result, run = verbs.failed, verbs.here, verbs.raised, verbs.result, verbs.run

-- A condition that holds at the n-th call. Each call adds its number to the state.
local function holds_at(n)
  return function(state, about)
    state = state or {}
    state[#state + 1] = about.attempt
    return about.attempt == n, state
  end
end

describe("poll", function()
  it("asks until the condition holds, and returns the last state", function()
    local view = run(function(ctx) return ctx:poll { id = "p", every = "10s", run = holds_at(4) } end)
    assert.same({ 1, 2, 3, 4 }, view.result)
    assert.equal(30000, view.finished_at - view.started_at)
    assert.equal(1, #view.operations)
    assert.same({ "poll", "completed", 4 },
      { view.by_id.p.kind, view.by_id.p.state, view.by_id.p.attempts })
  end)

  it("begins with the state that it is given, and asks every second unless told otherwise", function()
    local view = run(function(ctx)
      return ctx:poll { initial = { left = 2 }, run = function(state)
        return state.left == 0, { left = state.left - 1 }
      end }
    end)
    assert.same({ left = -1 }, view.result)
    assert.equal(2000, view.finished_at - view.started_at)
    assert.equal("nil", result(function(ctx) return type(ctx:poll { run = function() return true end }) end))
  end)

  it("gives the state as JSON brings it back, whether it is replayed or not", function()
    assert.equal("nil 1.5", result(function(ctx)
      return ctx:poll { run = function(state)
        if not state then return false, { none = nil, number = 1.5 } end
        return true, ("%s %s"):format(type(state.none), state.number)
      end }
    end))
    assert.equal("nil", result(function(ctx)
      return ctx:poll { initial = 1, run = function(state)
        return state ~= 1, state == 1 and json.null or type(state)
      end }
    end))
  end)

  it("asks a function how long to wait", function()
    local view = run(function(ctx)
      return ctx:poll { run = holds_at(4), every = function(attempt, state) return attempt * #state end }
    end)
    assert.equal((1 + 4 + 9) * 1000, view.finished_at - view.started_at)
  end)

  it("times out, and tells the last state", function()
    local err, view = failed(function(ctx)
      ctx:poll { id = "p", every = "10s", timeout = "25s", run = holds_at(99) }
    end)
    assert.same({ "timeout", 'poll "p" timed out after 25s', "p" }, { err.code, err.message, err.operation })
    assert.same({ calls = 3, state = { 1, 2, 3 } }, err.details)
    assert.equal(25000, view.finished_at - view.started_at)
  end)

  it("is asked again after an error, with the state before it, as the policy says", function()
    local count = 0
    local function flaky(state, about)
      count = state and count + 1 or 1
      if count % 2 == 0 then error("line " .. about.attempt, 0) end
      return about.attempt == 3, (state or "") .. about.attempt
    end
    local retry = { attempts = 2, delay = "1s", backoff = "fixed" }
    local view = run(function(ctx)
      return ctx:poll { id = "p", every = "10s", retry = retry, run = flaky }
    end)
    assert.equal("123", view.result)
    assert.equal(22000, view.finished_at - view.started_at)
    local err, broken = failed(function(ctx)
      ctx:poll { id = "p", retry = retry, run = function() error("never", 0) end }
    end)
    assert.same({ "never", 1000 }, { err.message, broken.finished_at - broken.started_at })
    assert.equal(1, failed(function(ctx)
      ctx:poll { id = "p", run = function() error(weir.fatal "no") end }
    end).retryable == false and 1)
  end)

  it("is waited for in branches, and ends with them", function()
    local view = run(function(ctx)
      local _, key = ctx:race {
        late = function(late) return late:poll { every = "1h", run = holds_at(9) } end,
        soon = function(soon) return soon:poll { every = "1s", run = holds_at(3) } end,
      }
      local list = ctx:map { items = { 1, 2 }, run = function(own, item) return own:poll { run = holds_at(item) } end }
      return { key, list }
    end)
    assert.same({ "soon", { { 1 }, { 1, 2 } } }, view.result)
    assert.equal(3000, view.finished_at - view.started_at)
  end)

  it("keeps a journal of one size", function()
    local _, made = run(function(ctx)
      pcall(ctx.poll, ctx, { id = "p", every = "1s", timeout = "2m", run = function(_, about)
        return false, about.attempt
      end })
    end)
    local count = 0
    for field in pairs(made.records.r.fields) do
      if field:find "^o:" or field:find "^%d" then count = count + 1 end
    end
    assert.equal(2, count)
  end)

  it("refuses mistakes", function()
    local form = "ctx:poll takes a table with a function: "
      .. "ctx:poll{ id = …, every = …, run = function(state, about) … return done, state end }"
    assert.equal(form, here(raised(function(ctx) ctx:poll("id", print) end)))
    assert.equal(form, here(raised(function(ctx) ctx:poll { id = "p" } end)))
    assert.equal('ctx:poll: unknown field "evry"; did you mean "every"?',
      here(raised(function(ctx) ctx:poll { run = print, evry = 1 } end)))
    assert.matches('^ctx:poll: every: "soon" is no duration',
      here(raised(function(ctx) ctx:poll { run = print, every = "soon" } end)))
    assert.matches('^ctx:poll: every: "soon" is no duration',
      raised(function(ctx)
        ctx:poll { run = function() return false end, every = function() return "soon" end }
      end).message:gsub("^%S+ ", ""))
    assert.equal("run of a poll returns two values: done, state",
      raised(function(ctx) ctx:poll { run = function() return true, 1, 2 end } end).message)
    assert.equal("payload_invalid", raised(function(ctx)
      ctx:poll { run = function() return false, print end }
    end).code)
    assert.same({ "payload_too_large", 'state of poll "p" has 70002 bytes as JSON; 65536 are allowed' }, (function(err)
      return { err.code, err.message }
    end)(raised(function(ctx) ctx:poll { id = "p", run = function() return false, ("x"):rep(70000) end } end)))
    assert.equal('ctx:sleep cannot be called inside step "p"', raised(function(ctx)
      ctx:poll { id = "p", run = function() ctx:sleep(1) end }
    end).message:gsub("^%S+ ", ""))
  end)
end)
