-- `weir stats`: the counts of a real dataset, once and again and again.

local cjson = require "cjson"
local support = require "tests.support"

local host

setup(function()
  host = support.host_of({ ["flows.lua"] = [[
    local weir = require "weir"
    return {
      weir.workflow { id = "day", run = function(ctx) ctx:sleep("1d") end },
      weir.workflow { id = "parent", run = function(ctx) return ctx:invoke { id = "c", workflow = "done" } end },
      weir.workflow { id = "done", run = function() return 1 end },
      weir.workflow { id = "bad", retry = { attempts = 1 }, run = function() error "oh" end },
      weir.workflow { id = "gpu", queue = "gpu", run = function() return 1 end },
    }]] }, { flags = { "--workers", "2", "--node", "one", "--queues", "default" } })
  local function start(...) assert.equal(0, host:weir("start", ...).status) end
  for i = 1, 3 do start("day", "--id", "d" .. i) end
  for i = 1, 2 do start("parent", "--id", "p" .. i) end
  start("bad", "--id", "b")
  start("day", "--id", "later", "--delay", "1h")
  start("gpu", "--id", "g")
  for i = 1, 3 do host:wait_for("d" .. i, "waiting") end
  for i = 1, 2 do host:wait_for("p" .. i, "completed") end
  host:wait_for("b", "failed")
end)

teardown(function() host:stop() end)

local function read() return cjson.decode(host:weir("stats", "--json").stdout) end

it("stats has runs by state and by workflow, rates, queues, hosts, bundles and Redis", function()
  local found
  support.wait_until("the rates", function()
    found = read()
    return found.rates ~= cjson.null and found.rates.completed > 0
  end)
  assert.same({ scheduled = 1, waiting = 3, ready = 1, running = 0, retrying = 0, failed = 1, completed = 2,
                cancelled = 0 }, found.states)
  assert.is_false(found.sampled)
  local day
  for _, one in ipairs(found.by_workflow) do day = one.workflow == "day" and one or day end
  assert.same({ 4, 3, 1 }, { day.unfinished, day.waiting, day.scheduled })
  assert.is_true(found.rates.started > found.rates.failed and found.rates.failed > 0)
  assert.equal("d1", found.oldest.run)
  local queue = found.queues[1]
  assert.same({ "gpu", 1, false, "g" }, { queue.queue, queue.ready, queue.served, queue.next_run })
  assert.is_true(queue.next_ready_at <= found.at)
  local one = found.hosts[1]
  assert.same({ "one", 2, "serving", 3, "default" }, { one.node, one.workers, one.state, one.held, one.queues[1] })
  assert.is_true(found.at - one.renewed_at < 60000)
  assert.equal(one.bundles[1], found.bundles[1].bundle)
  assert.truthy(found.redis.version:find "^%d" and found.redis.memory_bytes > 0)
end)

it("stats says it to people", function()
  local text = host:weir("stats").stdout
  local begin = "runs       1 ready, 3 waiting, 1 scheduled\nended      1 failed, 2 completed\n"
  assert.equal(begin, text:sub(1, #begin))
  assert.truthy(text:find("queues     gpu: 1 ready, the next of them for [%w. ]+, served by no host\n"))
  assert.truthy(text:find("hosts      one: 2 workers, holding 3 runs, queues default, bundle %x+, heartbeat %w+ ago\n")
    or text:find "heartbeat [%d.]+s ago")
end)

it("stats --watch goes on until it is interrupted", function()
  local process = support.process({ support.build .. "/weir", "stats", "--watch", "--json", "--every", "100ms" },
    { WEIR_REDIS = host.redis.url })
  support.wait_until("three readings", function() return select(2, process:stdout():gsub("\n", "")) >= 3 end)
  process:signal "INT"
  assert.equal(0, process:wait())
  local readings = 0
  for line in process:stdout():gmatch "[^\n]+" do
    assert.equal(3, cjson.decode(line).states.waiting)
    readings = readings + 1
  end
  assert.is_true(readings >= 3)
  process:stop()
end)

it("stats --watch redraws in place on a terminal", function()
  local process = support.process({ "script", "-qec", ("stty cols 60 rows 12; exec %s/weir stats --watch --every 100ms")
    :format(support.build), "/dev/null" }, { WEIR_REDIS = host.redis.url, TERM = "xterm" })
  support.wait_until("three frames", function()
    return select(2, process:stdout():gsub("3 waiting", "")) >= 3 and process:stdout():find "\27%[%d+A"
  end)
  local widest = 0
  for line in process:stdout():gsub("\27%[[%d;?]*%a", ""):gmatch "[^\r\n]+" do
    widest = math.max(widest, utf8.len(line) or 0)
  end
  assert.is_true(widest < 60)
  process:stop "TERM"
end)

it("stats looks at a bounded number of runs in each call", function()
  local lines = {}
  for i = 1, 3000 do lines[i] = ("{}") end
  assert.equal(0, host:weir("start", "gpu", "--each", "-", { stdin = table.concat(lines, "\n") .. "\n" }).status)
  host.redis:call("CONFIG", "RESETSTAT")
  local found = read()
  assert.equal(3001, found.states.ready)
  local longest = host.redis:call("INFO", "commandstats")
  assert.is_nil(longest:find "cmdstat_keys")
  assert.is_nil(longest:find "cmdstat_scan")
  assert.is_true(tonumber(longest:match "cmdstat_evalsha:calls=(%d+)") > 10)
end)
