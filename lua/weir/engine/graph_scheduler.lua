-- Runs a graph. It begins each node when its dependencies have ended as its `when` asks, until no node runs and none
-- can begin. A node is an ordinary invoke, which the journal records and replays.
--
-- One branch schedules all nodes. It begins the nodes that can begin, in the order in which they became able to, as
-- many as go in a turn, then waits for one outcome. So the delivered outcomes alone decide what it does, and a replay
-- begins each recorded node no later than the original run did. Of a node that has ended only the result's text is
-- kept.

local call_site = require "weir.base.call_site"
local invoke = require "weir.engine.invoke"
local graph_results = require "weir.engine.graph_results"
local entry = require "weir.record.entry"
local failure = require "weir.base.failure"
local select_reset = require "weir.reset.select"
local graph_plan = require "weir.define.graph_plan"
local json = require "weir.json"
local returned = require "weir.engine.returned"
local call = require "weir.engine.call"
local violations = require "weir.define.violations"

local graph_scheduler = {}

-- States of a node. A node that can never begin has a state of its own, so that the nodes that depend on it learn of it
-- once.
local WAITING, READY, RUNNING, COMPLETED, FAILED, NEVER = 0, 1, 2, 3, 4, 5

local MOST_LISTED = 100 -- keys in the details of a failure
local MOST_NAMED = 10 -- keys in its message

---@class weir.Scheduler
---@field run weir.Run
---@field plan weir.Plan
---@field input any the data of the graph, for functions that make the data of nodes
---@field line string of the graph, and so of its nodes
---@field states integer[]
---@field missing integer[] the number of dependencies that have not ended and may still begin
---@field texts table<integer, string> node -> JSON of its result or failure
---@field ready table<integer, integer> nodes that can begin, from `first` to `last`, in the order in which they became
---able to; those that did so together in the order of the graph
---@field first integer
---@field last integer
---@field running integer the number of nodes that run
---@field failures integer[] nodes whose failure fails the graph, in the order in which they failed
---@field wait weir.Wait for the running nodes
---@field read_dep fun(key: string): boolean?, string? the outcome of a node, for those that depend on it
local Scheduler = {}
Scheduler.__index = Scheduler

-- ------------------------------------------------------------------------------------------------
-- The nodes

-- The plan of this run. Nodes that a function makes are checked now.
local function plan_of(definition, input)
  if type(definition.graph) == "table" then return definition.graph end
  local plan, fault, faults = graph_plan.compile(definition.graph(input))
  if plan then return plan end
  if definition.id == graph_plan.WORKFLOW then error(violations.to_failure(graph_plan.WORKFLOW, faults), 0) end
  error(failure.new {
    message = ('%s:%d: graph "%s": %s'):format(definition.file, definition.line, definition.id, fault),
    retryable = false,
  }, 0)
end

local function new(run, definition, plan, input)
  local self = setmetatable({
    run = run, plan = plan, input = input, states = {}, missing = {}, texts = {}, ready = {}, first = 1, last = 0,
    running = 0, failures = {},
    line = definition.line > 0 and ("%s:%d"):format(definition.file, definition.line) or definition.file,
  }, Scheduler)
  for i = 1, plan.count do
    self.states[i], self.missing[i] = WAITING, plan.first_need[i + 1] - plan.first_need[i]
  end
  return self
end

-- ------------------------------------------------------------------------------------------------
-- Begin

function Scheduler:make_ready(i)
  self.states[i], self.last = READY, self.last + 1
  self.ready[self.last] = i
end

