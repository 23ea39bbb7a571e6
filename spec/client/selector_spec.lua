-- Which runs a SELECTOR means. The store is a table of runs; that the real one is walked the same is the business of
-- the stories.

local clients = require "spec.support.clients"

local NOW = 1790000000000
local HOUR = 3600000

describe("a selector", function()
  local selector, selection, runs, calls, input

  local answers = {
    list = function() return { "list" } end,
    children = function() return { "children", "0" } end,
    status = function(...)
      local reply = { "status" }
      for i, id in ipairs { ... } do
        reply[i + 1] = {}
        for field, value in pairs(runs[id] or {}) do
          table.insert(reply[i + 1], field)
          table.insert(reply[i + 1], value)
        end
      end
      return reply
    end,
  }

  before_each(function()
    runs, calls = {}, 0
    clients.load {
      call = function(...)
        calls = calls + 1
        local replies = {}
        for i, group in ipairs { ... } do replies[i] = answers[group[1]](table.unpack(group, 2)) end
        return { "ok", NOW, 7, replies, {}, "" }
      end,
      read = function() return input end,
      is_terminal = function() return false end,
      changed_folders = function() return {} end,
      now_ms = function() return 0 end,
    }
    selector, selection = require "weir.client.selector", require "weir.cli.selection"
  end)

  after_each(clients.unload)

  local function refused(options)
    local ok, fault = pcall(selection.read, options)
    assert.is_false(ok)
    assert.equal("invalid", fault.fault)
    return require("weir.cli.exit_status").sentence(fault)
  end

  describe("reads instants:", function()
    it("spans ago", function()
      assert.equal(NOW - HOUR, selector.instant("1h", NOW))
      assert.equal(NOW - 36 * HOUR, selector.instant("1d 12h", NOW))
    end)

    it("milliseconds since 1970", function()
      assert.equal(1790000000123, selector.instant("1790000000123", NOW))
      local ms, message = selector.instant("3600", NOW)
      assert.is_nil(ms)
      assert.equal("cannot be 3600; a span needs a unit, as in 3600s", message)
    end)

    it("dates in UTC", function()
      assert.equal(0, selector.instant("1970-01-01 00:00Z", NOW))
      assert.equal(951782400000, selector.instant("2000-02-29T00:00:00Z", NOW))
      assert.equal(1795262401000, selector.instant("2026-11-21T12:00:01Z", NOW))
    end)

    it("dates by the clock here", function()
      local function here(date) return os.time(date) * 1000 end
      assert.equal(here { year = 2026, month = 11, day = 21, hour = 0 }, selector.instant("2026-11-21", NOW))
      assert.equal(here { year = 2026, month = 1, day = 2, hour = 3, min = 4 },
        selector.instant("2026-01-02 03:04", NOW))
      assert.equal(here { year = 2026, month = 1, day = 2, hour = 3, min = 4, sec = 5 },
        selector.instant("2026-01-02 03:04:05", NOW))
    end)

    it("and nothing else", function()
      for _, text in ipairs {
        "yesterday", "", "2026-02-30", "2026-13-01", "2026-11-21 25:00", "2026-11-21 12:60", "2026-11-21Z12",
        "2026-1121", "2026-11-21 12", "-1h", "1h ago", "2026-11-21 12:00 Z",
      } do
        local ms, message = selector.instant(text, NOW)
        assert.is_nil(ms, text)
        assert.truthy(message:find("^cannot be "))
      end
    end)
  end)

  describe("checks what was asked:", function()
    it("states, with the nearest", function()
      assert.equal("--state cannot be wating; did you mean waiting?", refused { state = "wating" })
    end)

    it("spans the wrong way around", function()
      assert.truthy(refused({ since = "1h", ["until"] = "2h" }):find("^%-%-since is later than until"))
      assert.truthy(refused({ since = "soon" }):find("^%-%-since cannot be "))
    end)

    it("tags", function()
      assert.equal("--tag must be KEY=VALUE, not shop", refused { tag = { "shop" } })
    end)

    it("ids and filters together", function()
      assert.truthy(refused({ "a", state = "failed" }):find("ids and --state cannot be combined", 1, true))
      assert.truthy(refused({ "a", limit = 3 }):find("--limit", 1, true))
      assert.truthy(refused({ "-", "a" }):find("leave out the other ids", 1, true))
    end)

    local function read_from(text)
      input = text
      local selected = selection.read { "-", tag = {} }
      assert.is_true(selected.piped)
      return selected.ids
    end

    it("ids on stdin, one a line", function()
      assert.same({ "a", "b/c", "d" }, read_from "a\n\nb/c\r\nd")
      assert.same({ "a", "b" }, read_from '{"id":"a","result":{}}\n {"run":"b","would":"delete"}\n')
    end)

    it("every id that it was given", function()
      local ids = { "alpha", "alpha ", " alpha", " ", "{", '{"id":"alpha"}', '{"id":5}', "{}", "a\u{A0}", "a\\u0020" }
      local lines = {}
      for i, id in ipairs(ids) do lines[i] = selection.id_line(id) end
      assert.same(ids, read_from(table.concat(lines, "\n") .. "\n"))
      assert.same({ "{x" }, read_from "{x\n")
    end)

    it("a run as JSON whose payload is as deep as one may be", function()
      assert.same({ "a" }, read_from('{"id":"a","result":' .. ("["):rep(512) .. ("]"):rep(512) .. "}\n"))
    end)

    it("and knows when nothing narrows it down", function()
      assert.is_false(selector.read({ limit = 3, tag = {}, roots = false }).narrowed)
      assert.is_true(selector.read({ roots = true }).narrowed)
    end)
  end)

  describe("fits", function()
    local function fits(options, glance)
      glance.id, glance.workflow = glance.id or "order-1/pay", glance.workflow or "payment"
      glance.state, glance.queue = glance.state or "failed", "default"
      return selector.fits(selector.read(options), glance)
    end

    local CHAIN = '{"code":"child_failed","message":"Child execution failed: no luck",'
      .. '"cause":{"code":"declined","message":"No Luck (50%)","cause":null}}'

    it("any link of an error", function()
      for _, code in ipairs { "child_failed", "declined" } do
        assert.is_true(fits({ error = code }, { error = CHAIN }))
      end
      assert.is_false(fits({ error = "timeout" }, { error = CHAIN }))
      assert.is_false(fits({ error = "timeout" }, {}))
    end)

    it("plain text, whatever its case, in id, workflow and messages", function()
      for _, text in ipairs { "R-1/P", "PAYMENT", "luck (50%)" } do
        assert.truthy(fits({ match = text }, { error = CHAIN }), text)
      end
      assert.falsy(fits({ match = "l.ck" }, { error = CHAIN }))
      assert.falsy(fits({ match = "declined" }, { error = CHAIN }))
    end)

    it("all tags", function()
      local tags = '{"shop":"berlin","lane":"2"}'
      assert.is_true(fits({ tag = { "shop=berlin", "lane=2" } }, { tags = tags }))
      assert.is_false(fits({ tag = { "shop=berlin", "lane=3" } }, { tags = tags }))
      assert.is_false(fits({ tag = { "shop=berlin" } }, {}))
    end)

    it("roots", function()
      assert.is_false(fits({ roots = true }, {}))
      assert.is_true(fits({ roots = true }, { id = "order-1" }))
    end)
  end)

  describe("of trees", function()
    local function run(id, detached)
      runs[id] = { state = "waiting", workflow = "w", created_at = "1", detached = detached and "1" or nil }
    end

    it("keeps those that no other one takes along", function()
      for _, id in ipairs { "a", "a/b", "a/b/c", "d/e" } do run(id) end
      assert.same({ "d/e", "a" }, selector.topmost { "a/b/c", "d/e", "a", "a/b", "a" })
    end)

    it("keeps what was let go, and what is below it", function()
      run "a"
      run("a/b", true)
      run "a/b/c"
      assert.same({ "a", "a/b" }, selector.topmost { "a", "a/b", "a/b/c" })
      assert.same({ "a", "a/b/c" }, selector.topmost { "a", "a/b/c" })
      assert.same({ "a" }, selector.topmost({ "a", "a/b", "a/b/c" }, true))
    end)

    it("asks nothing where no run is above another", function()
      selector.topmost { "a", "b/c", "b/d" }
      assert.equal(0, calls)
    end)
  end)

  it("looks for children below an ended root only when it has detached ones", function()
    local old = { state = "completed", workflow = "w", created_at = "1000", started_at = "1001", finished_at = "1002" }
    local rare = { has_rare = "1" }
    for field, value in pairs(old) do rare[field] = value end
    runs = { p = old, q = rare }
    for id in pairs { p = true, q = true } do
      runs[id .. "/c"] = { state = "waiting", workflow = "w", created_at = "5000", started_at = "5001" }
    end
    local list, children = answers.list, answers.children
    finally(function() answers.list, answers.children = list, children end)
    answers.list = function() return { "list", "1000", "q", "1000", "p" } end
    answers.children = function(id) return { "children", "0", runs[id .. "/c"] and id .. "/c" or nil } end
    local found = {}
    local selected = selector.read { limit = 10, match = "/c" }
    selected.since = 2000
    selector.walk(selected, function(page)
      for _, run in ipairs(page) do found[#found + 1] = run.id end
    end)
    assert.same({ "q/c" }, found)
  end)

  it("paces acts", function()
    local interval = require("weir.cli.bulk").interval
    assert.same({ 20, 600, 3600 }, { interval "50/s", interval "100/m", interval "1000/h" })
    for _, text in ipairs { "50", "0/s", "-1/s", "5/d", "fast", "5 / s" } do
      local ok, fault = pcall(interval, text)
      assert.same({ false, "invalid" }, { ok, fault.fault })
    end
  end)

  it("folds numbers out of messages", function()
    assert.equal("order N of N failed", require("weir.client.list").without_numbers("order 17 of 2000 failed"))
  end)

  describe("a list", function()
    local LONG = "orders:" .. ("0123456789"):rep(3) -- 37 columns

    -- The lines of two failed runs, on a terminal of so many columns or for a program.
    local function lines(columns, state)
      local client, text = require "weir.native.client", ""
      client.is_terminal = function() return columns ~= nil end
      client.width, client.height = function() return columns end, function() return 24 end
      client.show, client.write = function() end, function(_, part) text = text .. part end
      local failed = { state = state or "failed",
                       workflow = "pay", created_at = tostring(NOW), started_at = tostring(NOW),
                       finished_at = tostring(NOW), error = '{"message":"' .. ("declined "):rep(20) .. '"}' }
      runs = { [LONG] = failed, short = failed }
      answers.list = function() return { "list", tostring(NOW), LONG, tostring(NOW), "short" } end
      require("weir.cli.list").main { state = state or "failed" }
      local list = {}
      for line in text:gsub("\27%[%d*m", ""):gmatch "[^\n]+" do list[#list + 1] = line end
      return list
    end

    it("shows ids whole, and of messages what there is room for", function()
      local wide = lines(100)[2]
      assert.truthy(wide:find("^failed  " .. LONG .. "  pay .* declined declined %S*…$"), wide)
      for columns = 20, 120, 10 do
        for _, line in ipairs(lines(columns)) do
          assert.is_true(utf8.len(line) < math.max(columns, 30), line)
        end
      end
    end)

    it("leaves messages out where there is only room for ids, and cuts ids last of all", function()
      assert.truthy(lines(74)[2]:find("^failed  " .. LONG .. "  pay       0ms ago  0ms$"))
      assert.equal("failed  " .. LONG .. "  pay", lines(60)[2])
      assert.truthy(lines(50)[2]:find "^failed  orders:%d+…  pay$")
    end)

    it("shows the instant by which it is sorted", function()
      assert.truthy(lines()[1]:find "^STATE +RUN +WORKFLOW +FAILED +TOOK")
      assert.truthy(lines(nil, "completed")[1]:find "^STATE +RUN +WORKFLOW +CREATED +TOOK")
    end)

    it("gives programs all", function()
      assert.truthy(lines()[2]:find(LONG .. ".*" .. ("declined "):rep(19) .. "declined$"))
    end)
  end)

  it("shows how far it is, where that takes long and a person looks", function()
    local client, shown, clock = require "weir.native.client", {}, 0
    local getenv = stub(os, "getenv", function(name) return name == "TERM" and "xterm" or nil end)
    finally(function() getenv:revert() end)
    client.is_terminal = function() return true end
    client.width, client.height = function() return 60 end, function() return 24 end
    client.now_ms = function() return clock end
    client.show = function(text) shown[#shown + 1] = text or "let go" end
    local line = require("weir.cli.progress").new()
    line:bar("deleting", 1, 4)
    line:clear()
    assert.same({}, shown)
    clock = 600
    line:bar("deleting", 1, 4)
    line:bar("deleting", 2, 4)
    assert.equal(1, #shown)
    assert.truthy(shown[1]:find("deleting █████░░░░░░░░░░░░░░░ 1 of 4", 1, true))
    line:clear()
    assert.same({ "", "let go" }, { shown[2], shown[3] })
  end)
end)
