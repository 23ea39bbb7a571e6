-- ctx:progress, ctx:status and the counts of branches: what Redis is told, and when.

local driver = require "spec.support.driver"
local json = require "weir.json"
local verbs = require "spec.support.verbs"

local here, raised, run = verbs.here, verbs.raised, verbs.run

local function said(body, data)
  local _, made = run(body, data)
  local text = made.records.r.fields.progress
  return text and json.decode(text)
end

-- The texts that Redis was told, one for each turn that told any.
local function told(body, options)
  options = options or {}
  options.workflows = verbs.with(body)
  local texts, before, made = {}, nil, nil
  options.on_event = function()
    local record = made and made.records.r
    local text = record and record.fields.progress
    if text ~= before then
      before = text
      texts[#texts + 1] = json.decode(text)
    end
  end
  made = driver.new(options)
  made:start("w", nil, { id = "r" })
  made:finish()
  return texts, made
end

describe("progress", function()
  it("is kept as it was said last", function()
    assert.same({ done = 2, total = 3, text = "two" }, said(function(ctx)
      ctx:progress(1, 3, "one")
      ctx:step("s", function() return 1 end)
      ctx:progress(2, 3, "two")
    end))
    assert.same({ done = 0.5 }, said(function(ctx)
      ctx:progress(1, 3, "one")
      ctx:progress(0.5)
    end))
    assert.is_nil(said(function() end))
  end)

  it("is told before the step that follows it runs", function()
    local texts = told(function(ctx)
      for i = 1, 3 do
        ctx:progress(i, 3)
        ctx:step("s" .. i, function() return i end)
      end
    end)
    assert.same({ { done = 1, total = 3 }, { done = 2, total = 3 }, { done = 3, total = 3 } }, texts)
  end)

  it("is told once a turn, and not again in a replay", function()
    local texts = told(function(ctx)
      for i = 1, 100 do ctx:progress(i, 100) end
      ctx:sleep "1s"
      ctx:status "asleep again"
      ctx:sleep "1s"
    end, { always_replay = true })
    assert.same({ { done = 100, total = 100 }, { done = 100, total = 100, status = "asleep again" } }, texts)
  end)

  it("is no operation", function()
    local view = run(function(ctx)
      ctx:progress(1)
      ctx:status "x"
    end)
    assert.equal(0, #view.operations)
  end)

  it("stands beside a status, which can be taken away", function()
    assert.same({ done = 1, status = "b" }, said(function(ctx)
      ctx:status "a"
      ctx:progress(1)
      ctx:status "b"
    end))
    assert.same({}, said(function(ctx)
      ctx:status "a"
      ctx:sleep(1)
      ctx:status(nil)
    end))
  end)

  it("is cut where it is long, and made readable", function()
    local text = said(function(ctx) ctx:status(("é"):rep(1000)) end).status
    assert.is_true(#text <= 1024 + #"…" and utf8.len(text) ~= nil)
    assert.truthy(utf8.len(said(function(ctx) ctx:status "\xff" end).status))
  end)

  it("refuses mistakes", function()
    local form = ": ctx:progress(done, total, text)"
    assert.equal("ctx:progress: done must be a number from 0" .. form, here(raised(function(ctx) ctx:progress() end)))
    assert.equal("ctx:progress: total must be a number from 0" .. form,
      here(raised(function(ctx) ctx:progress(1, "2") end)))
    for _, wrong in ipairs { -1, 0 / 0, math.huge } do
      assert.equal("ctx:progress: done must be a number from 0" .. form,
        here(raised(function(ctx) ctx:progress(wrong) end)))
    end
    assert.equal("ctx:progress: the text is a table", here(raised(function(ctx) ctx:progress(1, 2, {}) end)))
    assert.equal("ctx:status: the text is a number", here(raised(function(ctx) ctx:status(1) end)))
    assert.equal('ctx:status cannot be called inside step "s"', here(raised(function(ctx)
      ctx:step("s", function() ctx:status "x" end)
    end)))
  end)
end)

describe("branches", function()
  local function fails_if(inner, item, bad)
    inner:sleep(item)
    if item == bad then error("no", 0) end
  end

  it("are counted, with those that failed", function()
    local texts = told(function(ctx)
      ctx:map { id = "m", items = { 1, 2, 3 }, tolerate = 1, run = function(inner, item) fails_if(inner, item, 2) end }
      ctx:sleep(9)
    end)
    local function counts(done, failed, state)
      return { groups = { { id = "m", verb = "map", done = done, failed = failed, total = 3, state = state } } }
    end
    assert.same({ counts(0, 0, "running"), counts(1, 0, "running"), counts(2, 1, "running"),
                  counts(3, 1, "completed") }, texts)
  end)

  it("of an iterator have no total until it has ended", function()
    local texts = told(function(ctx)
      local at = 0
      ctx:map { id = "m", concurrency = 1, run = function(inner) inner:sleep(1) end, items = function()
        at = at + 1
        return at < 3 and at or nil
      end }
    end)
    assert.same({}, { texts[1].groups[1].total })
    assert.same({ 2, 2, "completed" }, { texts[#texts].groups[1].total, texts[#texts].groups[1].done,
                                         texts[#texts].groups[1].state })
  end)

  it("that failed are told so, with their scope", function()
    local groups = said(function(ctx)
      ctx:scope("s", function(scope)
        pcall(scope.parallel, scope, { id = "p", branches = { a = function(a) fails_if(a, 1, 1) end } })
      end)
    end).groups
    assert.same({ { id = "s:p", verb = "parallel", done = 1, failed = 1, total = 1, state = "failed" } }, groups)
  end)

  it("leave a text of bounded size", function()
    local groups = said(function(ctx)
      ctx:map { id = "outer", items = { 1, 2, 3 }, concurrency = 1, run = function(inner)
        for i = 1, 20 do inner:parallel { id = "p" .. i, branches = {} } end
      end }
    end).groups
    assert.equal(16, #groups)
    local found
    for _, group in ipairs(groups) do found = found or group.id == "outer" and group.state end
    assert.equal("completed", found)
  end)
end)
