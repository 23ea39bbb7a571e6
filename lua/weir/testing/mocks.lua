-- Mocks of children and steps, for weir.testing. A mocked child is started, retried, timed out and cancelled like the
-- real one; the spec only replaces its code.
--
-- A mock is called once for each attempt of a child and each try of a step, however often the run is replayed.

local call_site = require "weir.base.call_site"
local duration = require "weir.base.duration"
local runs = require "weir.engine.run"
local failure = require "weir.base.failure"
local readonly = require "weir.base.readonly"
local identifier = require "weir.base.identifier"
local sorted_keys = require "weir.base.sorted_keys"
local suggest = require "weir.base.suggest"
local returned = require "weir.engine.returned"
local run_id = require "weir.base.run_id"
local terminal = require "weir.view.terminal"
local call = require "weir.engine.call"
local weir = require "weir"

local mocks = {}

local SEQUENCE = { __name = "testing.sequence" }
local AFTER = { __name = "testing.after" }

---@class weir.testing.Mock
---@field name string for messages
---@field subject string the workflow, or the id of the step, which may contain "*"
---@field workflow string? of a mocked step
---@field pattern string? of a mocked step: `subject` as a Lua pattern
---@field answer any
---@field calls integer so far; the next answer of a sequence is the one after so many
---@field line string of the spec

---@class weir.testing.Answer of a mock to one call
---@field value any
---@field raised any non-nil: the call fails
---@field after_ms integer? the time that the call takes

---@class weir.testing.Sequence made by testing.sequence
---@field list any[] answers

---@class weir.testing.After made by testing.after
---@field ms integer
---@field answer any

---@class weir.testing.Call the second argument of a mock's function
---@field id string of the operation
---@field run string the child's
---@field workflow string
---@field attempt integer
---@field parent string
---@field number integer counts the calls of this mock, from 1

---@class weir.testing.Mocks
---@field memory weir.Memory
---@field workflows table<string, weir.testing.Mock>
---@field steps weir.testing.Mock[] of steps; the last one that matches is used
---@field real table<string, weir.Definition|false> id of a mocked workflow -> the workflow, if there is one
---@field answers table<string, weir.testing.Answer> by attempt or try
---@field fault string? of the spec
---@field asked table<string, table<string, boolean>> workflow -> steps that ran and were not mocked
---@field mocked_only boolean? steps without a mock do not run
local Mocks = {}
Mocks.__index = Mocks

---@param mocked_only boolean?
---@return weir.testing.Mocks
function mocks.new(mocked_only)
  return setmetatable({
    workflows = {}, steps = {}, real = {}, answers = {}, asked = {}, mocked_only = mocked_only,
  }, Mocks)
end

---Makes an answer that gives one item for each call, in order.
---@param list any[]
---@return weir.testing.Sequence
function mocks.sequence(list)
  if type(list) ~= "table" or #list == 0 then
    call.usage_error("testing.sequence takes a list of answers: { a, b, c }")
  end
  return setmetatable({ list = list }, SEQUENCE)
end

---Makes an answer that takes virtual time.
---@param span weir.Duration
---@param answer any
---@return weir.testing.After
function mocks.after(span, answer)
  local ms, fault = duration.ms(span)
  if not ms then call.usage_error("testing.after: " .. fault) end
  return setmetatable({ ms = ms, answer = answer }, AFTER)
end

-- ------------------------------------------------------------------------------------------------
-- Answers

local function traced(raised) return failure.from(raised, call_site.traceback()) end

-- A fault of the spec, not of the workflow: the run fails here, and the runner raises the fault.
function Mocks:usage_error(text)
  self.fault = self.fault or text
  return { raised = failure.new { message = text, retryable = false } }
end

-- A mock returns one value, like the code that it replaces.
local function result_of(mock, ok, value, ...)
  local fault = ok and returned.surplus("mock", mock.subject, ...)
  if fault then return false, fault end
  return ok, value
end

