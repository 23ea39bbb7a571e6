-- Reads the record of a run: the flat fields that Redis holds become the run that people and other programs see.
-- Payloads stay text until they are printed as JSON. Pure.

local defaults = require "weir.define.defaults"
local entry = require "weir.record.entry"
local json = require "weir.json"
local kinds = require "weir.record.kinds"
local run_id = require "weir.base.run_id"
local scopes = require "weir.base.scope"
local strings = require "weir.base.strings"

local record = {}

---@class weir.RecordedOperation
---@field id string
---@field kind string
---@field scope string? nil if pending
---@field state "pending"|"running"|"completed"|"failed"|"cancelled" pending: a node of a graph that has not begun
---@field number integer? of its outcome
---@field after integer? nil if pending, as are line, bundle and times
---@field run string? the child's
---@field workflow string?
---@field arguments string? JSON
---@field line string?
---@field bundle string?
---@field result string? JSON
---@field error table?
---@field attempts integer 0 if pending
---@field started_at integer?
---@field finished_at integer?
---@field refused boolean? it was not started: there is no child
---@field shared boolean? `run` is no child: it is shared by a dedupe key, and may be any run, even one above this one
---@field depends_on string[]? of a node, as are the next two fields
---@field when "any"|"settled"|nil nil: "all"
---@field optional true?

---@class weir.Record
---@field id string
---@field state string
---@field workflow string
---@field attempt integer
---@field generation integer
---@field turn integer how many of its turns are recorded
---@field redo string? what a plain retry resets, as weir.reset.select reads it
---@field detached boolean its outcome goes to no parent
---@field seed string
---@field data string JSON
---@field result string? JSON
---@field error table? if the run has not failed: the error of its last attempt
---@field parent string?
---@field root string
---@field queue string
---@field priority integer
---@field bundle string?
---@field tags string? JSON
---@field progress weir.Progress? how far it is, as it said last
---@field created_at integer
---@field started_at integer?
---@field finished_at integer?
---@field cancel weir.Outcome? its end from outside, recorded: cancelled, expired or crash_loop
---@field moved { attempt: integer, at: integer, before: string? }? its last move to another bundle, within an attempt
---@field cleans boolean? the workflow has received that end and begun to clean up
---@field owner string? the worker that owns it: "<host>.<thread>"
---@field deadline integer?
---@field graph weir.Shape? of a graph
---@field operations weir.RecordedOperation[] in the order in which they began, pending ones last

---@class weir.Shape
---@field nodes weir.ShapeNode[]

---@class weir.ShapeNode
---@field key string
---@field workflow string
---@field depends_on string[]?
---@field when "any"|"settled"|nil
---@field optional true?

record.ENDED = { completed = true, failed = true, cancelled = true }

local function integer(text)
  return text and math.tointeger(tonumber(text))
end

-- Reads a stored failure. Text that is not one is shown as it is, so that its run can still be read.
local function failure_of(text)
  local failure = json.try_decode(text)
  if type(failure) == "table" and failure ~= json.null then return failure end
  return { code = "error", message = strings.readable(text) }
end

-- Returns the failure of the operation as the workflow saw it. The failure of a child is the cause in it.
local function error_of(operation, outcome)
  local failure = failure_of(outcome.value)
  return kinds[operation.kind].failure(operation.id, operation.workflow, outcome.state, failure)
end

local function read_outcome(operation, outcome)
  operation.number, operation.finished_at = outcome.number, outcome.finished_at
  operation.attempts = outcome.attempts
  if outcome.state == "completed" then
    operation.state, operation.result = "completed", outcome.value
    return
  end
  operation.state = outcome.state == "cancelled" and "cancelled" or "failed"
  operation.refused = outcome.state == "refused" or nil
  operation.error = error_of(operation, outcome)
end

-- The bundle that served the run when an operation began. A run that `weir move` gave other code has two in an attempt.
local function bundle_of(run, held, bundles)
  local moved = run.moved
  if moved and held.attempt == moved.attempt and held.started_at <= moved.at then return moved.before end
  return bundles[held.attempt] or run.bundle
end

local function read_operation(run, id, text, outcome, bundles, generation)
  local held = entry.read(text, id)
  local kind = kinds[held.kind]
  local operation = {
    id = id, kind = held.kind, scope = held.scope, after = held.after, line = held.line, started_at = held.started_at,
    workflow = kind.owns_child and held.subject or nil, bundle = bundle_of(run, held, bundles), attempts = 1,
    arguments = held.arguments ~= "" and held.arguments or nil,
  }
  if outcome then
    read_outcome(operation, outcome)
    if operation.error then operation.error.run = operation.error.run or run.id end
  else
    -- An operation that was running when its run ended has ended with the run.
    operation.state = record.ENDED[run.state] and "cancelled" or "running"
    operation.attempts = operation.arguments and kind.tries(held.arguments) or operation.attempts
  end
  if kind.owns_child and not operation.refused then
    operation.run = run_id.child(run.id, id, generation)
  end
  return operation
