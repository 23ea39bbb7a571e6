-- SIGUSR1: the log says what each worker and each of its runs is doing, and at which line.

local stages = require "tests.stage"
local support = require "tests.support"

local STORIES = "tests/fixtures/stories"

local stage, store, host

local function line_of(text)
  local number = 0
  for line in io.lines(STORIES .. "/stories.lua") do
    number = number + 1
    if line:find(text, 1, true) then return number end
  end
  error("no line has " .. text)
end

-- Waits until the host has described itself and said this, a pattern; the text from that signal on.
local function describes(...)
  local before = #host.process:stderr()
  host.process:signal "USR1"
  for _, pattern in ipairs { ... } do
    support.wait_until("the host to say " .. pattern, function()
      return host.process:stderr():find(pattern, before + 1)
    end)
  end
  return host.process:stderr():sub(before + 1)
end

before_each(function()
  stage = stages.new(STORIES)
  store = select(2, stage:begin())
  host = stage:host("one", { "--workers", "1", "--max-cpu", "1m" })
end)

after_each(function() stage:stop() end)

it("names each wait with its line", function()
  store:start("parent", "parent", stage:data())
  store:start("day", "day")
  store:start("unwell", "unwell")
  store:becomes("parent", "waiting")
  store:becomes("day", "waiting")
  store:becomes("unwell", "waiting")
  describes("worker 1: %d+ runs active, %d+ waiting, %d+ batches under way",
    ('run parent is waiting: workflow "parent", attempt 1, waits for invoke "child" at stories.lua:%d\n')
      :format(line_of 'ctx:invoke { id = "child"'),
    ('run day is waiting: workflow "day", attempt 1, waits for sleep "sleep#1" at stories.lua:%d\n')
      :format(line_of 'ctx:sleep "1d"'),
    ('run unwell is waiting: workflow "unwell", attempt 1, waits for the next try of step "call" at stories.lua:%d\n')
      :format(line_of 'id = "call"'))
end)

it("names the step that holds a worker, at once", function()
  store:start("busy", "busy", stage:data())
  support.wait_until("the step to begin", function() return stage:notes() ~= "" end)
  local text = describes(('worker 1: run busy has had its turn for %%d+%%.%%d+ s, in step "hold" at stories.lua:%d\n')
    :format(line_of 'ctx:step("hold"'))
  assert.is_nil(text:find "runs active") -- the worker itself speaks when its turn is over
  stage:open_gate()
  assert.equal("completed", store:ended("busy").state)
end)

it("names the line of Lua that only computes", function()
  store:start("computes", "computes", { most = 10000000000 })
  support.wait_until("its turn to be described", function() -- it may not have begun at the first signal
    host.process:signal "USR1"
    return host.process:stderr():find "run computes has had its turn"
  end)
  describes("worker 1: run computes has had its turn for %d+%.%d+ s, outside of a step\n",
    ("run computes is at stories.lua:%d\n"):format(line_of "the line it is at"))
  host.process:signal "KILL"
end)

it("names no more than some dozens of runs, and counts the rest", function()
  for i = 1, 100 do store:start("day-" .. i, "day") end
  for i = 1, 100 do store:becomes("day-" .. i, "waiting") end
  store:start("echo", "echo") -- the worker knows by now that they wait
  store:ended "echo"
  local text = describes("and %d+ more runs; weir list %-%-state waiting shows them\n")
  local _, lines = text:gsub("run day%-%d+ is waiting", "")
  assert.equal(100, lines + tonumber(text:match "and (%d+) more"))
  assert.is_true(lines <= 50, text)
end)