local function keys_of_needs(plan, i)
  local keys = {}
  for at = plan.first_need[i], plan.first_need[i + 1] - 1 do keys[#keys + 1] = plan.keys[plan.needs[at]] end
  return keys
end

-- Returns the outcome of a node so far: whether it completed, and the text.
function Scheduler:outcome(key)
  local i = self.plan.index[key]
  local text = self.texts[i]
  if text then return self.states[i] == COMPLETED, text end
end

local function traced(raised) return failure.from(raised, call_site.traceback()) end

local function check_returned(key, ok, value, ...)
  local fault = ok and returned.surplus("data of node", key, ...)
  if fault then return false, fault end
  return ok, value
end

-- Calls the author's function that makes the data of a node. If it fails, the node has failed: the scheduler makes no
-- other attempt, because the function would get the same arguments.
---@return string? text
---@return weir.Failure? fault
function Scheduler:make_data(i, make, keys)
  local key = self.plan.keys[i]
  local deps = graph_results.at_hand(keys, self.read_dep)
  local ok, value = check_returned(key, xpcall(make, traced, self.input, deps))
  local text
  if ok then text, value = call.encode(self.run, value == nil and {} or value, "it") end
  if text then return text end
  local failed = failure.new(value)
  failed.message, failed.retryable = ('data of node "%s": %s'):format(key, failed.message), false
  return nil, failed
end

local NO_OPTIONS = {}

function Scheduler:begin(i)
  local run, plan = self.run, self.plan
  local key = plan.keys[i]
  local options, keys = plan.options[i] or NO_OPTIONS, keys_of_needs(plan, i)
  local data, fault = plan.data[i] or "{}", nil
  if run.journal.recorded[key] then
    data = "" -- the child has its data already
  elseif type(data) == "function" then
    data, fault = self:make_data(i, data, keys)
  end
  fault = fault or call.too_large(run, data, 'data of node "%s"', key)
  local operation = invoke.begin(run, {
    id = key, workflow = plan.workflows[i], line = self.line, data = data, timeout_ms = options.timeout_ms,
    queue = options.queue, priority = options.priority, retry = options.retry, deps = table.concat(keys, "\t"),
    read_dep = self.read_dep, refused = fault and failure.encode(fault),
  })
  operation.node = i
  run.journal:await(operation, self.wait)
  self.states[i] = RUNNING
  self.running = self.running + 1
end

-- Begins the nodes that can begin. Returns true if some are left for the next turn.
function Scheduler:begin_ready()
  local run, ready, keys = self.run, self.ready, self.plan.keys
  local journal = run.journal
  while self.first <= self.last do
    local i = ready[self.first]
    if not journal.recorded[keys[i]] and (run:is_full() or journal:cancelling()) then return true end
    ready[self.first] = nil
    self.first = self.first + 1
    self:begin(i)
  end
  return false
end

-- ------------------------------------------------------------------------------------------------
-- End

-- By `when`: decides, when a dependency of a waiting node ends, whether the node is READY or can NEVER begin now.
local DECIDE = {
  all = function(completed, missing)
    if not completed then return NEVER end
    return missing == 0 and READY
  end,
  any = function(completed, missing)
    if completed then return READY end
    return missing == 0 and NEVER
  end,
  settled = function(_, missing) return missing == 0 and READY end,
}

-- Updates the nodes that depend on a node that has ended; of these, those that can never begin update others in turn. A
-- loop, as chains may be long.
function Scheduler:update_users(first, completed)
  local plan, states, missing = self.plan, self.states, self.missing
  local list, at, ready = { first }, 0, {}
  while at < #list do
    at = at + 1
    local i = list[at]
    for edge = plan.first_user[i], plan.first_user[i + 1] - 1 do
      local user = plan.users[edge]
      missing[user] = missing[user] - 1
      local decided = states[user] == WAITING and DECIDE[plan.when[user] or "all"](completed, missing[user])
      if decided == READY then
        states[user] = READY
        ready[#ready + 1] = user
      elseif decided == NEVER then
        states[user] = NEVER
        list[#list + 1] = user
      end
    end
    completed = false -- the others never begin
  end
  if at > 1 then table.sort(ready) end -- the users of one node are in order
  for _, user in ipairs(ready) do self:make_ready(user) end
end

function Scheduler:settle(operation)
  local i, outcome = operation.node, operation.outcome
  local completed = outcome.state == "completed"
  self.running = self.running - 1
  self.states[i], self.texts[i] = completed and COMPLETED or FAILED, outcome.value
  if not completed and not self.plan.optional[i] then self.failures[#self.failures + 1] = i end
  self:update_users(i, completed)
end

local function first_keys(plan, nodes, most)
  local keys = json.array {}
  for at = 1, math.min(#nodes, most) do keys[at] = plan.keys[nodes[at]] end
  return keys
end

function Scheduler:failure()
  local plan, failures, pending = self.plan, self.failures, {}
  for i = 1, plan.count do
    if self.states[i] == NEVER then pending[#pending + 1] = i end
  end
  local first = failures[1]
  local cause = failure.decode(self.texts[first])
  local message = ('node "%s" failed: %s'):format(plan.keys[first], cause.message)
  if #failures > 1 then
    message = ("%d of %d nodes failed: %s%s (%s: %s)"):format(#failures, plan.count,
      table.concat(first_keys(plan, failures, MOST_NAMED), ", "), #failures > MOST_NAMED and ", …" or "",
      plan.keys[first], cause.message)
  end
  if #pending > 0 then message = ("%s; %d not started"):format(message, #pending) end
  return failure.new {
    code = "child_failed", message = message, retryable = false, run = self.run.id, operation = plan.keys[first],
    workflow = plan.workflows[first], cause = cause,
    details = {
      failed = first_keys(plan, failures, MOST_LISTED), failed_count = #failures,
      pending = first_keys(plan, pending, MOST_LISTED), pending_count = #pending,
    },
  }
end

-- The nodes on which a required node depends, directly or through others.
local function needed_by_required(plan)
  local leads, list = {}, {}
  local function add_needs(i)
    for at = plan.first_need[i], plan.first_need[i + 1] - 1 do
      local need = plan.needs[at]
      if not leads[need] then
        leads[need] = true
        list[#list + 1] = need
      end
    end
  end
  for i = 1, plan.count do
    if not plan.optional[i] then add_needs(i) end
  end
  while #list > 0 do add_needs(table.remove(list)) end
  return leads
end

-- The graph's result: the results of its last nodes, as text. Last nodes are those on which no node depends, and
-- required ones on which only optional nodes depend.
function Scheduler:result()
  local plan, index, keys, leads = self.plan, self.plan.index, {}, needed_by_required(self.plan)
  for i = 1, plan.count do
    local is_last = plan.first_user[i] == plan.first_user[i + 1] or not plan.optional[i] and not leads[i]
    if is_last and self.states[i] == COMPLETED then keys[#keys + 1] = plan.keys[i] end
  end
  table.sort(keys)
  local bytes, parts = 1, {} -- the first brace; each part counts its comma, or the last brace
  for at, key in ipairs(keys) do
    parts[at] = json.encode(key) .. ":" .. self.texts[index[key]]
    bytes = bytes + #parts[at] + 1
  end
  if bytes <= self.run.limits.payload_bytes then return "{" .. table.concat(parts, ",") .. "}" end
  self.run:say("warn", ("the results of %d nodes have %d bytes, %d are allowed: the graph's own is null"):format(#keys,
    bytes, self.run.limits.payload_bytes))
  return "null"
end

-- ------------------------------------------------------------------------------------------------
-- The whole graph

-- The graph's code may have changed since its nodes ran: nodes that now depend on a node that is reset, or new, are
-- reset like those that depended on it then.
local function reset_outdated(journal, plan)
  local kept = {}
  for _, key in ipairs(plan.keys) do
    local text, outcome = journal.recorded[key], journal.came[key]
    if text and outcome then
      kept[key] = {
        number = outcome.number, after = entry.read(text).after, completed = outcome.state == "completed",
      }
    end
  end
  journal:reset_more(select_reset.outdated(plan, kept, journal.reset_children))
end

function Scheduler:run_all()
  local all = self.run.branches
  self.wait = all:begin_watch()
  self.read_dep = function(key) return self:outcome(key) end
  for i = 1, self.plan.count do
    if self.missing[i] == 0 then self:make_ready(i) end
  end
  while true do
    local more = self:begin_ready()
    if not more and self.running == 0 then break end
    local operation = all:await_next("graph", self.wait, more)
    if operation then self:settle(operation) end
  end
  if self.failures[1] then error(self:failure(), 0) end
  self.run.result = self:result()
end

---The body of a graph's run.
---@param ctx weir.Context
---@param definition weir.Definition
---@param input any
function graph_scheduler.run(ctx, definition, input)
  local _, run = call.state_of(ctx, "graph")
  local plan = plan_of(definition, input)
  if run.journal.begins_again then reset_outdated(run.journal, plan) end
  if definition.id == graph_plan.WORKFLOW then
    input = nil -- it is large, and such a graph has no function that reads it
  else
    local shape = graph_plan.shape(plan)
    if run.journal.fields.graph ~= shape then
      run.effects:add("graph", { shape = shape })
    end
  end
  return new(run, definition, plan, input):run_all()
end

return graph_scheduler
