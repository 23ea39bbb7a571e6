-- Plays each case in memory, with a runner of weir.testing of its own. An error that the runner raises is the answer of
-- the act. An act runs nothing to its end; the play says how far runs go.

local account = require "tests.conformance.account"
local play = require "tests.conformance.play"
local support = require "tests.support"
local testing = require "weir.testing"

local Side = {}
Side.__index = Side

local CHILDREN = support.read "tests/conformance/children.lua"

function Side:start(id, workflow, act)
  local ok, answer = pcall(self.runner.begin, self.runner, "start", workflow, act.data, {
    id = id, delay = act.delay, priority = act.priority, queue = act.queue, tags = act.tags, dedupe = act.dedupe,
  })
  if not ok then return play.refusal(answer) end
  local record = self.store.records[answer]
  if record.turn == 0 then record.fields.seed = self.seeds[answer] end
  return answer
end

function Side:cancel(id, now)
  local ok, answer = pcall(self.runner.cancel, self.runner, id, { now = now })
  return ok and "cancelled" or play.refusal(answer)
end

function Side:retry(id, options)
  local sentence, fault = self.store:plan_retry(id, options)
  return sentence or play.refusal(fault)
end

function Side:deploy(case)
  assert(self.store:deploy { files = { ["children.lua"] = CHILDREN, [case.file] = case.later } })
end

function Side.release() end -- in memory a play holds no step

function Side:crash()
  local live = self.store.live_order
  for i = #live, 1, -1 do self.store:crash(live[i]) end
end

function Side:reach(what, fact)
  self.store:finish(fact)
  if not fact() then error("waited in vain for: " .. what, 0) end
end

function Side:run(id) return self.store:read(id) end

function Side:state(id)
  local record = self.store.records[id]
  return record and record.state
end

function Side:ids() return self.store.order end

function Side:says(id, text)
  for _, line in ipairs(self.store.logs) do
    if line.run == id and line.text == text then return true end
  end
  return false
end

function Side:log(id)
  local lines = {}
  for _, line in ipairs(self.store.logs) do
    if line.run == id then lines[#lines + 1] = account.line(line.level, line.text, line.fields) end
  end
  return lines
end

---@param case table
---@param limits table
---@param options { inlined: boolean?, always_replay: boolean?, separate: boolean? }
---@param seeds table<string, string> of the runs that are started
---@return Account
return function(case, limits, options, seeds)
  local runner = testing.new {
    files = { ["children.lua"] = CHILDREN, [case.file] = case.source }, limits = limits,
    always_replay = options.always_replay or false,
  }
  local store = runner.memory
  store.options.inlined, store.options.separate = options.inlined, options.separate
  store.options.strict = not case.later
  local side = setmetatable({ runner = runner, store = store, seeds = seeds }, Side)
  return account.of(side, case, play.case(side, case))
end
