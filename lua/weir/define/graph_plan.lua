-- Plans of graphs. The nodes that an author wrote, or another program sent, are checked once and stored as a plan: a
-- few lists with one slot a node, so that 100,000 nodes take a few MiB. All work is linear; there is no recursion and
-- no table for each node. Pure; engine/graph_scheduler.lua runs plans.
--
-- Edges are stored in both directions. Node i depends on the nodes in `needs` from `first_need[i]` up to, without,
-- `first_need[i + 1]`, in the order of its depends_on; `users` and `first_user` hold the opposite direction.

local defaults = require "weir.define.defaults"
local duration = require "weir.base.duration"
local identifier = require "weir.base.identifier"
local json = require "weir.json"
local option_checks = require "weir.base.options"
local suggest = require "weir.base.suggest"
local retry_policy = require "weir.define.retry_policy"
local strings = require "weir.base.strings"
local violations = require "weir.define.violations"

local graph_plan = {
  ---The workflow that runs graphs given as data; every bundle has it.
  WORKFLOW = defaults.graph_workflow,
}

---@class weir.NodeOptions
---@field timeout_ms integer?
---@field retry string? JSON of a weir.RetryPolicy
---@field queue string?
---@field priority integer?

---@class weir.Plan
---@field count integer
---@field keys string[]
---@field workflows string[]
---@field data table<integer, string|function> JSON, or the author's function that makes it; {} unless given
---@field options table<integer, weir.NodeOptions> of those that have any
---@field when table<integer, "any"|"settled"> "all" unless given
---@field optional table<integer, true>
---@field index table<string, integer> key -> node
---@field needs integer[]
---@field first_need integer[]
---@field users integer[]
---@field first_user integer[]

local FIELDS = option_checks.fields {
  "data", "depends_on", "key", "optional", "priority", "queue", "retry", "timeout", "when", "workflow",
}
local GRAPH_FIELDS = option_checks.fields { "name", "nodes" } -- of a graph that is given as data
local WHEN = { all = true, any = true, settled = true }

local MOST_FAULTS = 10 -- told of one graph
local MOST_MEANT = 3 -- of these faults say which key was meant
local LONGEST_CYCLE = 20 -- keys of it that are printed

-- ------------------------------------------------------------------------------------------------
-- Faults: each has a sentence that names keys, and its place in the data

local FULL = {} -- raised to end the checks when enough faults are found

