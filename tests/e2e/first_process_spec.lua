-- weir as process 1, as it is in a container: it passes on signals and waits for processes that steps leave behind.

local stages = require "tests.stage"
local support = require "tests.support"

local stage, redis, store, process

local function can_unshare() return os.execute "unshare --pid --fork true 2>/dev/null" end

-- Pids of the children, as the machine counts them.
local function children(pid)
  local list = {}
  for child in (support.read(("/proc/%d/task/%d/children"):format(pid, pid)) or ""):gmatch "%d+" do
    list[#list + 1] = math.tointeger(tonumber(child))
  end
  return list
end

local function start(command, ...)
  process = support.process({
    "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", support.build .. "/weir", command, ...,
  }, { WEIR_REDIS = redis.url })
end

local function first() return children(process.pid)[1] end

before_each(function()
  stage = stages.new "tests/fixtures/stories"
  redis, store = stage:begin()
end)

after_each(function()
  if process then process:stop() end
  process = nil
  stage:stop()
end)

describe("weir as process 1", function()
  it("passes signals on, waits for orphans, and exits as its host does", function()
    if not can_unshare() then return pending "unshare may not make a pid namespace here: no process 1 is tried" end
    start("serve", "--node", "one", stage.folders[1])
    support.wait_until("the host", function() return process:stderr():find "ready" end)
    store:start("r", "orphans", stage:data())
    assert.equal("completed", store:ended("r").state)
    support.wait_until("the orphan to end", function() return stage:notes() == "orphan\n" end)
    support.wait_until("process 1 to have no child but the host", function() return #children(first()) == 1 end)
    os.execute("kill -HUP " .. first())
    support.wait_until("the reload", function() return process:stderr():find "its files are as they were" end)
    os.execute("kill -TERM " .. first())
    assert.equal(0, process:wait(), process:stderr())
    assert.equal(0, store:call("ZCARD", store.key .. "leases"))
  end)

  it("exits with the status of the command", function()
    if not can_unshare() then return pending "unshare may not make a pid namespace here: no process 1 is tried" end
    start("serve", "/nowhere")
    assert.equal(78, process:wait())
  end)
end)
