-- Starts a graph that another program wrote as JSON. It checks the graph and the workflows of its nodes before Redis
-- writes anything. The text becomes the data of the run, byte for byte.

local fault = require "weir.client.fault"
local graph_plan = require "weir.define.graph_plan"
local identifier = require "weir.base.identifier"
local start = require "weir.client.start"
local suggest = require "weir.base.suggest"

local start_graph = {}

local LONGEST_ID = 64 -- bytes of an id that is made from the name of a graph
local LISTED = 10 -- unknown workflows in a message

local function compile(origin, data)
  local ok, nodes = pcall(graph_plan.nodes_of_data, data)
  if not ok then fault.raise("invalid", "%s: %s", origin, nodes.message) end
  local plan, problem = graph_plan.compile(nodes)
  return plan or fault.raise("invalid", "%s is no graph: %s", origin, problem)
end

-- Refuses workflows that no host has announced; names the first node that runs each.
local function check_workflows(origin, plan, registry)
  local names, problems, seen = identifier.not_own(registry), {}, {}
  for i = 1, plan.count do
    local workflow = plan.workflows[i]
    if not registry[workflow] and not seen[workflow] then
      seen[workflow] = true
      local suggestion = suggest.find(workflow, names)
      problems[#problems + 1] = ('node "%s" runs workflow "%s", which no host has announced%s'):format(plan.keys[i],
        workflow, suggestion and (' (did you mean "%s"?)'):format(suggestion) or "")
    end
  end
  if #problems == 0 then return end
  local more = #problems > LISTED and ("; and %d more"):format(#problems - LISTED) or ""
  fault.raise("unknown_workflow", "%s: %s%s (--any starts it anyway)", origin,
    table.concat(problems, "; ", 1, math.min(#problems, LISTED)), more)
end

-- Makes an id from the name of a graph, so that sending the graph again finds the same run. Characters that an id must
-- not contain become "-".
local function id_of(name)
  if not name or name == "" then return start.make_id("graph") end
  local id = name:gsub("[%s%c/~]+", "-"):gsub("\xC2[\x80-\x9F]", "-")
  if #id > LONGEST_ID then id = id:sub(1, utf8.offset(id, 0, LONGEST_ID + 1) - 1) end
  return id
end

---@param origin string the name of the document in messages
---@param id string?
---@param text string the graph as JSON
---@param data any the same, decoded
---@param options weir.StartOptions
---@return weir.Started
function start_graph.start(origin, id, text, data, options)
  local plan = compile(origin, data)
  local request = start.request(graph_plan.WORKFLOW, options)
  if not options.any then check_workflows(origin, plan, request.registry) end
  return request:start(id or id_of(data.name), text, data)
end

return start_graph
