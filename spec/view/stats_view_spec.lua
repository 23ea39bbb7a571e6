local json = require "weir.json"
local stats_view = require "weir.view.stats_view"
local terminal = require "weir.view.terminal"

local NOW = 1000000
local WIDE = { colours = false, columns = 100, rows = 40 }

local function values(changes)
  local some = {
    at = NOW, commit = 99, runs = { roots = 12, failed = 1, delayed = 2, expiring = 9, due = 0, deleting = 0 },
    states = { running = 1, ready = 4, waiting = 2, retrying = 0, scheduled = 0, failed = 1, completed = 5,
               cancelled = 0 },
    sampled = false, unknown = 0, workflows = 3, by_workflow = json.array {
      { workflow = "order", unfinished = 7, running = 1, ready = 4, waiting = 2, retrying = 0, scheduled = 0,
        failed = 1, completed = 0, cancelled = 0 },
      { workflow = "done", unfinished = 0, running = 0, ready = 0, waiting = 0, retrying = 0, scheduled = 0,
        failed = 0, completed = 5, cancelled = 0 },
    },
    oldest = { run = "o-1", workflow = "order", state = "waiting", created_at = NOW - 3600000 },
    rates = { over_ms = 60000, started = 12.34, completed = 1234.5, failed = 0.05, cancelled = 0 },
    queues = { { queue = "default", ready = 4, served = true, next_ready_at = NOW - 2300, next_created_at = 5,
                 next_run = "o-2" },
               { queue = "gpu", ready = 1, served = false, next_ready_at = json.null, next_created_at = json.null,
                 next_run = "g" } },
    hosts = { { node = "one", workers = 2, held = 3, running = 1, queues = { "*" }, bundles = { ("ab"):rep(20) },
                alive = true, state = "serving", renewed_at = NOW - 200,
                turns = { { worker = 1, run = "o-3", since = NOW - 4000 } },
                refused = { { folder = "flows", bundle = ("cd"):rep(20), faults = { "a.lua:1: oops" } } } } },
    bundles = { { bundle = ("ab"):rep(20), workflows = 3, attempts = 7 } },
    redis = { version = "7.0.15", durability = "everysec", memory_bytes = 3 << 20, max_memory_bytes = 1 << 30,
              max_memory_policy = "allkeys-lru" },
  }
  for name, value in pairs(changes or {}) do some[name] = value end
  return some
end

describe("the counts of a dataset", function()
  it("are drawn for people", function()
    assert.same([[
runs       1 running, 4 ready, 2 waiting
ended      1 failed, 5 completed
roots      12 roots started, 1 failed, 2 waiting or to start later
retained   at most 9 ended runs to expire, 0 due now, 0 trees being deleted
rates      12.3 started, 1,235 completed, 0.05 failed a second, over 1m
oldest     o-1 (order), waiting, created 1h ago
workflows  3
           WORKFLOW  RUNNING  READY  WAITING  RETRYING  SCHEDULED  FAILED
           order     1        4      2        -         -          1
queues     default: 4 ready, the next of them for 2.30s
           gpu: 1 ready, served by no host
hosts      one: 2 workers, holding 3 runs, 1 running, bundle abababababababab, heartbeat 200ms ago
           worker 1 in o-3 for 4.00s
           flows still serves bundle cdcdcdcdcdcdcdcd:
             a.lua:1: oops
bundles    abababababababab: 3 workflows, 7 attempts
redis      7.0.15, durability everysec, 3.0 MiB of 1.0 GiB, maxmemory-policy allkeys-lru, commit 99]],
      table.concat(stats_view.lines(values(), WIDE), "\n"))
  end)

  it("say what is not known, and what is not there", function()
    local text = table.concat(stats_view.lines(values {
      rates = json.null, oldest = json.null, queues = {}, hosts = {}, sampled = true, unknown = 2, by_workflow = {},
    }, WIDE), "\n")
    assert.truthy(text:find("rates      not known: no host was alive in the last minute\n", 1, true))
    assert.truthy(text:find("ended      1 failed, 5 completed (estimates, from a sample)\n", 1, true))
    assert.truthy(text:find("queues     no run is ready\nunknown    2 runs of workflows no host knows\n", 1, true))
    assert.truthy(text:find("hosts      none\n", 1, true))
    assert.is_nil(text:find "oldest")
  end)

  it("tell how a host is that does not serve, and which queues it has", function()
    local host = values().hosts[1]
    host.state, host.queues, host.turns, host.refused = "draining", { "a", "b" }, {}, {}
    local text = table.concat(stats_view.lines(values { hosts = { host } }, WIDE), "\n")
    assert.truthy(text:find("1 running, queues a b, bundle abababababababab, heartbeat 200ms ago, draining\n", 1, true))
  end)

  it("show the ten busiest workflows", function()
    local one, many = values().by_workflow[1], {}
    for i = 1, 25 do many[i] = one end
    local text = table.concat(stats_view.lines(values { by_workflow = many }, WIDE), "\n")
    assert.equal(10, select(2, text:gsub("\n +order ", "")))
    assert.truthy(text:find("… and 15 more", 1, true))
  end)

  it("fit a terminal of any width where they are clipped", function()
    for columns = 20, 120, 7 do
      local style = { colours = false, columns = columns, rows = 24 }
      for _, line in ipairs(stats_view.lines(values { oldest = {
        run = ("日本"):rep(30), workflow = "w", state = "ready", created_at = 0 } }, style, true)) do
        assert.is_true(terminal.width(line) < columns, line)
      end
    end
  end)

  it("cannot move the cursor", function()
    local queue = { queue = "\27[2J", ready = 1, served = true, next_ready_at = json.null, next_run = json.null }
    local text = table.concat(stats_view.lines(values { queues = { queue } }, WIDE))
    assert.is_nil(text:find "\27")
  end)
end)

describe("a rate", function()
  it("has the digits that matter", function()
    for rate, text in pairs { [0] = "0", [0.004] = "0.00", [0.5] = "0.50", [12.34] = "12.3", [4321.6] = "4,322" } do
      assert.equal(text, stats_view.rate(rate))
    end
  end)
end)