end

-- ------------------------------------------------------------------------------------------------
-- Graphs

local function is_keys(list)
  if type(list) ~= "table" or list == json.null then return false end
  for _, key in ipairs(list) do
    if type(key) ~= "string" then return false end
  end
  return true
end

-- The shape of a node of a graph that was given as data; nil if the node is invalid.
local function shape_of_node(node)
  if type(node) ~= "table" or type(node.key) ~= "string" or type(node.workflow) ~= "string" then return nil end
  local needs = node.depends_on ~= json.null and node.depends_on or nil
  if needs and not is_keys(needs) then return nil end
  return {
    key = node.key, workflow = node.workflow, depends_on = needs and needs[1] and needs,
    when = (node.when == "any" or node.when == "settled") and node.when or nil, optional = node.optional == true or nil,
  }
end

-- nil if the data is invalid; its run has failed.
local function shape_of_data(text)
  local data = json.try_decode(text)
  local nodes = type(data) == "table" and data.nodes
  if type(nodes) ~= "table" then return nil end
  local shape = { nodes = json.array {} }
  for i, node in ipairs(nodes) do
    shape.nodes[i] = shape_of_node(node)
    if not shape.nodes[i] then return nil end
  end
  return shape
end

---The shape of a graph.
---@param fields table<string, string> of its record
---@return weir.Shape? shape nil: the run is no graph
function record.shape(fields)
  if fields.graph then return json.decode(fields.graph) end
  if fields.workflow == defaults.graph_workflow then return shape_of_data(fields.data) end
end

