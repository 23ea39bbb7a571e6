-- Preflight: before changed files go live, the journals of runs in flight are replayed on them. It executes nothing and
-- writes nothing; --reload says what a run that would not go on means.

local facts = require "tests.facts"
local json = require "weir.json"
local support = require "tests.support"

local redis, store, host, folder

-- Steps leave a line in a file, so that none runs unseen.
local ORDER = [[
local weir = require "weir"
return weir.workflow {
  id = "order",
  run = function(ctx, data)
    if data.big then ctx:step("%s", function() return true end) end
    ctx:step("charge", function()
      local file <close> = assert(io.open(data.trace, "a"))
      file:write(ctx.run.id, "\n")
    end)
    ctx.log:info "waits"
    print "waits"
    %s
    ctx:sleep { id = "ship", duration = data.ship or "1d" }
    %s
    ctx:invoke { id = "bill", workflow = "order" }
  end,
}
]]

local function order(first, middle, last) return ORDER:format(first, middle or "", last or "") end

local function save(path, text)
  support.write(folder .. "/new", text)
  assert(os.rename(folder .. "/new", folder .. "/flows/" .. path))
end

local function says(pattern) return host.process:says(pattern) end

local function start_host(...)
  host = support.host({ folder .. "/flows" }, { redis = redis, flags = { "--node", "one", "--workers", "2", ... } })
end

