-- Keys in, screen out: the state of `weir top` and its drawing together.

local json = require "weir.json"
local keys = require "weir.cli.top.keys"
local model = require "weir.cli.top.model"
local terminal = require "weir.view.terminal"
local top_view = require "weir.view.top_view"

local NOW = 1000000

local function values()
  local none = { ready = 0, running = 0, waiting = 0, retrying = 0, scheduled = 0, failed = 0, completed = 0,
                 cancelled = 0 }
  local function with(table_of)
    for name, value in pairs(none) do table_of[name] = table_of[name] or value end
    return table_of
  end
  return {
    at = NOW, commit = 7, runs = {}, states = with { waiting = 2, failed = 1 }, sampled = false, unknown = 0,
    by_workflow = { with { workflow = "order", unfinished = 2, waiting = 2 },
                    with { workflow = "pay", unfinished = 0, failed = 1 } },
    oldest = json.null, rates = { over_ms = 60000, started = 1.5, completed = 2, failed = 0, cancelled = 0 },
    queues = { { queue = "default", ready = 3, served = true, next_ready_at = NOW - 5000, next_run = "r" } },
    hosts = { { node = "one", workers = 2, held = 3, running = 1, queues = { "*" }, bundles = {}, state = "serving",
                renewed_at = NOW - 100, turns = {}, refused = {} } },
    bundles = {}, redis = { version = "7.0", durability = "everysec", memory_bytes = 1 << 20, max_memory_bytes = 0 },
  }
end

local function run(id, state, created, changes)
  local some = { id = id, state = state, workflow = "order", created_at = NOW - created, started_at = NOW - created }
  for name, value in pairs(changes or {}) do some[name] = value end
  return some
end

local function runs()
  return {
    run("o-3", "waiting", 1000), run("o-2", "failed", 2000, { finished_at = NOW - 100, workflow = "pay",
      error = '{"message":"x","cause":{"message":"no money"}}' }), run("o-1", "waiting", 3000),
  }
end

