-- Golden journals: files of journals against which changed code can be checked before it is deployed. A file holds one
-- run as `weir show RUN --json` prints it, or a list of runs.

local entry = require "weir.record.entry"
local json = require "weir.json"
local kinds = require "weir.record.kinds"
local ordered_pairs = require "weir.base.ordered_pairs"
local recorded = require "weir.record.record"
local check = require "weir.engine.check"
local run_id = require "weir.base.run_id"
local scopes = require "weir.base.scope"

local golden = {}

local MOST_FAULTS = 5

-- ------------------------------------------------------------------------------------------------
-- Files

-- JSON for people and for diff: a line for each value, keys sorted.
local function pretty(value, indent)
  if type(value) ~= "table" or value == json.null or next(value) == nil then return json.encode(value) end
  local lines, inner, is_list = {}, indent .. "  ", json.is_array(value)
  for key, member in ordered_pairs.pairs(value) do
    lines[#lines + 1] = inner .. (is_list and "" or json.encode(key) .. ": ") .. pretty(member, inner)
  end
  return (is_list and "[" or "{") .. "\n" .. table.concat(lines, ",\n") .. "\n" .. indent .. (is_list and "]" or "}")
end

local function read_file(path)
  local file <close> = io.open(path, "rb")
  return file and file:read("a")
end

---@return table[]? runs
---@return string? fault
local function read_runs(path)
  local text = read_file(path)
  if not text then
    return nil, ("there is no %s; runner:record makes it, or weir show RUN --json > %s"):format(path, path)
  end
  local value, fault = json.try_decode(text)
  if fault then return nil, ("%s is not valid JSON: %s"):format(path, fault) end
  local runs = json.is_array(value) and value or { value }
  for _, run in ipairs(runs) do
    if type(run) ~= "table" or type(run.operations) ~= "table" or type(run.workflow) ~= "string" then
      return nil, ("%s holds something else than runs as weir show RUN --json prints them"):format(path)
    end
  end
  return runs
end

-- ------------------------------------------------------------------------------------------------
-- Record

-- Removes lines and bundles, which may change, and tracebacks.
local function without_lines(run)
  local function strip(failure)
    while type(failure) == "table" and failure ~= json.null do
      failure.traceback = nil
      failure = failure.cause
    end
  end
  run.bundle, run.progress = nil, nil
  strip(run.error)
  for _, operation in ipairs(run.operations) do
    operation.line, operation.bundle = nil, nil
    strip(operation.error)
  end
end

local function lines_of(runs)
  local lines = {}
  for _, run in ipairs(runs) do without_lines(run) end
  for line in (pretty(json.array(runs), "") .. "\n"):gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
  return lines
end

local function compare(path, new_runs)
  local runs, fault = read_runs(path)
  if not runs then return fault end
  local there, now = lines_of(runs), lines_of(new_runs)
  local function trimmed(line) return line and line:match("^%s*(.-),?$") or "nothing" end
  for i = 1, math.max(#there, #now) do
    if trimmed(there[i]) ~= trimmed(now[i]) then
      return ("%s, line %d, has %s, the runs made %s; WEIR_RECORD=1 records them anew"):format(path, i,
        trimmed(there[i]), trimmed(now[i]))
    end
  end
end

-- The runs that were not mocked, in the order of their ids.
local function runs_of(memory, mocks)
  local ids, runs = {}, {}
  for _, id in ipairs(memory.order) do
    if not mocks:stands_for(id, memory.records[id].workflow) then ids[#ids + 1] = id end
  end
  table.sort(ids)
  for i, id in ipairs(ids) do runs[i] = json.decode(recorded.json(memory:read(id))) end
  return runs
end

---@param memory weir.Memory
---@param mocks weir.testing.Mocks
---@param path string
---@return string? fault
function golden.record(memory, mocks, path)
  local runs = runs_of(memory, mocks)
  if not runs[1] then return "runner:record: nothing was run" end
  if read_file(path) and os.getenv("WEIR_RECORD") ~= "1" then return compare(path, runs) end
  local file <close>, fault = io.open(path, "wb")
  if not file then return ("runner:record: %s; is there such a folder?"):format(fault) end
  file:write(pretty(json.array(runs), ""), "\n")
end

-- ------------------------------------------------------------------------------------------------
-- Replay

local function present(value)
  if value ~= json.null then return value end
end

-- The state and the value of an outcome, as the journal has them.
local function outcome_of(operation)
  if operation.state == "completed" then return "completed", json.encode(operation.result) end
  local failure = operation.error
  if not kinds[operation.kind].owns_child then return "failed", json.encode(failure) end
  if failure.code == "child_failed" then return operation.state, json.encode(failure.cause) end
  return failure.code == "timeout" and "timeout" or "refused", json.encode(failure)
end

local BEFORE = 0 -- the attempt of all operations in the file: it ran on other code

local function add_operation(fields, run, operation)
  local id, number = operation.id, present(operation.number)
  local arguments = operation.arguments
  local subject = kinds[operation.kind].owns_child and operation.workflow or ""
  local text = entry.write(operation.kind, operation.after, BEFORE, present(operation.line) or "?", subject,
    next(arguments) and json.encode(arguments) or "", scopes.marks(scopes.of(operation.scope or {}, operation.undoes)))
  fields["o:" .. id] = entry.stored(text, operation.started_at, number)
  local generation, shared
  local child = present(operation.run)
  if child then
    if not run_id.is_child_of(child, run.id) then
      fields["w:" .. id], shared = child, child
    else
      generation = run_id.generation(child)
      fields["c:" .. id] = generation and tostring(generation)
    end
  end
  if not number then return end
  local state, value = outcome_of(operation)
  fields[tostring(number)] =
    entry.write_outcome(id, state, operation.finished_at, operation.attempts, value, generation, shared)
  fields.last_number = tostring(math.max(number, tonumber(fields.last_number)))
end

-- The record of the run, as a store has it.
local function fields_of(run, bundle_name)
  local fields = {
    workflow = run.workflow, data = json.encode(run.data), seed = run.seed, created_at = tostring(run.created_at),
    started_at = tostring(run.started_at), attempt = tostring(run.attempt), generation = tostring(run.generation),
    last_number = "0",
    bundle = bundle_name, ["bundle@" .. BEFORE] = present(run.bundle), tags = json.encode(run.tags),
  }
  for _, operation in ipairs(run.operations) do
    if present(operation.started_at) then add_operation(fields, run, operation) end
  end
  local cancel = run.cancel
  if cancel then
    fields[tostring(cancel.number)] = entry.write_end(cancel.state, cancel.at, cancel.message)
    fields.last_number = tostring(math.max(cancel.number, tonumber(fields.last_number)))
  end
  return fields
end

-- The dependencies of a node, which stand in the record of its graph.
local function deps_of(run, by_id)
  local parent, own = by_id[present(run.parent) or ""], nil
  for _, operation in ipairs(parent and parent.operations or {}) do
    if operation.run == run.id then own = operation.depends_on end
  end
  return own and table.concat(own, "\t")
end

-- Codes of ends that do not come from the run's code.
local FROM_OUTSIDE = { expired = true, crash_loop = true, cpu_limit = true, memory_limit = true }

local function ends_itself(run)
  if run.state == "failed" then return not (run.cancel or FROM_OUTSIDE[run.error.code]) end
  return run.state == "completed"
end

-- Whether a run can be replayed. A child without operations may have been inlined; it never waited.
local function can_go_on(run)
  if not present(run.started_at) then return false end
  return not (run.state == "completed" and #run.operations == 0 and present(run.parent))
end

local function check_run(memory, run, by_id)
  local bundle = memory.bundles[#memory.bundles]
  if not bundle.workflows[run.workflow] then
    return ('there is no workflow "%s" any more'):format(run.workflow)
  end
  local fields, own = fields_of(run, bundle.name), {}
  fields.deps = deps_of(run, by_id)
  local from_outside = run.state == "cancelled" and not run.cancel
  for _, operation in ipairs(run.operations) do
    own[operation.id] = operation.bundle == run.bundle and not from_outside
  end
  return check.dry(bundle, run.id, fields, {
    now = present(run.finished_at) or run.created_at, limits = memory.limits, host = memory.host,
    ended = ends_itself(run), is_meant = function(held) return own[held.id] end,
  }).fault
end

---@param memory weir.Memory
---@param mocks weir.testing.Mocks
---@param path string
---@return integer? count of runs
---@return string? fault
function golden.replays(memory, mocks, path)
  local runs, fault = read_runs(path)
  if not runs then return nil, fault end
  local by_id, faults, count = {}, {}, 0
  for _, run in ipairs(runs) do by_id[run.id] = run end
  for _, run in ipairs(runs) do
    if can_go_on(run) and not mocks:stands_for(run.id, run.workflow) then
      count = count + 1
      fault = check_run(memory, run, by_id)
      if fault then faults[#faults + 1] = ("run %s could not go on: %s"):format(run.id, fault) end
    end
  end
  if not faults[1] then return count end
  local more = #faults > MOST_FAULTS and ("\n  and %d more"):format(#faults - MOST_FAULTS) or ""
  return nil, ("%s:\n  %s%s"):format(path, table.concat(faults, "\n  ", 1, math.min(#faults, MOST_FAULTS)), more)
end

return golden