-- Adds an operation for each node that has not begun.
---@return table<string, integer> places the position of each node in the graph
local function add_nodes(run, by_id)
  local places = {}
  for i, node in ipairs(run.graph.nodes) do
    local operation = by_id[node.key]
    if not operation then
      operation = {
        id = node.key, kind = "invoke", state = "pending", workflow = node.workflow,
        run = run_id.child(run.id, node.key),
        attempts = 0,
      }
      run.operations[#run.operations + 1] = operation
    end
    operation.depends_on, operation.when, operation.optional = node.depends_on or {}, node.when, node.optional
    places[node.key] = i
  end
  return places
end

local LATER = math.maxinteger

-- Sorts operations by their begin. Nodes that began in one turn, and pending ones, keep the order of the graph.
local function sort_nodes(operations, places)
  table.sort(operations, function(a, b)
    local a_after, b_after = a.after or LATER, b.after or LATER
    if a_after ~= b_after then return a_after < b_after end
    local a_at, b_at = a.started_at or LATER, b.started_at or LATER
    if a_at ~= b_at then return a_at < b_at end
    local place, other = places[a.id] or 0, places[b.id] or 0
    if place ~= other then return place < other end
    return a.id < b.id
  end)
end

-- ------------------------------------------------------------------------------------------------
-- Runs

-- The delivery of an end from outside has cancelled the operations that were running; later operations are clean-up.
local function cut_off(run)
  local number = run.cancel.number
  for _, operation in ipairs(run.operations) do
    run.cleans = run.cleans or operation.after ~= nil and operation.after >= number or nil
  end
  if not run.cleans then return end
  for _, operation in ipairs(run.operations) do
    if operation.state == "running" and operation.after < number then operation.state = "cancelled" end
  end
end

-- The last move to another bundle.
local function read_moved(text)
  local attempt, at, before = (text or ""):match "^(%d+)\t(%d+)\t(.*)$"
  return attempt and { attempt = integer(attempt), at = integer(at), before = before ~= "" and before or nil }
end

---How far a run is; text that is none is left out.
---@param text string?
---@return weir.Progress?
function record.progress(text)
  local progress = text and json.try_decode(text)
  return type(progress) == "table" and progress ~= json.null and progress or nil
end

---@param id string
---@param list string[] field, value, field, value … as stored
---@return weir.Record
function record.read(id, list)
  local fields, entries, outcomes, bundles, generations, shared, cancel = {}, {}, {}, {}, {}, {}, nil
  for i = 1, #list, 2 do
    local field, value = list[i], list[i + 1]
    local operation, attempt = field:match("^o:(.+)$"), field:match("^bundle@(%d+)$")
    if operation then
      entries[operation] = value
    elseif field:find("^c:") then
      generations[field:sub(3)] = value
    elseif field:find("^w:") then
      shared[field:sub(3)] = value
    elseif field:find("^%d+$") then
      local outcome = entry.read_outcome(math.tointeger(tonumber(field)), value)
      if outcome.operation ~= "" then
        outcomes[outcome.operation] = outcome
      elseif outcome.state ~= "terminated" and (not cancel or outcome.number < cancel.number) then
        cancel = outcome
      end
    elseif attempt then
      bundles[integer(attempt)] = value
    else
      fields[field] = value
    end
  end

  local run = {
    id = id, state = fields.state, workflow = fields.workflow, attempt = integer(fields.attempt) or 1,
    generation = integer(fields.generation) or 1, turn = integer(fields.turn) or 0, redo = fields.redo,
    detached = fields.detached == "1",
    seed = fields.seed, data = fields.data, result = fields.result,
    error = fields.error and failure_of(fields.error), parent = run_id.parent(id),
    root = run_id.root(id), queue = (fields.queue or defaults.queue):gsub("^%?.*", defaults.queue),
    priority = integer(fields.priority) or 0,
    bundle = fields.bundle ~= "" and fields.bundle or nil, moved = read_moved(fields.moved), tags = fields.tags,
    progress = record.progress(fields.progress),
    created_at = integer(fields.created_at) or 0, started_at = integer(fields.started_at),
    finished_at = integer(fields.finished_at), cancel = cancel,
    owner = fields.owner ~= "" and fields.owner or nil, deadline = integer(fields.deadline), operations = {},
  }
  local by_id = {}
  for operation, text in pairs(entries) do
    by_id[operation] = read_operation(run, operation, text, outcomes[operation], bundles, generations[operation])
    if shared[operation] then by_id[operation].run, by_id[operation].shared = shared[operation], true end
    run.operations[#run.operations + 1] = by_id[operation]
  end
  if cancel and not record.ENDED[run.state] then cut_off(run) end
  run.graph = record.shape(fields)
  if run.graph then
    sort_nodes(run.operations, add_nodes(run, by_id))
  else
    entry.sort(run.operations)
  end
  return run
end

local function decoded(text, otherwise)
  if text then return json.decode(text) end
  return otherwise
end

local function or_null(value)
  if value == nil then return json.null end
  return value
end

-- With the branches around the operation and the operation that it undoes: a replay needs both, and ids do not tell.
local function operation_table(operation)
  local names = scopes.names(operation.scope or scopes.ROOT)
  return {
    scope = names[1] and json.array(names), undoes = operation.scope and scopes.undone(operation.scope),
    id = operation.id, kind = operation.kind, state = operation.state, number = or_null(operation.number),
    after = or_null(operation.after), run = or_null(operation.run), workflow = or_null(operation.workflow),
    arguments = decoded(operation.arguments, {}), line = or_null(operation.line), bundle = or_null(operation.bundle),
    result = decoded(operation.result, json.null), error = or_null(operation.error),
    attempts = operation.attempts, started_at = or_null(operation.started_at),
    finished_at = or_null(operation.finished_at),
    depends_on = operation.depends_on and json.array(operation.depends_on),
    when = operation.when, optional = operation.optional,
  }
end

---@param operation weir.RecordedOperation
---@return string
function record.operation_json(operation) return json.encode(operation_table(operation)) end

---The run as JSON, as commands print it with --json.
---@param run weir.Record
---@return string
function record.json(run)
  local operations = json.array {}
  for i, operation in ipairs(run.operations) do operations[i] = operation_table(operation) end
  local shown = {
    id = run.id, workflow = run.workflow, state = run.state, attempt = run.attempt, generation = run.generation,
    seed = run.seed, data = decoded(run.data, json.null), result = decoded(run.result, json.null),
    error = or_null(run.error), parent = or_null(run.parent), root = run.root, queue = run.queue,
    priority = run.priority, bundle = or_null(run.bundle), tags = decoded(run.tags, {}),
    progress = run.progress, created_at = run.created_at, started_at = or_null(run.started_at),
    finished_at = or_null(run.finished_at), operations = operations,
    cancel = run.cancel and {
      number = run.cancel.number, state = run.cancel.state, at = run.cancel.finished_at, message = run.cancel.value,
    },
  }
  return json.encode(shown, json.DEEPEST) -- payloads may be as deep as JSON may be, and stand inside of it
end

return record
