-- Many runs are in flight while their files change at random, whole, broken and half written, and hosts are killed in
-- between: the operations of an attempt all come from one bundle, and nothing fails.
--
-- Each version of a file writes its number into the result of every step. `make soak` plays 1,000 runs and 50 changes.

local dice = require "spec.support.dice"
local facts = require "tests.facts"
local json = require "weir.json"
local record = require "weir.record.record"
local support = require "tests.support"
local system = require "system"

local RUNS, CHANGES = dice.times(100), dice.times(5)
local ROUNDS = 4
local KILLED_AT = 5 -- one change of so many is followed by a kill

-- The bundle is flow.lua and mark.lua, whose versions change together or apart.
local FLOW = [[
local mark, weir = require "mark", require "weir"
local VERSION = %d

return {
  weir.workflow {
    id = "flow",
    retry = { delay = "10ms" },
    run = function(ctx, data)
      local marks = {}
      for i = 1, data.rounds do
        marks[2 * i - 1] = ctx:step("step-" .. i, function() return mark(ctx, VERSION) end)
        ctx:sleep(data.pause)
        marks[2 * i] = ctx:invoke { id = "child-" .. i, workflow = "child" }
      end
      if data.again and ctx.run.attempt == 1 then error "once more" end
      return marks
    end,
  },
  weir.workflow { id = "child", run = function(ctx)
    return ctx:step("only", function() return mark(ctx, VERSION) end)
  end },
}
]]
local MARK = [[
local VERSION = %d
return function(ctx, flow)
  return { attempt = ctx.run.attempt, bundle = ctx.run.bundle, versions = flow .. "/" .. VERSION }
end
]]
local BROKEN = { "return {", "error 'while it loads'", 'require "nowhere"', "local x = = 1" }

local redis, store, folder, hosts

before_each(function()
  redis, folder, hosts = support.redis(), support.folder(), {}
  store = facts.of(redis)
end)

after_each(function()
  for _, host in pairs(hosts) do host:stop() end
  store:close()
  redis:stop()
  support.remove(folder)
end)

local function save(name, text)
  support.write(folder .. "/" .. name .. ".new", text)
  assert(os.rename(folder .. "/" .. name .. ".new", folder .. "/" .. name))
end

-- Writes a file in two parts, in place. Between them it is whatever the cut has left of it.
local function save_in_parts(name, text, cut, pause_ms)
  local file <close> = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(text:sub(1, cut))
  file:flush()
  system.sleep(pause_ms / 1000)
  file:write(text:sub(cut + 1))
end

local function start_host(i)
  hosts[i] = support.process {
    support.build .. "/weir", "serve", folder, "--redis", redis.url, "--node", "node-" .. i, "--workers", "2",
    "--max-crashes", "1000",
  }
end

-- A host that found files which do not load has ended: its supervisor starts it again.
local function look_after_hosts()
  for i = 1, 2 do
    if not hosts[i] then
      start_host(i)
    elseif hosts[i]:status() then
      local status, text = hosts[i]:stop()
      assert(status == 78, text)
      start_host(i)
    end
  end
end

local function kill(i)
  if hosts[i] then hosts[i]:stop() end
  hosts[i] = nil
end

-- Changes the files as the dice fall. They are whole again afterwards, unless they are left broken.
local function change(roll, version)
  local flow, mark = FLOW:format(version), MARK:format(version)
  local kind = roll(6)
  if kind == 1 then
    save("flow.lua", flow)
    save("mark.lua", mark)
  elseif kind == 2 then
    save("mark.lua", mark)
  elseif kind == 3 then -- a revert
    save("flow.lua", FLOW:format(roll(version)))
  elseif kind == 4 then
    save_in_parts("flow.lua", flow, roll(#flow) - 1, roll(200))
  elseif kind == 5 then
    save_in_parts("mark.lua", mark, roll(#mark) - 1, roll(200))
  else
    save("more.lua", BROKEN[roll(#BROKEN)])
    return
  end
  os.remove(folder .. "/more.lua")
end

local bundles -- name -> the versions of its files

local function check_marks(id)
  local run = store:run(id)
  assert(run.state == "completed", ("%s is %s: %s"):format(id, run.state, json.encode(run.error or json.null)))
  local attempts, steps = {}, 0
  for _, operation in ipairs(run.operations) do
    if operation.kind == "step" then
      local mark = json.decode(operation.result)
      steps = steps + 1
      attempts[mark.attempt] = attempts[mark.attempt] or mark
      bundles[mark.bundle] = bundles[mark.bundle] or mark.versions
      assert.same(attempts[mark.attempt], mark, ("%s, attempt %d"):format(id, mark.attempt))
      assert.equal(bundles[mark.bundle], mark.versions, id)
    end
  end
  return steps
end

describe("while files change at random and hosts are killed", function()
  it(("all of an attempt comes from one bundle (%s)"):format(dice.repeats(dice.seed)), function()
    local roll = dice.of(dice.seed)
    bundles = {}
    save("flow.lua", FLOW:format(0))
    save("mark.lua", MARK:format(0))
    look_after_hosts()
    support.wait_until("a host to serve", function() return #store:say "registry" > 1 end)
    local pause = ("%dms"):format(100 + CHANGES * 20)
    for i = 1, RUNS do store:start("run-" .. i, "flow", { rounds = ROUNDS, pause = pause, again = i % 3 == 0 }) end
    for version = 1, CHANGES do
      change(roll, version)
      if roll(KILLED_AT) == 1 or version == CHANGES // 2 then kill(roll(2)) end
      system.sleep(roll(200) / 1000)
      look_after_hosts()
    end
    os.remove(folder .. "/more.lua")
    support.wait_until("all runs to end", function()
      look_after_hosts()
      for i = 1, RUNS do
        if not record.ENDED[store:state("run-" .. i)] then return false end
      end
      return true
    end)
    for i = 1, RUNS do
      assert.equal(ROUNDS, check_marks("run-" .. i))
      for round = 1, ROUNDS do assert.equal(1, check_marks(("run-%d/child-%d"):format(i, round))) end
    end
    local count = 0
    for _ in pairs(bundles) do count = count + 1 end
    assert.is_true(count > 1, "all ran on one bundle")
    if os.getenv "SHOW" then print(count, "bundles") end
    assert.same({}, store:faults())
  end)
end)