---@param mock weir.testing.Mock
---@param answer any
---@param ... any arguments of a function
---@return weir.testing.Answer
function Mocks:resolve(mock, answer, ...)
  local kind = getmetatable(answer)
  if kind == SEQUENCE then
    local one = answer.list[mock.calls]
    if one == nil then
      return self:usage_error(("the sequence of %s has %s; this is call %d"):format(mock.name,
        terminal.count(#answer.list, "answer"), mock.calls))
    end
    return self:resolve(mock, one, ...)
  elseif kind == AFTER then
    local reply = self:resolve(mock, answer.answer, ...)
    reply.after_ms = (reply.after_ms or 0) + answer.ms
    return reply
  elseif failure.is_failure(answer) then
    return { raised = answer }
  elseif type(answer) == "function" then
    local ok, value = result_of(mock, xpcall(answer, traced, ...))
    if not ok then return { raised = value } end
    if type(value) == "function" then return { value = value } end -- the run reports that it cannot be JSON
    return self:resolve(mock, value)
  end
  return { value = answer }
end

-- ------------------------------------------------------------------------------------------------
-- Children

function Mocks:answer_child(mock, data, about)
  local key = about.id .. "\t" .. about.attempt
  local reply = self.answers[key]
  if reply then return reply end
  mock.calls = mock.calls + 1
  reply = self:resolve(mock, mock.answer, data, {
    id = run_id.operation(about.id), run = about.id, workflow = about.workflow,
    attempt = about.attempt, parent = about.parent, number = mock.calls,
  })
  self.answers[key] = reply
  return reply
end

-- The definition that replaces `real`. A run that the spec itself starts runs the real code.
function Mocks:definition(workflow, mock, real)
  local mocked = {}
  local function run(ctx, data)
    local about = ctx.run
    if real and not about.parent then return runs.body_of(real)(ctx, data) end
    local reply = self:answer_child(mock, data, about)
    if reply.after_ms then ctx:sleep { id = "mock", duration = reply.after_ms / 1000 } end
    if reply.raised ~= nil then error(reply.raised, 0) end
    return reply.value
  end
  local like = real or weir.workflow { id = workflow, run = run }
  for field, value in pairs(readonly.members(like) or like) do mocked[field] = value end
  mocked.run, mocked.graph = run, nil
  return mocked
end

function Mocks:install(workflow, definition)
  local memory = self.memory
  local bundle = memory.bundles[#memory.bundles]
  bundle.workflows[workflow] = definition
  memory.registry[workflow] = definition and { bundle = bundle.name, definition = definition }
end

---@param workflow string
---@param answer any
function Mocks:mock(workflow, answer)
  local fault = identifier.fault(workflow)
  if fault then call.usage_error("runner:mock: workflow" .. fault) end
  local real = self.real[workflow]
  if real == nil then
    local there = self.memory.registry[workflow]
    real = there and there.definition or false
    self.real[workflow] = real
  end
  local mock = {
    name = ('the mock of "%s"'):format(workflow), subject = workflow, answer = answer, calls = 0,
    line = call_site.line(),
  }
  self.workflows[workflow] = mock
  self:install(workflow, self:definition(workflow, mock, real))
end

---@param workflow string
function Mocks:unmock(workflow)
  if not self.workflows[workflow] then
    local names = sorted_keys.of(self.workflows)
    call.usage_error(('"%s" is not mocked; %s'):format(tostring(workflow),
      names[1] and "mocked are " .. table.concat(names, ", ") or "nothing is"))
  end
  self:install(workflow, self.real[workflow] or nil)
  self.workflows[workflow], self.real[workflow] = nil, nil
end

---Whether this run was mocked.
---@param id string
---@param workflow string
function Mocks:stands_for(id, workflow)
  return self.workflows[workflow] ~= nil and not run_id.is_root(id)
end

-- ------------------------------------------------------------------------------------------------
-- Steps

-- "*" matches any text.
local function pattern_of(id)
  return "^" .. id:gsub("%p", "%%%0"):gsub("%%%*", ".*") .. "$"
end

---@param workflow string
---@param id string of the operation, with the scope in front; "*" matches any text
---@param answer any
function Mocks:mock_step(workflow, id, answer)
  local registry = self.memory.registry
  if not registry[workflow] then
    local near = suggest.find(tostring(workflow), identifier.not_own(registry))
    call.usage_error(('runner:mock_step: there is no workflow "%s"%s'):format(tostring(workflow),
      near and ('; did you mean "%s"?'):format(near) or ""))
  end
  if type(id) ~= "string" or id == "" then
    call.usage_error('runner:mock_step: name the step, as in "charge" or "ship:*"')
  end
  table.insert(self.steps, {
    workflow = workflow, subject = id, pattern = pattern_of(id), answer = answer, calls = 0, line = call_site.line(),
    name = ('the mocked step "%s" of "%s"'):format(id, workflow),
  })
end

-- The clock does not move while a step runs, so an answer that takes time can only exceed the timeout.
function Mocks:spend(mock, operation, reply)
  if not reply.after_ms then return reply end
  if not operation.timeout_ms then
    return self:usage_error(mock.name
      .. ": a step takes no virtual time; testing.after says whether its timeout is over, "
      .. "and it has none")
  end
  if reply.after_ms >= operation.timeout_ms then self.memory.host.overrun() end
  return reply
end

function Mocks:answer_step(mock, run, about)
  local key = ("%s\t%d\t%d"):format(about.key, run.attempt, about.attempt)
  local reply = self.answers[key]
  if not reply then
    mock.calls = mock.calls + 1
    reply = self:resolve(mock, mock.answer, about)
    self.answers[key] = reply
  end
  return reply
end

---The function that replaces the body of a step; nil if the step is not mocked.
---@param run weir.Run
---@param operation weir.Operation
---@return (fun(about: weir.StepAbout): any)?
function Mocks:step_body(run, operation)
  for i = #self.steps, 1, -1 do
    local mock = self.steps[i]
    if mock.workflow == run.workflow and operation.id:find(mock.pattern) then
      return function(about)
        local reply = self:spend(mock, operation, self:answer_step(mock, run, about))
        if reply.raised ~= nil then error(reply.raised, 0) end
        return reply.value
      end
    end
  end
  if self.mocked_only then return function() error(self:refuse(run.workflow, operation.id), 0) end end
  self.asked[run.workflow] = self.asked[run.workflow] or {}
  self.asked[run.workflow][operation.id] = true
end

function Mocks:refuse(workflow, id)
  local names = {}
  for _, mock in ipairs(self.steps) do
    if mock.workflow == workflow then names[#names + 1] = mock.subject end
  end
  local near = suggest.find(id, names)
  return self:usage_error(('step "%s" of "%s" is not mocked, and this runner runs no other (steps = "mocked"): '
    .. 'runner:mock_step("%s", "%s", …)%s'):format(id, workflow, workflow, id,
    near and ('; "%s" is mocked'):format(near) or "")).raised
end

-- ------------------------------------------------------------------------------------------------
-- Mocks that were not used

-- "ship-1" is not taken for a misspelled "ship-2".
local function without_digits(name) return (name:gsub("%d", "")) end

local function meant(name, asked)
  local others = {}
  for _, one in ipairs(sorted_keys.of(asked)) do
    if without_digits(one) ~= without_digits(name) then others[#others + 1] = one end
  end
  return suggest.find(name, others)
end

---Mocks that were not used, while a child or step with a similar name ran its own code.
---@return string[] sentences with the lines of the spec
function Mocks:misspelled()
  local sentences, children = {}, {}
  local function tell(mock, wording, near)
    sentences[#sentences + 1] = ('%s: %s was never asked for, and "%s" ran for real; did you mean "%s"?'):format(
      mock.line, wording, near, near)
  end
  for _, mock in ipairs(self.steps) do
    local near = mock.calls == 0 and meant(mock.subject, self.asked[mock.workflow] or {})
    if near then tell(mock, ('runner:mock_step("%s", "%s", …)'):format(mock.workflow, mock.subject), near) end
  end
  for id, record in pairs(self.memory.records) do
    if not run_id.is_root(id) and not self.workflows[record.workflow] then children[record.workflow] = true end
  end
  for _, workflow in ipairs(sorted_keys.of(self.workflows)) do
    local mock = self.workflows[workflow]
    local near = mock.calls == 0 and meant(workflow, children)
    if near then tell(mock, ('runner:mock("%s", …)'):format(workflow), near) end
  end
  return sentences
end

---Copies the mocks, as not yet used, for another runner.
---@param memory weir.Memory
---@return weir.testing.Mocks
function Mocks:copy_for(memory)
  local copy = mocks.new(self.mocked_only)
  copy.memory = memory
  for workflow, mock in pairs(self.workflows) do copy:mock(workflow, mock.answer) end
  for _, mock in ipairs(self.steps) do
    local fresh = {}
    for field, value in pairs(mock) do fresh[field] = value end
    fresh.calls = 0
    table.insert(copy.steps, fresh)
  end
  return copy
end

return mocks
