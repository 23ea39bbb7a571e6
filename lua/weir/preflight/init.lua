-- Preflight: whether runs in flight would go on with other code. Their journals are replayed on it up to where they
-- end; nothing is executed and nothing is written. User code runs under the limits of a run.
--
-- A preflight replays all journals if it has the time. Beyond MOST runs, or when the time is over, it replays a sample:
-- the same number for each workflow and state, the newest and the oldest first, then runs in between.

local bundles = require "weir.code.bundle"
local check = require "weir.engine.check"
local failure = require "weir.base.failure"
local json = require "weir.json"
local redis = require "weir.client.redis"
local sandbox = require "weir.code.sandbox"
local transport = require "weir.client.transport"

local preflight = {}

local MOST = 20000 -- journals
local MOST_SEEN = 200000 -- runs from which these are chosen
local BATCH = 50 -- journals in one call

---@class weir.PreflightOptions
---@field ms integer? the time that it may take; nil: no limit
---@field cpu_ms integer that one replay may take
---@field memory_bytes integer that one replay may take
---@field limits weir.Limits of runs
---@field host weir.native.host
---@field is_stopped (fun(): boolean)? asked between journals: the rest is not looked at
---@field on_progress (fun(looked: integer, chosen: integer))? told after each batch

---@class weir.PreflightFault a run that would not go on
---@field run string
---@field workflow string
---@field code string
---@field message string
---@field line string? "file:line" of the new code

---@class weir.Preflight
---@field looked integer runs whose journal was replayed
---@field found integer runs in flight
---@field partial boolean not all runs were found, or looked at
---@field continue integer
---@field faults weir.PreflightFault[]

-- ------------------------------------------------------------------------------------------------
-- The sample