local function count_waiting()
  local from, waiting = 0, 0
  repeat
    local page = store:say("in_flight", from, 500, "")
    waiting, from = waiting + (#page - 2) // 5, from + 500
  until from >= page[2]
  return waiting
end

local A_TIME <const> = 500 -- runs that are waited for at once

-- Starts runs, of which three are big, and waits until all of them wait.
local function start(count)
  local big = { [1] = true, [count // 2] = true, [count] = true }
  for from = 1, count, A_TIME do
    local lines, to = {}, math.min(count, from + A_TIME - 1)
    for i = from, to do
      lines[#lines + 1] = json.encode { id = "r" .. i, big = big[i], trace = folder .. "/trace" }
    end
    local reply = host:weir("start", "order", "--each", "-", "--id-from", "id",
      { stdin = table.concat(lines, "\n") .. "\n" })
    assert.equal(0, reply.status, reply.stderr)
    support.wait_until(("%d runs to wait"):format(to), function() return count_waiting() == to end)
  end
end

-- All that Redis holds of the runs, and what their steps have left.
local function all()
  local kept = { support.read(folder .. "/trace") }
  for _, kind in ipairs { "r:", "v:" } do
    for i = 1, 30 do
      local hash = store:call("HGETALL", store.key .. kind .. "r" .. i)
      local fields = {}
      for at = 1, #hash, 2 do fields[hash[at]] = hash[at + 1] end
      kept[#kept + 1] = fields
    end
  end
  return kept
end

before_each(function()
  redis, folder = support.redis(), support.folder()
  store = facts.of(redis)
  assert(os.execute(("mkdir '%s/flows'"):format(folder)))
  save("order.lua", order "approve")
end)

after_each(function()
  assert.same({}, store:faults())
  host:stop()
  store:close()
  redis:stop()
  support.remove(folder)
end)

describe("files that change while runs are in flight", function()
  it("go live, and the log counts the runs that would go on and those that would not", function()
    start_host()
    start(30)
    local before, log = all(), host.process:stderr()
    save("order.lua", order "review")
    local live = says "flows: bundle %x+ live: (%d+ runs would continue[^\n]*)\n"
    assert.equal("27 runs would continue, 3 would mismatch at order.lua:5", live)
    says 'for example run r%d+: the journal holds operation "approve", step at order.lua:5 %(bundle %x+%), which was'
    assert.same(before, all())
    local _, lines = host.process:stderr():gsub("waits", "")
    assert.equal(select(2, log:gsub("waits", "")), lines)
  end)

  it("stay out with --reload refuse, until they fit the journals", function()
    start_host("--reload", "refuse")
    start(30)
    save("order.lua", order "review")
    says "flows: order.lua:5: 27 runs would continue, 3 would mismatch at order.lua:5 %(%-%-reload refuse%)\n"
    says "5 |     if data.big then ctx:step%(\"review\""
    says "flows: still serving bundle %x+\n"
    save("order.lua", order("approve", nil, 'ctx:step("more", function() end)'))
    says "flows: bundle %x+ live: 30 runs would continue\n"
  end)

  it("are not looked at with --reload off, nor where they touch no run", function()
    start_host("--reload", "off")
    start(30)
    save("order.lua", order "review")
    says "live %(was"
    host:stop()
    start_host()
    save("other.lua", 'return require("weir").workflow { id = "other", run = function() end }')
    says "live %(was"
    assert.is_nil(host.process:stderr():find "would continue")
  end)

  it("that loop or hog memory in a run are stopped, and the host serves on", function()
    start_host("--max-cpu", "100ms", "--max-memory", "8MiB")
    start(6)
    save("order.lua", order("approve", "while data.big do end"))
    says "3 runs would continue, 3 would fail at order.lua:12\n"
  end)

  it("are looked at no longer once they change again, but for other files of the folder", function()
    start_host("--max-cpu", "1s")
    start(60)
    local function clients() return select(2, store:call("CLIENT", "LIST"):gsub("\n", "")) end
    local quiet = clients()
    save("order.lua", order("approve", "while true do end")) -- each replay takes all the time that it may
    support.wait_until("the journals to be read", function() return clients() > quiet end)
    save("notes.txt", "no source")
    save("order.lua", order("approve", "-- mended"))
    says "flows: bundle %x+ is left out: its files changed again before it was live\n"
    says "flows: bundle %x+ live: 60 runs would continue\n"
    assert.is_nil(host.process:stderr():find "would fail")
  end)
end)

describe("weir check --against", function()
  local function check(...) return support.weir("check", folder .. "/flows", "--against", redis.url, ...) end

  it("replays the runs in flight on a folder that no host serves yet", function()
    start_host()
    start(30)
    host:stop()
    local before = all()
    local reply = check()
    assert.same({ 0, "1 file, 1 workflow, no faults\nno run is in flight that began on other code\n" },
      { reply.status, reply.stdout })

    save("order.lua", order("approve", nil, 'ctx:step("more", function() end)'))
    reply = check()
    assert.equal(0, reply.status)
    assert.matches("\n30 runs would continue\n$", reply.stdout)

    save("order.lua", order "review")
    reply = check()
    assert.equal(1, reply.status)
    assert.matches("\n27 runs would continue, 3 would mismatch at order.lua:5\nrun r%d+: the journal holds",
      reply.stdout)
    reply = check "--json"
    local found = json.decode(reply.stdout).preflight
    assert.same({ 1, 30, 30, 27, 3 }, { reply.status, found.found, found.looked, found.continue, #found.faults })
    assert.same({ "order", "replay_mismatch", "order.lua:5" },
      { found.faults[1].workflow, found.faults[1].code, found.faults[1].line })
    assert.same(before, all())
    start_host()
  end)

  it("knows the workflows that other folders serve", function()
    start_host()
    assert(os.execute(("mkdir '%s/other'"):format(folder)))
    support.write(folder .. "/other/a.lua", 'return require "weir".workflow { id = "a", run = function(ctx)\n'
      .. '  ctx:invoke { id = "x", workflow = "order" }\n  ctx:invoke { id = "y", workflow = "oder" }\nend }')
    local reply = support.weir("check", folder .. "/other", "--against", redis.url)
    assert.equal('warning: a.lua:3: workflow = "oder" names no workflow of this folder and none of this Redis; did you '
      .. 'mean "order"?\n1 file, 1 workflow, no faults, 1 warning\nno run is in flight that began on other code\n',
      reply.stdout)
  end)

  it("ends with 69 where there is no Redis", function()
    start_host()
    local reply = support.weir("check", folder .. "/flows", "--against", "unix:///nowhere/redis.sock")
    assert.equal(69, reply.status)
  end)
end)

describe("weir move", function()
  it("gives waiting runs the newest code in their attempt, and leaves those that would not go on", function()
    start_host()
    start(10)
    host:weir("start", "order", "--id", "soon", "--data", json.encode { trace = folder .. "/trace", ship = "1s" })
    store:becomes("soon", "waiting")
    local old = store:run("r2").bundle
    save("order.lua", order("review", nil, 'do return "new" end'))
    says "live: 8 runs would continue, 3 would mismatch at order.lua:5\n"
    local reply = host:weir("move", "r2", "soon")
    assert.equal(0, reply.status)
    assert.matches("^run r2 goes on with bundle %x+ when it resumes\nrun soon goes on with bundle", reply.stderr)
    assert.equal('"new"', store:ended("soon").result) -- its worker had kept the coroutine of the old code
    assert.equal(1, store:run("soon").attempt)

    reply = host:weir("move", "--workflow", "order", "--to", "newest", "--yes")
    assert.equal(1, reply.status)
    assert.matches("\nmoved 6, 1 do not wait, 1 on the newest code already, 3 would not go on with it\n$", reply.stderr)
    assert.matches('weir: run r1 keeps its code: the journal holds operation "approve", step at order.lua:5',
      reply.stderr, 1, true)
    local run = store:run "r2"
    assert.same({ "waiting", old }, { run.state, run.operations[1].bundle })
    assert.not_equal(old, run.bundle)
    assert.equal(old, store:run("r1").bundle)
    local seen = 1
    support.wait_until("the workers to have only the coroutines of runs that were not moved", function()
      local from = seen
      host.process:signal "USR1"
      local text = support.wait_until("both workers to say what they have", function()
        local said = host.process:stderr():sub(from)
        return select(2, said:gsub("worker %d: %d+ runs active", "")) >= 2 and said
      end)
      seen = from + #text
      local waiting = 0
      for number in text:gmatch "active, (%d+) waiting" do waiting = waiting + tonumber(number) end
      return waiting == 3
    end)

    reply = host:weir("move", "--workflow", "order", "--yes", "--json")
    local summary = json.decode(reply.stdout)
    assert.same({ 0, 7, 3, 3 }, { summary.moved, summary.there, summary.mismatch, #summary.faults })
    assert.same({ "mismatch", "replay_mismatch", "order.lua:5" },
      { summary.faults[1].answer, summary.faults[1].code, summary.faults[1].line })
  end)
end)

describe("10,000 runs that wait", function()
  it("are all replayed within a bounded time, and the three that a change breaks are found", function()
    start_host()
    start(10000)
    save("order.lua", order "review")
    pcall(says, "would continue") -- it may take longer than a story waits
    assert.equal("9997 runs would continue, 3 would mismatch at order.lua:5",
      says "flows: bundle %x+ live: (%d+ runs would continue[^\n]*)\n")
  end)
end)
