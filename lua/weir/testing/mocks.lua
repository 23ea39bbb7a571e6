-- Mocks stand in for children and steps under weir.testing. A mocked child is a child like any other: it is started,
-- retried, timed out and cancelled as the real one would be. The spec says only what the child does.
--
-- Each attempt of a child, and each try of a step, is answered once, however often it is replayed.

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
---@field subject string the workflow, or the step
---@field answer any
---@field calls integer so far; of a sequence, how many of its answers were given

---@class weir.testing.Given what one call was answered with
---@field value any
---@field raised any non-nil: it failed
---@field after_ms integer?

---@class weir.testing.Call what a mock's function is told of the call
---@field id string of the operation
---@field run string the child's
---@field workflow string
---@field attempt integer
---@field parent string
---@field number integer the how-manieth call of this mock

---@class weir.testing.Mocks
---@field memory weir.Memory
---@field workflows table<string, weir.testing.Mock>
---@field steps table[] the latest last
---@field real table<string, weir.Definition|false> what is mocked: the workflow that was there, if one was
---@field given table<string, weir.testing.Given> each attempt or try -> its answer
---@field fault string? a mistake of the spec
---@field asked table<string, table<string, boolean>> workflow -> steps that ran and were not mocked
---@field mocked_only boolean? a step that is not mocked does not run
local Mocks = {}
Mocks.__index = Mocks

---@param mocked_only boolean?
---@return weir.testing.Mocks
function mocks.new(mocked_only)
  return setmetatable({
    workflows = {}, steps = {}, real = {}, given = {}, asked = {}, mocked_only = mocked_only,
  }, Mocks)
end

---One answer for each call, in order.
---@param list any[]
function mocks.sequence(list)
  if type(list) ~= "table" or #list == 0 then
    call.usage_error("testing.sequence takes a list of answers: { a, b, c }")
  end
  return setmetatable({ list = list }, SEQUENCE)
end

---An answer that takes its (virtual) time.
---@param span weir.Duration
---@param answer any
function mocks.after(span, answer)
  local ms, fault = duration.ms(span)
  if not ms then call.usage_error("testing.after: " .. fault) end
  return setmetatable({ ms = ms, answer = answer }, AFTER)
end

-- ------------------------------------------------------------------------------------------------
-- Answers

local function traced(raised) return failure.from(raised, call_site.traceback()) end

-- The spec is wrong, not the workflow: the run fails here, and the runner raises it.
function Mocks:usage_error(text)
  self.fault = self.fault or text
  return { raised = failure.new { message = text, retryable = false } }
end

-- A mock returns one value, as the code that it stands for.
local function came_to(mock, ok, value, ...)
  local fault = ok and returned.surplus("mock", mock.subject, ...)
  if fault then return false, fault end
  return ok, value
end

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
    local given = self:resolve(mock, answer.answer, ...)
    given.after_ms = (given.after_ms or 0) + answer.ms
    return given
  elseif failure.is_failure(answer) then
    return { raised = answer }
  elseif type(answer) == "function" then
    local ok, value = came_to(mock, xpcall(answer, traced, ...))
    if not ok then return { raised = value } end
    if type(value) == "function" then return { value = value } end -- no JSON: the run says so
    return self:resolve(mock, value)
  end
  return { value = answer }
end

-- ------------------------------------------------------------------------------------------------
-- Children

function Mocks:answer_child(mock, data, about)
  local key = about.id .. "\t" .. about.attempt
  local given = self.given[key]
  if given then return given end
  mock.calls = mock.calls + 1
  given = self:resolve(mock, mock.answer, data, {
    id = run_id.operation(about.id), run = about.id, workflow = about.workflow,
    attempt = about.attempt, parent = about.parent, number = mock.calls,
  })
  self.given[key] = given
  return given
end

-- The definition that stands in for `real`. A run that the spec itself starts is the real one.
function Mocks:definition(workflow, mock, real)
  local made = {}
  local function run(ctx, data)
    local about = ctx.run
    if real and not about.parent then return runs.body_of(real)(ctx, data) end
    local given = self:answer_child(mock, data, about)
    if given.after_ms then ctx:sleep { id = "mock", duration = given.after_ms / 1000 } end
    if given.raised ~= nil then error(given.raised, 0) end
    return given.value
  end
  local like = real or weir.workflow { id = workflow, run = run }
  for field, value in pairs(readonly.members(like) or like) do made[field] = value end
  made.run, made.graph = run, nil
  return made
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

---Whether what this run did was said by a spec.
---@param id string
---@param workflow string
function Mocks:stands_for(id, workflow)
  return self.workflows[workflow] ~= nil and id:find("/", 1, true) ~= nil
end

-- ------------------------------------------------------------------------------------------------
-- Steps

-- "*" stands for anything.
local function pattern_of(id)
  return "^" .. id:gsub("%p", "%%%0"):gsub("%%%*", ".*") .. "$"
end

---@param workflow string
---@param id string of the operation, scopes included; "*" stands for anything
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

-- No clock moves while a step runs: what takes long can only be too late.
function Mocks:spend(mock, operation, given)
  if not given.after_ms then return given end
  if not operation.timeout_ms then
    return self:usage_error(mock.name
      .. ": a step takes no virtual time; testing.after says whether its timeout is over, "
      .. "and it has none")
  end
  if given.after_ms >= operation.timeout_ms then self.memory.host.overrun() end
  return given
end

function Mocks:answer_step(mock, run, about)
  local key = ("%s\t%d\t%d"):format(about.key, run.attempt, about.attempt)
  local given = self.given[key]
  if not given then
    mock.calls = mock.calls + 1
    given = self:resolve(mock, mock.answer, about)
    self.given[key] = given
  end
  return given
end

---What runs in place of a step's body; nil: the body itself.
---@param run table
---@param operation weir.Operation
---@return (fun(about: weir.StepAbout): any)?
function Mocks:step_body(run, operation)
  for i = #self.steps, 1, -1 do
    local mock = self.steps[i]
    if mock.workflow == run.workflow and operation.id:find(mock.pattern) then
      return function(about)
        local given = self:spend(mock, operation, self:answer_step(mock, run, about))
        if given.raised ~= nil then error(given.raised, 0) end
        return given.value
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
-- Mocks that nothing asked for

-- "ship-1" and "ship-2" are no typo of each other.
local function without_digits(name) return (name:gsub("%d", "")) end

local function meant(name, asked)
  local others = {}
  for _, one in ipairs(sorted_keys.of(asked)) do
    if without_digits(one) ~= without_digits(name) then others[#others + 1] = one end
  end
  return suggest.find(name, others)
end

---What was mocked under a name that is near that of something that ran for real, and was itself never asked for.
---@return string[] sentences with the lines of the spec
function Mocks:mistyped()
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
    if id:find("/", 1, true) and not self.workflows[record.workflow] then children[record.workflow] = true end
  end
  for _, workflow in ipairs(sorted_keys.of(self.workflows)) do
    local mock = self.workflows[workflow]
    local near = mock.calls == 0 and meant(workflow, children)
    if near then tell(mock, ('runner:mock("%s", …)'):format(workflow), near) end
  end
  return sentences
end

---The same mocks, unused, for other runs.
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
