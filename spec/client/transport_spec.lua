-- The client functions wait only in their transport, so an event loop can run many of them as coroutines; and they
-- neither print nor end the process.

local clients = require "spec.support.clients"

-- A transport that yields wherever it would wait.
local function yielding(answers)
  local function wait(...) return coroutine.yield(...) end
  return {
    call = function(...)
      wait "call"
      local replies = {}
      for i, group in ipairs { ... } do
        local answer = answers[group[1]]
        replies[i] = type(answer) == "function" and answer(table.unpack(group, 2)) or answer
      end
      return { "ok", 100000, 7, replies }
    end,
    ask = function() return wait "ask" end,
    pipeline = function()
      local calls = {}
      return {
        send = function(_, group) calls[#calls + 1] = group end,
        receive = function()
          wait "receive"
          local group = table.remove(calls, 1)
          return { "ok", 100000, 7, { { "started_each", (#group - 4) // 3, 0 } } }
        end,
      }
    end,
    subscribe = function(channel)
      wait "subscribe"
      return { next = function() return wait("message", channel) end, close = function() wait "close" end }
    end,
    now_ms = function() return 0 end,
    pause = function() return wait "pause" or false end,
    random = function() return 5 end,
  }
end

describe("the client functions", function()
  local answers

  before_each(function()
    clients.unload()
    answers = {
      sets = { "sets" }, rates = { "rates", 0, 0, 0, 0, 0 }, bundles = { "bundles" },
      hosts = { "hosts" }, queues = { "queues" }, turns = { "turns" }, due = { "due", "" }, list = { "list" },
      registry = { "registry", "greet", '{"bundle":"9f","queue":"default"}' }, totals = { "totals", "commit", "5" },
      rights = { "rights" },
      audit = { "audited", "0", 0 }, start = { "started" }, cancel = { "cancelled" }, delete = { "deleted" },
    }
    require("weir.client.transport").use(yielding(answers))
  end)

  after_each(clients.unload)

  -- Runs a function to its end as an event loop would, and returns at what it waited.
  local function drive(run)
    local thread, waits = coroutine.create(run), {}
    local ok, what = coroutine.resume(thread)
    while ok and coroutine.status(thread) == "suspended" do
      waits[#waits + 1] = what
      ok, what = coroutine.resume(thread)
    end
    assert.is_true(ok, tostring(what))
    return table.concat(waits, " "), what
  end

  it("yield at each call", function()
    local start, started = require "weir.client.start", nil
    assert.equal("call call call call", (drive(function()
      started = start.request("greet", {}):start("a", "{}", {})
    end)))
    assert.same({ id = "a", outcome = "started", warnings = {
      "no host is alive; the run waits until one is (weir serve DIR)" } }, started)
  end)

  it("yield while many lines are started, acted on, or looked at", function()
    local start_each = require "weir.client.start_each"
    local starter
    assert.equal("call call receive", (drive(function()
      starter = start_each.new(require("weir.client.start").request("greet", {}), {}, function() end)
      starter:add("{}", 1)
      starter:add("{}", 2)
      starter:finish()
    end)))
    assert.equal(2, starter.started)
    local bulk, words = require "weir.client.bulk", {}
    assert.equal("pause call pause call", (drive(function()
      bulk.run("cancel", {}, { "a", "b" }, 20, function(_, list) words[#words + 1] = list[1].answer end)
    end)))
    assert.same({ "cancelled", "cancelled" }, words)
    for _, run in ipairs { require("weir.client.doctor").check, require("weir.client.stats").read,
                           require("weir.client.why").of_everything } do
      assert.truthy(drive(run):find "call")
    end
  end)

  it("wait beside each other, each for its own run", function()
    local wait, over, ended = require "weir.client.wait", {}, {}
    answers.watch = function(id) return { over[id] and "ended" or "watching" } end
    local threads, states = {}, {}
    for _, id in ipairs { "a", "b" } do
      threads[id] = coroutine.create(function() ended[id] = wait.for_end(id, {}) end)
    end
    local function go_on(id, ...)
      local ok, what, channel = coroutine.resume(threads[id], ...)
      assert.is_true(ok, tostring(what))
      states[id] = what and (channel and what .. " " .. channel or what)
    end
    for _ = 1, 3 do
      go_on "a"
      go_on "b"
    end
    assert.same({ a = "message ended:a", b = "message ended:b" }, states)
    over.b = true
    go_on("b", true)
    go_on "b" -- the call that looks
    go_on "b" -- the end of the subscription
    assert.same({ b = true }, ended)
    assert.equal("message ended:a", states.a)
  end)

  it("end a subscription also when the wait fails", function()
    local wait, fault = require "weir.client.wait", require "weir.client.fault"
    answers.watch, answers.inspect = { "missing" }, { "missing" }
    local raised
    assert.equal("subscribe call close", (drive(function()
      local _
      _, raised = pcall(wait.for_end, "nope", {})
    end)))
    assert.is_true(fault.is(raised))
    assert.same({ "not_found", { run = "nope" } }, { raised.fault, raised.details })
  end)

  it("do not print, do not end the process, and know nothing of the command line", function()
    local listing <close> = assert(io.popen "ls lua/weir/client/*.lua")
    for path in listing:lines() do
      local file <close> = assert(io.open(path))
      for line in file:lines() do
        local code = line:gsub("%-%-.*", "")
        for _, word in ipairs { "weir%.native", 'weir%.cli[%."]', "%f[%w]print%(", "io%.%l", "os%.exit" } do
          assert.is_nil(code:find(word), path .. ": " .. line)
        end
      end
    end
  end)

  it("raise only faults that have an exit status", function()
    local statuses = require("weir.cli.exit_status").BY_FAULT
    local listing <close> = assert(io.popen "cat lua/weir/client/*.lua lua/weir/cli/*.lua")
    local names = 0
    for name in listing:read("a"):gmatch '%f[%w]fault%.raise[%w_]*%("([%w_]+)"' do
      names = names + 1
      assert.truthy(statuses[name], name)
    end
    assert.is_true(names > 20)
  end)
end)