describe("weir top", function()
  local top, style

  before_each(function()
    top = model.new "redis://here"
    style = { colours = false, columns = 80, rows = 24 }
    top:take(values(), runs())
  end)

  local function screen() return table.concat(top_view.draw(top, style), "\n") end

  local function shows(text) assert.truthy(screen():find(text, 1, true), screen()) end
  local function hides(text) assert.is_nil(screen():find(text, 1, true), screen()) end

  -- Types bytes as a terminal sends them; the act of the last key.
  local function type_keys(bytes)
    local act
    top.page = top_view.height(top, style)
    for _, key in ipairs(keys.of(bytes)) do act = top:key(key) end
    return act
  end

  local function cursor() return screen():match "\n> %s*(%S+ +%S+)" end

  it("shows the newest runs below the counts", function()
    shows "weir top  redis://here"
    shows "runs   2 waiting\nended  1 failed\nrates  1.5 started, 2.0 completed, 0 failed a second, over 1m"
    shows "hosts  1 serving; redis 7.0, durability everysec, 1.0 MiB, commit 7"
    shows "no money"
    assert.equal("waiting  o-3", cursor())
    shows "? help  q quit"
  end)

  it("moves its cursor with arrows and letters, and not past the ends", function()
    type_keys "j"
    assert.equal("failed   o-2", cursor())
    type_keys "\27[B\27[B\27[B"
    assert.equal("waiting  o-1", cursor())
    type_keys "k"
    assert.equal("failed   o-2", cursor())
    type_keys "g\27[A"
    assert.equal("waiting  o-3", cursor())
    type_keys "G"
    assert.equal("waiting  o-1", cursor())
  end)

  it("keeps its cursor on a run when newer ones come", function()
    type_keys "j"
    local more = runs()
    table.insert(more, 1, run("o-4", "ready", 10))
    top:take(values(), more)
    assert.equal("failed   o-2", cursor())
    top:take(values(), { run("o-9", "ready", 1) }) -- it is gone
    assert.equal("ready  o-9", cursor())
    top:take(values(), {})
    shows "none"
  end)

  it("shows the page on which the cursor is", function()
    local many = {}
    for i = 1, 100 do many[i] = run(("n-%03d"):format(i), "waiting", i) end
    top:take(values(), many)
    shows "n-001"
    hides "n-050"
    type_keys "\27[6~\27[6~"
    hides "n-001"
    type_keys "G"
    shows "n-100"
    assert.equal("waiting  n-100", cursor())
  end)

  it("filters by text, which can be edited and given up", function()
    type_keys "/"
    shows "filter by text: _"
    type_keys "payx\127"
    shows "filter by text: pay_"
    assert.same({ "read" }, type_keys "\r")
    assert.same({ text = "pay" }, top.filter)
    shows 'text "pay"'
    type_keys "/qq\27"
    assert.same({ text = "pay" }, top.filter)
    assert.same({ "read" }, type_keys "\27")
    assert.same({}, top.filter)
  end)

  it("filters by state, forwards and backwards", function()
    assert.same({ "read" }, type_keys "f")
    assert.equal("scheduled", top.filter.state)
    type_keys "ff"
    assert.equal("running", top.filter.state)
    type_keys "F"
    shows "state ready"
    type_keys "FFF"
    assert.equal("cancelled", top.filter.state)
    top:take(values(), {})
    shows "no such runs; esc removes the filters"
  end)

  local function order()
    local ids = {}
    for i, one in ipairs(top.runs) do ids[i] = one.id end
    return table.concat(ids, " ")
  end

  it("sorts by each column, and reverses", function()
    local function again() top:take(values(), runs()) end
    assert.same({ "read" }, type_keys "s")
    again()
    assert.equal("o-1 o-2 o-3", order()) -- the longest first
    shows "by took"
    type_keys "s"
    again()
    assert.equal("o-2 o-3 o-1", order())
    type_keys "ss"
    again()
    assert.equal("o-1 o-2 o-3", order())
    assert.same({ "read" }, type_keys "S")
    again()
    assert.equal("o-3 o-2 o-1", order())
    shows "by run, reversed"
  end)

  it("has a screen for workflows, queues and hosts", function()
    type_keys "2"
    shows "> order"
    type_keys "\t"
    shows "> default"
    type_keys "\t"
    shows "> one"
    shows "HEARTBEAT"
    type_keys "\t"
    assert.equal("waiting  o-3", cursor())
    type_keys "\27[Z"
    assert.equal("hosts", top.tab)
    type_keys "j\r"
    assert.equal("hosts", top.tab)
  end)

  it("goes from a workflow or a queue to its runs", function()
    assert.same({ "read" }, type_keys "2j\r")
    assert.same({ "runs", "pay" }, { top.tab, top.filter.workflow })
    assert.same({ "read" }, type_keys "3\r")
    assert.same({ queue = "default" }, top.filter)
  end)

  it("opens a run, scrolls in it, and comes back", function()
    assert.same({ "read" }, type_keys "j\r")
    assert.equal("o-2", top.opened.id)
    for i = 1, 50 do top.opened.lines[i] = ("line %d"):format(i) end
    shows "line 1\n"
    type_keys "jj"
    hides "line 2\n"
    shows "line 3\n"
    type_keys "G"
    shows "line 50"
    type_keys "j\27[6~k"
    shows "line 49"
    type_keys "g"
    shows "line 1\n"
    assert.same({ "read" }, type_keys "\27")
    assert.is_nil(top.opened)
    assert.equal("failed   o-2", cursor())
  end)

  it("asks before it cancels or retries", function()
    assert.is_nil(type_keys "c")
    shows "cancel o-3 and all runs below it? y/n"
    assert.is_nil(type_keys "n")
    shows "did not cancel o-3"
    assert.is_nil(type_keys "r\r")
    assert.same({ "retry", "o-3" }, type_keys "ry")
    assert.same({ "cancel", "o-3" }, type_keys "cY")
    type_keys "j\r"
    assert.same({ "cancel", "o-2" }, type_keys "cy")
    type_keys "\0272"
    assert.is_nil(type_keys "c") -- there is no run
    assert.is_nil(top.prompt)
  end)

  it("has a help, which any key closes", function()
    type_keys "?"
    shows "cancel the run and all runs below it; asks first"
    assert.is_nil(type_keys "x")
    hides "asks first"
    type_keys "h"
    assert.same({ "quit" }, type_keys "q")
  end)

  it("quits, suspends, draws anew", function()
    for bytes, act in pairs { q = "quit", ["\3"] = "quit", ["\26"] = "suspend", ["\12"] = "redraw" } do
      assert.same({ act }, type_keys(bytes))
    end
    type_keys "/"
    assert.same({ "quit" }, type_keys "\3")
  end)

  it("tells why it cannot read, until it can", function()
    top.fault = "Redis at redis://here cannot be reached"
    shows "Redis at redis://here cannot be reached"
    shows "o-3"
    top:take(values(), runs())
    hides "cannot be reached"
  end)

  it("fits every terminal", function()
    local long = runs()
    long[1].id, long[1].workflow = ("日本語"):rep(60), ("w"):rep(200)
    top:take(values(), long, "among 2,000 newest runs")
    for _, typed in ipairs { "", "2", "3", "4", "1\r", "\27?", "?", "/", "\27c" } do
      type_keys(typed)
      if top.opened then top.opened.lines = { "\27[1m" .. ("x"):rep(300) .. "\27[0m", ("日"):rep(90) } end
      for _, colours in ipairs { true, false } do
        for rows = 1, 30, 3 do
          for columns = 2, 120, 9 do
            style = { colours = colours, columns = columns, rows = rows }
            local lines = top_view.draw(top, style)
            assert.equal(rows, #lines)
            for _, line in ipairs(lines) do
              local plain = line:gsub("\27%[[%d;]*m", "")
              assert.is_nil(plain:find "[%c]")
              assert.is_true(terminal.width(plain) < columns, ("%d: %s"):format(columns, plain))
            end
          end
        end
      end
    end
  end)

  it("cannot be made to move the cursor by an id", function()
    top:take(values(), { run("\27[2Jevil", "waiting", 5) })
    assert.is_nil(screen():find "\27%[2J")
  end)
end)
