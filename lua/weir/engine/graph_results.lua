-- ctx.deps: the results of the nodes on which a node of a graph depends. A result is fetched and decoded once, when the
-- code first reads it.
--
-- The graph's own code reads results from memory. A node is a run of its own: each of its reads is an operation, whose
-- outcome Redis takes from the journal of the graph, so that a replay reads the same.

local failure = require "weir.base.failure"
local futures = require "weir.engine.futures"
local json = require "weir.json"
local suggest = require "weir.base.suggest"
local call = require "weir.engine.call"

local graph_results = {}

---@class weir.DepsState
---@field keys string[] of the dependencies, in order
---@field read fun(position: integer, walking: boolean?): weir.Settled
---@field positions table<string, integer>? by key, made at the first look-up

-- ctx.deps keeps its weir.DepsState under this key, which authors cannot name.
local STATE = setmetatable({}, { __name = "weir.deps" })

local SHOWN = 8 -- keys that a refusal names

local function refuse(state, key)
  local keys = state.keys
  if #keys == 0 then call.usage_error(('deps has no "%s": this node depends on none'):format(tostring(key))) end
  local near = type(key) == "string" and suggest.find(key, keys)
  local more = #keys > SHOWN and (" and %d more"):format(#keys - SHOWN) or ""
  call.usage_error(('deps has no "%s"; %s'):format(tostring(key), near and ('did you mean "%s"?'):format(near)
    or ("there are %s%s"):format(table.concat(keys, ", ", 1, math.min(#keys, SHOWN)), more)))
end

local function look_up(view, key)
  local state = rawget(view, STATE)
  local positions = state.positions
  if not positions then
    positions = {}
    for at, each in ipairs(state.keys) do positions[each] = at end
    state.positions = positions
  end
  return state.read(positions[key] or refuse(state, key))
end

local metatable = { __metatable = "weir.Deps", __name = "weir.Deps" }

function metatable.__index(view, key)
  local dep = look_up(view, key)
  if dep.ok and dep.value ~= json.null then return dep.value end
end

function metatable.__call(view, key)
  local dep = look_up(view, key)
  return { ok = dep.ok, value = dep.value, error = dep.error }
end

function metatable.__pairs(view)
  local state, at = rawget(view, STATE), 0
  return function()
    while at < #state.keys do
      at = at + 1
      local dep = state.read(at, true)
      if dep.ok then return state.keys[at], dep.value end
    end
  end, view
end

function metatable.__newindex(_, key)
  call.usage_error(("deps.%s cannot be written: it is what another node returned"):format(tostring(key)))
end

---@param keys string[]
---@param read fun(position: integer, walking: boolean?): weir.Settled
function graph_results.new(keys, read)
  return setmetatable({ [STATE] = { keys = keys, read = read } }, metatable)
end

-- ------------------------------------------------------------------------------------------------
-- Results in memory

local function not_ended(key)
  return failure.new {
    code = "pending", message = ('node "%s" has not ended, or cannot begin'):format(key), retryable = false,
  }
end

---Decodes the outcome of a node.
---@param key string
---@param ok boolean? nil: it has not ended
---@param text string?
---@return weir.Settled
function graph_results.decode(key, ok, text)
  if ok then return { ok = true, value = json.decode(text) } end
  return { ok = false, error = text and failure.decode(text) or not_ended(key) }
end

---As `new`, for outcomes in memory.
---@param keys string[]
---@param outcome fun(key: string): boolean?, string?
function graph_results.at_hand(keys, outcome)
  local known = {}
  return graph_results.new(keys, function(at)
    known[at] = known[at] or graph_results.decode(keys[at], outcome(keys[at]))
    return known[at]
  end)
end

-- ------------------------------------------------------------------------------------------------
-- Results in the parent's journal

local MOST_KEYS = 200 -- read in one operation

-- Reads, in one operation, the results of `count` keys from `first` on, or of as many as Redis returns at once.
local function fetch(run, id, keys, first, count)
  local journal, begun = run.journal, run.deps_begun
  local operation, new = begun[id], false
  if not operation then
    operation, new = journal:begin("deps", id, "")
    begun[id] = operation
  end
  if new then
    run.effects:add("deps",
      { operation = id, entry = journal:entry(operation), keys = table.move(keys, first, first + count - 1, 1, {}) })
    run.effects.uncertain = true
  end
  return futures.await(run, "deps", operation)
end

local function take_over(known, keys, first, list)
  for i, dep in ipairs(list) do
    local at = first + i - 1
    if not known[at] then
      if not dep.ok then dep.error = dep.error and failure.restore(dep.error) or not_ended(keys[at]) end
      known[at] = dep
    end
  end
end

-- While code walks over all results, one read fetches the following ones, too.
local function reader(run, keys)
  local known = {}
  return function(at, walking)
    call.check_run(run, "ctx.deps")
    if not known[at] then
      local id, count = "deps#" .. keys[at], 1
      if walking then id, count = "deps@" .. at, math.min(MOST_KEYS, #keys - at + 1) end
      take_over(known, keys, at, fetch(run, id, keys, at, count))
    end
    return known[at]
  end
end

---Makes ctx.deps of a run.
---@param run weir.Run
function graph_results.of_run(run)
  if not run.deps then
    call.usage_error("ctx.deps is what a graph's node depends on, and this run is none; what it was given is its data")
  end
  if run.deps_view then return run.deps_view end
  local keys = {}
  for key in run.deps:gmatch("[^\t]+") do keys[#keys + 1] = key end
  run.deps_begun = {}
  run.deps_view = run.read_dep and graph_results.at_hand(keys, run.read_dep)
    or graph_results.new(keys, reader(run, keys))
  return run.deps_view
end

return graph_results