local function add_fault(faults, path, format, ...)
  faults[#faults + 1] = { path = path, message = format:format(...) }
  if #faults == MOST_FAULTS then error(FULL, 0) end
end

-- The name of a node in messages: its key, or its position.
local function named(node, i)
  local key = node.key
  if identifier.fault(key) then return ("node %d"):format(i) end
  return ('node "%s"'):format(key)
end

local function meant(name, list, except)
  local near = suggest.find(name, list)
  return near and near ~= except and (' (did you mean "%s"?)'):format(near) or ""
end

-- ------------------------------------------------------------------------------------------------
-- One node

-- In JSON, null means that a field is not given.
local function given(value)
  if value ~= json.null then return value end
end

-- Readers of the other options of a node's invoke: each returns the value to keep, or nil and the fault.
local OPTIONS = {
  { name = "timeout", as = "timeout_ms", read = function(value)
    local ms, fault = duration.ms(value)
    if not ms then return nil, "timeout: " .. fault end
    if ms < 1 then return nil, "timeout must be longer than 0" end
    return ms
  end },
  { name = "retry", as = "retry", read = function(value)
    local policy, fault = retry_policy.policy(value)
    return policy and json.encode(policy), fault
  end },
  { name = "queue", as = "queue", read = function(value)
    local fault = identifier.queue_fault(value)
    if fault then return nil, "queue" .. fault end
    return value
  end },
  { name = "priority", as = "priority", read = function(value)
    local priority, fault = option_checks.priority(value)
    return priority, fault and "priority" .. fault
  end },
}

local function check_fields(node, i, faults)
  local unknown = option_checks.unknown(FIELDS, node, "a node")
  if unknown then add_fault(faults, ("/nodes/%d"):format(i - 1), "%s: %s", named(node, i), unknown) end
end

local function read_options(plan, node, i, faults)
  local options
  for _, option in ipairs(OPTIONS) do
    local value = given(node[option.name])
    if value ~= nil then
      local kept, fault = option.read(value)
      if kept == nil then
        add_fault(faults, ("/nodes/%d/%s"):format(i - 1, option.name), "%s: %s", named(node, i), fault)
      end
      options = options or {}
      options[option.as] = kept
    end
  end
  plan.options[i] = options
end

local function read_data(plan, node, i, faults)
  local data = node.data
  if data == nil then return end
  if type(data) == "function" then
    plan.data[i] = data
    return
  end
  local encoded, fault = json.try_encode(data)
  if not encoded then
    add_fault(faults, ("/nodes/%d/data"):format(i - 1), "data of %s cannot be written as JSON: %s", named(node, i),
      fault)
  elseif encoded ~= "{}" then
    plan.data[i] = encoded
  end
end

local function read_key(plan, node, i, faults)
  local key = node.key
  local fault = identifier.fault(key)
  if fault then
    add_fault(faults, ("/nodes/%d/key"):format(i - 1), "node %d: key%s", i, fault)
  elseif plan.index[key] then
    add_fault(faults, ("/nodes/%d/key"):format(i - 1), 'nodes %d and %d have the same key "%s"', plan.index[key], i,
      key)
  else
    plan.index[key] = i
  end
  plan.keys[i] = key
end

local function read_node(plan, node, i, faults)
  if type(node) ~= "table" or node == json.null then
    add_fault(faults, ("/nodes/%d"):format(i - 1), "node %d is no table with a key and a workflow", i)
    plan.keys[i] = ""
    return
  end
  check_fields(node, i, faults)
  read_key(plan, node, i, faults)
  local fault = identifier.fault(node.workflow)
  if fault then add_fault(faults, ("/nodes/%d/workflow"):format(i - 1), "%s: workflow%s", named(node, i), fault) end
  plan.workflows[i] = node.workflow
  local when, optional = given(node.when), given(node.optional)
  if when ~= nil and not WHEN[when] then
    add_fault(faults, ("/nodes/%d/when"):format(i - 1), '%s: when is "all", "any" or "settled"', named(node, i))
  elseif when ~= "all" then
    plan.when[i] = when
  end
  if optional ~= nil and type(optional) ~= "boolean" then
    add_fault(faults, ("/nodes/%d/optional"):format(i - 1), "%s: optional is true or false", named(node, i))
  end
  plan.optional[i] = optional or nil
  read_options(plan, node, i, faults)
  read_data(plan, node, i, faults)
end

-- ------------------------------------------------------------------------------------------------
-- Edges

-- The length of a list; nil if it is no list.
local function length_of_list(list)
  if type(list) ~= "table" or list == json.null then return nil end
  local count = 0
  for key in next, list do
    if math.type(key) ~= "integer" then return nil end
    count = count + 1
  end
  return count == #list and count or nil
end

local function read_need(plan, i, position, key, seen, faults)
  local path = ("/nodes/%d/depends_on/%d"):format(i - 1, position - 1)
  local need = plan.index[key]
  if not need then
    local compares = type(key) == "string" and #faults < MOST_MEANT
    add_fault(faults, path, 'node "%s" depends on "%s", which is no node%s', plan.keys[i], strings.short(tostring(key)),
      compares and meant(key, plan.keys, plan.keys[i]) or "")
  elseif need == i then
    add_fault(faults, path, 'node "%s" depends on itself', key)
  elseif seen[need] == i then
    add_fault(faults, path, 'node "%s" names "%s" twice in its depends_on', plan.keys[i], key)
  else
    seen[need] = i
    plan.needs[#plan.needs + 1] = need
  end
end

local function read_needs(plan, nodes, faults)
  local seen = {} -- node -> the last one that named it
  for i = 1, plan.count do
    plan.first_need[i] = #plan.needs + 1
    local list = given(nodes[i].depends_on)
    local length = list ~= nil and length_of_list(list) or 0
    if list ~= nil and not length_of_list(list) then
      add_fault(faults, ("/nodes/%d/depends_on"):format(i - 1), "%s: depends_on is a list of keys", named(nodes[i], i))
    end
    for position = 1, length do
      local key = list[position]
      local need = plan.index[key]
      if need and need ~= i and seen[need] ~= i then -- any other key is a fault
        seen[need] = i
        plan.needs[#plan.needs + 1] = need
      else
        read_need(plan, i, position, key, seen, faults)
      end
    end
  end
  plan.first_need[plan.count + 1] = #plan.needs + 1
end

-- Stores the edges in the opposite direction: counts them, then puts them in place.
local function add_users(plan)
  local needs, first_user, users = plan.needs, plan.first_user, plan.users
  for i = 1, plan.count + 1 do first_user[i] = 0 end
  for at = 1, #needs do first_user[needs[at]] = first_user[needs[at]] + 1 end
  local first = 1
  for i = 1, plan.count + 1 do
    first, first_user[i] = first + first_user[i], first
  end
  local free = table.move(first_user, 1, plan.count, 1, {})
  for at = 1, #needs do users[at] = 0 end
  for i = 1, plan.count do
    for at = plan.first_need[i], plan.first_need[i + 1] - 1 do
      local need = needs[at]
      users[free[need]] = i
      free[need] = free[need] + 1
    end
  end
end

-- Removes, again and again, the nodes whose dependencies are all removed. Returns for each node how many dependencies
-- are left; nil if no node is left.
local function left_over(plan)
  local missing, queue, last = {}, {}, 0
  for i = 1, plan.count do
    missing[i] = plan.first_need[i + 1] - plan.first_need[i]
    if missing[i] == 0 then
      last = last + 1
      queue[last] = i
    end
  end
  local at = 0
  while at < last do
    at = at + 1
    local i = queue[at]
    for edge = plan.first_user[i], plan.first_user[i + 1] - 1 do
      local user = plan.users[edge]
      missing[user] = missing[user] - 1
      if missing[user] == 0 then
        last = last + 1
        queue[last] = user
      end
    end
  end
  return last < plan.count and missing or nil
end

-- Each node that is left depends on another one that is left, so the walk from need to need must come to a node twice.
local function find_cycle(plan, missing)
  local i = 1
  while missing[i] == 0 do i = i + 1 end
  local position, path = {}, {}
  while not position[i] do
    path[#path + 1] = i
    position[i] = #path
    local at = plan.first_need[i]
    while missing[plan.needs[at]] == 0 do at = at + 1 end
    i = plan.needs[at]
  end
  return table.move(path, position[i], #path, 1, {})
end

-- Names the nodes of a cycle, beginning with the one that stands first in the graph.
local function describe_cycle(plan, cycle)
  local first = 1
  for at, i in ipairs(cycle) do
    if i < cycle[first] then first = at end
  end
  local names = {}
  for step = 0, math.min(#cycle, LONGEST_CYCLE) - 1 do
    names[#names + 1] = plan.keys[cycle[(first + step - 1) % #cycle + 1]]
  end
  if #cycle > LONGEST_CYCLE then names[#names + 1] = ("… (%d nodes)"):format(#cycle) end
  names[#names + 1] = plan.keys[cycle[first]]
  return ("nodes depend on each other in a cycle: %s"):format(table.concat(names, " -> "))
end

-- ------------------------------------------------------------------------------------------------
-- All of them

local function check_all(plan, nodes, faults)
  local count = length_of_list(nodes)
  if nodes == nil then
    add_fault(faults, "/nodes", "nodes is missing: a graph is a list of nodes")
  elseif not count then
    add_fault(faults, "/nodes", "nodes must be a list of nodes, not a %s", type(nodes))
  end
  if count == 0 then add_fault(faults, "/nodes", "nodes is empty: a graph has one at least") end
  if faults[1] then return end
  plan.count = count
  for i = 1, count do read_node(plan, nodes[i], i, faults) end
  if faults[1] then return end -- edges can be read when every key is good
  read_needs(plan, nodes, faults)
  if faults[1] then return end
  add_users(plan)
  local missing = left_over(plan)
  if missing then add_fault(faults, "/nodes", "%s", describe_cycle(plan, find_cycle(plan, missing))) end
end

---Checks nodes, which an author wrote or JSON gave, and makes a plan of them.
---@param nodes weir.Node[]
---@return weir.Plan? plan
---@return string? fault all faults in one sentence, if there is no plan
---@return weir.Violation[]? faults at most 10
function graph_plan.compile(nodes)
  local plan = {
    count = 0, keys = {}, workflows = {}, data = {}, options = {}, when = {}, optional = {}, index = {},
    needs = {}, first_need = {}, users = {}, first_user = {},
  }
  local faults = {}
  local ok, raised = pcall(check_all, plan, nodes, faults)
  if not ok and raised ~= FULL then error(raised, 0) end
  if not faults[1] then return plan end
  local messages = {}
  for i, fault in ipairs(faults) do messages[i] = fault.message end
  return nil, table.concat(messages, "; "), faults
end

local function refuse_data(list) error(violations.to_failure(graph_plan.WORKFLOW, list), 0) end

---Takes the nodes of a graph out of the data of its run; raises `invalid_data`.
---@param data any
---@return table[] nodes
function graph_plan.nodes_of_data(data)
  if type(data) ~= "table" or data == json.null or json.is_array(data) then
    refuse_data { { path = "/", message = 'must be an object {"name": …, "nodes": [ … ]}' } }
  end
  local unknown = option_checks.unknown(GRAPH_FIELDS, data, "a graph")
  if unknown then refuse_data { { path = "/", message = unknown } } end
  if data.name ~= nil and type(data.name) ~= "string" then
    refuse_data { { path = "/name", message = "must be text" } }
  end
  return data.nodes
end

---The first node whose workflow does not exist.
---@param plan weir.Plan
---@param known table<string, any> by workflow
---@return string? fault
function graph_plan.unknown_workflow(plan, known)
  for i = 1, plan.count do
    local workflow = plan.workflows[i]
    if not known[workflow] then
      local names = identifier.not_own(known)
      return ('node "%s" runs workflow "%s", which no file here defines%s'):format(plan.keys[i], workflow,
        meant(workflow, names))
    end
  end
end

---The shape of a graph, as it is recorded and drawn: JSON of each node without its data and without defaults.
---@param plan weir.Plan
---@return string
function graph_plan.shape(plan)
  local quoted, nodes = {}, {}
  for i = 1, plan.count do quoted[i] = json.encode(plan.keys[i]) end
  for i = 1, plan.count do
    local first, last = plan.first_need[i], plan.first_need[i + 1] - 1
    local parts = {}
    if first <= last then
      local needs = {}
      for at = first, last do needs[#needs + 1] = quoted[plan.needs[at]] end
      parts[1] = ('"depends_on":[%s],'):format(table.concat(needs, ","))
    end
    parts[#parts + 1] = '"key":' .. quoted[i]
    if plan.optional[i] then parts[#parts + 1] = ',"optional":true' end
    if plan.when[i] then parts[#parts + 1] = (',"when":"%s"'):format(plan.when[i]) end
    nodes[i] = ('{%s,"workflow":%s}'):format(table.concat(parts), json.encode(plan.workflows[i]))
  end
  return ('{"nodes":[%s]}'):format(table.concat(nodes, ","))
end

return graph_plan
