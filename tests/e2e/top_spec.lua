-- `weir top` on a pseudo terminal.

local screens = require "tests.support.screen"
local support = require "tests.support"

local host, screen

setup(function()
  host = support.host_of({ ["flows.lua"] = [[
    local weir = require "weir"
    return {
      weir.workflow { id = "day", run = function(ctx) ctx:sleep "1d" end },
      weir.workflow { id = "bad", retry = { attempts = 1 }, run = function() error "no money" end },
    }]] }, { flags = { "--workers", "2", "--node", "one" } })
  for i = 1, 3 do assert.equal(0, host:weir("start", "day", "--id", "d" .. i).status) end
  assert.equal(0, host:weir("start", "bad", "--id", "b").status)
  for i = 1, 3 do host:wait_for("d" .. i, "waiting") end
  host:wait_for("b", "failed")
end)

teardown(function() host:stop() end)

after_each(function()
  if screen then screen:stop() end
  screen = nil
end)

local function top(size, env, flags)
  env = env or {}
  env.WEIR_REDIS, env.TERM = host.redis.url, env.TERM or "xterm"
  screen = screens.run(("%s/weir top --every 200ms %s"):format(support.build, flags or ""),
    size or { columns = 80, rows = 24 }, env)
  screen:wait_for "q quit"
end

it("filters, opens a run, cancels it, retries another one, and quits", function()
  top()
  assert.equal(24, #screen:lines())
  screen:wait_for "1 failed"
  screen:type "/d2\r"
  screen:wait_for 'text "d2"'
  support.wait_until("only that run", function()
    local text = table.concat(screen:lines(), "\n")
    return text:find("> waiting  d2", 1, true) and not text:find("d3", 1, true)
  end)
  screen:type "\r"
  screen:wait_for "└─ ● sleep#1  sleep 1d" -- as weir show draws it
  screen:type "c"
  screen:wait_for "cancel d2 and all runs below it? y/n"
  assert.equal("waiting", host:run("d2").state)
  screen:type "y"
  screen:wait_for "cancelled d2"
  host:wait_for("d2", "cancelled")
  screen:wait_for "⊘ cancelled"
  screen:type "\27"
  screen:wait_for "text"
  screen:type "\27"
  screen:wait_for "d3"
  screen:type "F" -- cancelled
  screen:wait_for "state cancelled"
  screen:type "F"
  screen:wait_for "state failed"
  screen:wait_for "no money"
  screen:type "ry"
  screen:wait_for "retried b"
  support.wait_until("another attempt", function()
    local run = host:run "b"
    return run.attempt == 2 and run.state == "failed"
  end)
  screen:type "q"
  local status, restored = screen:wait()
  assert.same({ 0, true }, { status, restored })
end)

it("follows the size of the terminal, which may be narrow", function()
  top()
  screen:resize(46, 15)
  support.wait_until("a smaller frame", function() return #screen:lines() == 15 end)
  for _, line in ipairs(screen:lines()) do assert.is_true(utf8.len(line) < 46) end
  screen:resize(120, 40)
  support.wait_until("a larger frame", function() return #screen:lines() == 40 end)
  screen:type "q"
  assert.is_true(select(2, screen:wait()))
end)

it("draws without colours where NO_COLOR is set", function()
  top({ columns = 80, rows = 24 }, { NO_COLOR = "1" })
  screen:type "?"
  screen:wait_for "any key: back"
  assert.is_nil(screen:text():find "\27%[[%d;]+m")
  screen:type "xq"
  screen:wait()
end)

for signal, status in pairs { INT = 130, TERM = 143, HUP = 129 } do
  it("restores the terminal at SIG" .. signal, function()
    top()
    screen:signal(signal)
    assert.same({ status, true }, { screen:wait() })
  end)
end

it("restores the terminal when it is aborted", function()
  top()
  screen:signal "ABRT"
  assert.is_true(select(2, screen:wait()))
end)

it("ends at Ctrl-C", function()
  top()
  screen:type "\3"
  assert.same({ 0, true }, { screen:wait() })
end)

it("goes on when Redis is away, and says so", function()
  local redis = support.redis()
  screen = screens.run(("%s/weir top --every 200ms --redis %s"):format(support.build, redis.url),
    { columns = 80, rows = 24 }, { TERM = "xterm" })
  screen:wait_for "q quit"
  redis.process:stop()
  screen:wait_for "cannot be reached"
  redis:start()
  screen:wait_for "q quit"
  screen:type "q"
  assert.same({ 0, true }, { screen:wait() })
  redis:stop()
end)

it("is refused without a terminal, with the command to use instead", function()
  local reply = host:weir "top"
  assert.same({ 64, "", "weir: top needs a terminal; weir stats --watch prints the numbers without one\n" },
    { reply.status, reply.stdout, reply.stderr })
  local text, status = host:on_terminal({ env = { TERM = "dumb" } }, "top")
  assert.same({ 64, 'weir: top needs a terminal that can place its text, and TERM is "dumb"; weir stats --watch prints '
    .. "the numbers without one\n" }, { status, text })
end)

it("tells of a Redis that cannot be reached without a screen", function()
  screen = screens.run(("%s/weir top --redis redis://127.0.0.1:1"):format(support.build),
    { columns = 80, rows = 24 }, { TERM = "xterm" })
  assert.same({ 69, true }, { screen:wait() })
  assert.is_nil(screen:text():find("1049h", 1, true))
end)
