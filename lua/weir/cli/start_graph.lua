-- `weir start --graph FILE|-`: a graph that another program made, as JSON. All that can be wrong with it is said here,
-- before anything is started; what is started is the text of the file, byte for byte.

local conductor = require "weir.engine.graph_scheduler"
local graph = require "weir.define.graph_plan"
local identifier = require "weir.base.identifier"
local nearest = require "weir.base.suggest"
local start = require "weir.cli.start"
local store = require "weir.client.redis"

local start_graph = {}

local LONGEST_ID = 64 -- bytes of a name that is made an id
local TOLD = 10 -- unknown workflows

local function check(origin, data)
  local ok, nodes = pcall(conductor.nodes_of_data, data)
  if not ok then store.fault(store.USAGE, "%s: %s", origin, nodes.message) end
  local plan, fault = graph.compile(nodes)
  return plan or store.fault(store.USAGE, "%s is no graph: %s", origin, fault)
end

-- Workflows that nobody has announced, each with the first node that runs it.
local function check_workflows(origin, plan, registry)
  local names, faults, seen = identifier.not_own(registry), {}, {}
  for i = 1, plan.count do
    local workflow = plan.workflows[i]
    if not registry[workflow] and not seen[workflow] then
      seen[workflow] = true
      local near = nearest.find(workflow, names)
      faults[#faults + 1] = ('node "%s" runs workflow "%s", which no host has announced%s'):format(plan.keys[i],
        workflow, near and (' (did you mean "%s"?)'):format(near) or "")
    end
  end
  if #faults == 0 then return end
  local more = #faults > TOLD and ("; and %d more"):format(#faults - TOLD) or ""
  store.fault(store.NO_INPUT, "%s: %s%s (--any starts it all the same)", origin,
    table.concat(faults, "; ", 1, math.min(#faults, TOLD)), more)
end

-- The same graph again is the same run. A name is text that people chose: what no id may hold becomes "-".
local function id_of(name)
  if not name or name == "" then return start.make_id("graph") end
  local id = name:gsub("[%s%c/~]+", "-"):gsub("\xC2[\x80-\x9F]", "-")
  if #id > LONGEST_ID then id = id:sub(1, utf8.offset(id, 0, LONGEST_ID + 1) - 1) end
  return id
end

---Starts the graph that a file holds.
---@param options table of the command
---@return string id
function start_graph.start(options)
  for _, other in ipairs { "data", "each" } do
    if options[other] then store.fault(store.USAGE, "--%s and --graph: the file is all there is to start", other) end
  end
  if options[1] then
    store.fault(store.USAGE, "start %s or the graph (--graph %s), not both", options[1], options.graph)
  end
  local origin = options.graph == "-" and "stdin" or options.graph
  local text, data = start.read(options.graph)
  local plan = check(origin, data)
  local asked = start.ask(graph.WORKFLOW, options)
  if not options.any then check_workflows(origin, plan, asked.registry) end
  return asked:start(options.id or id_of(data.name), text, data)
end

return start_graph