-- The newest, the oldest, the next newest, …
local function from_both_ends(list)
  local order, low, high = {}, 1, #list
  while low <= high do
    order[#order + 1], high = list[high], high - 1
    if low <= high then order[#order + 1], low = list[low], low + 1 end
  end
  return order
end

---Chooses runs: all, or the same number for each workflow and state.
---@param runs weir.RunInFlight[]
---@param most integer
---@return weir.RunInFlight[]
function preflight.sample(runs, most)
  local groups, by_name = {}, {}
  for _, run in ipairs(runs) do
    local name = run.workflow .. "\t" .. run.state
    if not by_name[name] then
      by_name[name] = { name = name }
      groups[#groups + 1] = by_name[name]
    end
    table.insert(by_name[name], run)
  end
  table.sort(groups, function(a, b) return a.name < b.name end)
  for i, group in ipairs(groups) do
    table.sort(group, function(a, b)
      if a.created_at ~= b.created_at then return a.created_at < b.created_at end
      return a.id < b.id
    end)
    groups[i] = from_both_ends(group)
  end
  local chosen, round = {}, 1
  while #chosen < math.min(most, #runs) do
    for _, group in ipairs(groups) do
      if group[round] and #chosen < most then chosen[#chosen + 1] = group[round] end
    end
    round = round + 1
  end
  return chosen
end

---Whether any run is in flight.
---@return boolean
function preflight.has_runs()
  local _, size = redis.in_flight()()
  return size > 0
end

local function find(bundle, workflows, is_over)
  local found, known, seen, size = {}, {}, 0, 0
  for page, of in redis.in_flight(bundle, workflows) do
    for _, run in ipairs(page) do
      if not known[run.id] then found[#found + 1], known[run.id] = run, true end
    end
    seen, size = seen + redis.LOOKED_AT, of
    if seen >= MOST_SEEN or is_over() then break end
  end
  return found, seen < size
end

-- ------------------------------------------------------------------------------------------------
-- The replay

-- Replays a journal under limits, and changes `fields`.
local function rehearse(options, bundle, id, fields, now)
  local ok, value, message = options.host.guard(options.memory_bytes, options.cpu_ms, check.rehearse, bundle, id,
    fields, { now = now, limits = options.limits, host = options.host })
  if ok then return value end
  local raised = failure.from(message)
  return { code = value == "error" and raised.code or value, message = raised.message,
           line = tostring(raised.message):match "^([^\n:]+:%d+): " }
end

---Loads the sources of a bundle under the limits of a run.
---@param options weir.PreflightOptions
---@param name string
---@param files table<string, string>
---@return weir.Bundle?
---@return string[]? faults
function preflight.load(options, name, files)
  local faults, say = nil, sandbox.on_print
  function sandbox.on_print() end
  local ok, loaded, message = options.host.guard(options.memory_bytes, options.cpu_ms, function()
    local loaded
    loaded, faults = bundles.load(name, files)
    return loaded
  end)
  sandbox.on_print = say
  if ok then return loaded, faults end
  return nil, { tostring(failure.from(message).message) }
end

---Bundles of Redis, each read and loaded once, when it is asked for.
---@param options weir.PreflightOptions
---@return fun(name: string): weir.Bundle?, string? bundles the bundle, or why it does not load
function preflight.bundles(options)
  local loaded = {}
  return function(name)
    if not loaded[name] then
      local files, bundle, faults = redis.sources(name), nil, nil
      if files then bundle, faults = preflight.load(options, name, files) end
      loaded[name] = { bundle = bundle, fault = not files and "its sources are gone" or faults and faults[1] }
    end
    return loaded[name].bundle, loaded[name].fault
  end
end

-- The change does not cause a failure to which the run's present code leads as well: the run compensates, or is about
-- to begin another attempt.
local function is_new(options, found, own, loaded, id, list, now)
  local before = found.code ~= "replay_mismatch" and own and loaded(own)
  return not before or rehearse(options, before, id, redis.fields_of(list), now).code ~= found.code
end

-- Replays one run, whose record is `list`, and `fields`, which is changed.
local function look_at(options, bundle, id, list, fields, now, loaded)
  local workflow, own = fields.workflow, fields.bundle
  local found = rehearse(options, bundle, id, fields, now)
  if not found.code or not is_new(options, found, own, loaded, id, list, now) then return nil end
  return { run = id, workflow = workflow, code = found.code, message = found.message, line = found.line }
end

---Replays one run, whose record comes from `redis.records`.
---@param options weir.PreflightOptions
---@param bundle weir.Bundle
---@param id string
---@param list string[]
---@param now integer
---@param loaded fun(name: string): weir.Bundle? of preflight.bundles
---@return weir.PreflightFault? fault
function preflight.run(options, bundle, id, list, now, loaded)
  return look_at(options, bundle, id, list, redis.fields_of(list), now, loaded)
end

local WAITS = { waiting = true, retrying = true }

---Replays runs of some workflows that began their attempt on another bundle.
---@param bundle weir.Bundle
---@param workflows string[]? nil: of all that the bundle has
---@param options weir.PreflightOptions
---@return weir.Preflight
function preflight.look(bundle, workflows, options)
  local began = transport.now_ms()
  local function is_over()
    return options.ms ~= nil and transport.now_ms() - began > options.ms
      or options.is_stopped ~= nil and options.is_stopped()
  end
  workflows = workflows or bundles.ids(bundle)
  local found, partial = find(bundle.name, workflows, is_over)
  local chosen = preflight.sample(found, MOST)
  local result = { looked = 0, found = #found, partial = partial or #chosen < #found, continue = 0, faults = {} }
  local loaded = preflight.bundles(options)
  for from = 1, #chosen, BATCH do
    if is_over() then
      result.partial = true
      break
    end
    local ids = {}
    for i = from, math.min(from + BATCH - 1, #chosen) do ids[#ids + 1] = chosen[i].id end
    local lists, now = redis.records(ids)
    for _, id in ipairs(ids) do
      local list = lists[id]
      local fields = redis.fields_of(list or {})
      if not WAITS[fields.state] then
        result.found = result.found - 1 -- it went on meanwhile
      elseif not is_over() then
        local fault = look_at(options, bundle, id, list, fields, now, loaded)
        result.looked = result.looked + 1
        if fault then result.faults[#result.faults + 1] = fault else result.continue = result.continue + 1 end
      end
    end
    if options.on_progress then options.on_progress(result.looked, #chosen) end
  end
  if result.looked < result.found then result.partial = true end
  return result
end

---Adds two results.
---@param a weir.Preflight
---@param b weir.Preflight
---@return weir.Preflight
function preflight.joined(a, b)
  local faults = table.move(a.faults, 1, #a.faults, 1, {})
  return { looked = a.looked + b.looked, found = a.found + b.found, partial = a.partial or b.partial,
           continue = a.continue + b.continue, faults = table.move(b.faults, 1, #b.faults, #faults + 1, faults) }
end

-- ------------------------------------------------------------------------------------------------
-- In words

local function runs(count) return ("%d run%s"):format(count, count == 1 and "" or "s") end

local NAMED = 3 -- places in a sentence

-- The places at which runs would not go on, the most frequent first.
local function places(faults)
  local counts, lines = {}, {}
  for _, found in ipairs(faults) do
    local line = found.line or found.workflow
    if not counts[line] then lines[#lines + 1] = line end
    counts[line] = (counts[line] or 0) + 1
  end
  table.sort(lines, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    return a < b
  end)
  local more = #lines > NAMED and (" and %d more"):format(#lines - NAMED) or ""
  return table.concat(lines, ", ", 1, math.min(#lines, NAMED)) .. more
end

---"412 runs would continue, 3 would mismatch at order.lua:45"; nil when no run is in flight.
---@param result weir.Preflight
---@return string?
function preflight.sentence(result)
  if result.found == 0 then return nil end
  local mismatches, failures = {}, {}
  for _, found in ipairs(result.faults) do
    table.insert(found.code == "replay_mismatch" and mismatches or failures, found)
  end
  local parts = { runs(result.continue) .. " would continue" }
  if mismatches[1] then parts[#parts + 1] = ("%d would mismatch at %s"):format(#mismatches, places(mismatches)) end
  if failures[1] then parts[#parts + 1] = ("%d would fail at %s"):format(#failures, places(failures)) end
  local text = table.concat(parts, ", ")
  if not result.partial then return text end
  return ("%s (looked at %d of %s)"):format(text, result.looked, runs(result.found))
end

---@param result weir.Preflight
---@return table value as it is printed with --json
function preflight.to_json(result)
  local faults = json.array {}
  for i, found in ipairs(result.faults) do
    faults[i] = { run = found.run, workflow = found.workflow, code = found.code, message = found.message,
                  line = found.line or json.null }
  end
  return { found = result.found, looked = result.looked, continue = result.continue, faults = faults }
end

return preflight
