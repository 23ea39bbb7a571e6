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
    ctx:sleep { id = "ship", duration = "1d" }
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

local function says(pattern)
  return support.wait_until("the host to say: " .. pattern, function() return host.process:stderr():match(pattern) end)
end

local function start_host(...)
  host = support.host({ folder .. "/flows" }, { redis = redis, flags = { "--node", "one", "--workers", "2", ... } })
end

-- Starts runs, of which three are big, and waits until all of them wait.
local function start(count)
  local lines, big = {}, { [1] = true, [count // 2] = true, [count] = true }
  for i = 1, count do lines[i] = json.encode { id = "r" .. i, big = big[i], trace = folder .. "/trace" } end
  local reply = host:weir("start", "order", "--each", "-", "--id-from", "id",
    { stdin = table.concat(lines, "\n") .. "\n" })
  assert.equal(0, reply.status, reply.stderr)
  support.wait_until("all runs to wait", function()
    local waiting = 0
    for _, id in ipairs(store:call("ZRANGE", store.key .. "delayed", 0, -1)) do
      if store:state(id) == "waiting" then waiting = waiting + 1 end
    end
    return waiting == count
  end)
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
end)

describe("10,000 runs that wait", function()
  it("are all replayed within a bounded time, and the three that a change breaks are found", function()
    start_host()
    start(10000)
    save("order.lua", order "review")
    assert.equal("9997 runs would continue, 3 would mismatch at order.lua:5",
      says "flows: bundle %x+ live: (%d+ runs would continue[^\n]*)\n")
  end)
end)
