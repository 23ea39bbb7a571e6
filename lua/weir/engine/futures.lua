-- Futures: the objects by which an author waits for operations and branches, and the verbs that wait for several.

local failure = require "weir.base.failure"
local identifier = require "weir.base.identifier"
local json = require "weir.json"
local kinds = require "weir.record.kinds"
local option_checks = require "weir.base.options"
local ordered_pairs = require "weir.base.ordered_pairs"
local returned = require "weir.engine.returned"
local scope = require "weir.base.scope"
local call = require "weir.engine.call"

local check_options, check_run, usage_error = call.check_options, call.check_run, call.usage_error

local futures = {}

local future_methods = {}
local OF = setmetatable({}, { __name = "weir.future" })
local future_metatable = { __metatable = "weir.Future", __name = "weir.Future" }

function future_metatable.__index(_, key)
  return future_methods[key]
    or usage_error(("a future has no %s; future:await() waits for its result, future:settle() also for its failure")
      :format(tostring(key)))
end

---@class weir.Future
---@field await fun(self: weir.Future): any, weir.Info?
---@field settle fun(self: weir.Future): weir.Settled

local RUN = setmetatable({}, { __name = "weir.run" })

---Makes the future of an operation or a branch.
---@param run weir.Run
---@param awaitable weir.Operation|weir.Branch
---@return weir.Future
function futures.of(run, awaitable)
  return setmetatable({ [OF] = awaitable, [RUN] = run }, future_metatable)
end

-- Converts the outcome of an operation to Lua values, once, because each await returns the same values.
local function read(run, operation)
  if operation.ok ~= nil then return end
  local outcome = operation.outcome
  if outcome.state == "completed" then
    if operation.decode then
      local ok, value = pcall(operation.decode, outcome.value)
      operation.ok, operation.value = ok, value
      if not ok then
        operation.value = failure.new {
          code = "payload_invalid", retryable = false, run = run.id, operation = operation.id,
          message = ('decode of "%s" failed: %s'):format(operation.id, tostring(value)),
        }
      end
    else
      operation.ok, operation.value = true, call.result(outcome.value)
    end
    if kinds[operation.kind].owns_child then
      operation.info = setmetatable({
        id = outcome.run or operation.child, attempts = outcome.attempts,
        started_at = operation.asked_at, finished_at = outcome.finished_at,
      }, returned.INFO)
    end
    return
  end
  local cause = failure.decode(outcome.value)
  operation.ok = false
  operation.value = failure.new(
    kinds[operation.kind].failure(operation.id, operation.subject, outcome.state, cause))
  operation.value.run = run.id
end

local function result_of(run, awaitable)
  if awaitable.kind then read(run, awaitable) end
  return awaitable.ok, awaitable.value, awaitable.info
end

---Waits for an operation or a branch; returns its result, or raises its failure.
function futures.await(run, verb_name, awaitable)
  if not awaitable.settled then run.branches:await_one(verb_name, awaitable) end
  local ok, value, info = result_of(run, awaitable)
  if not ok then error(value, 0) end
  return value, info
end

local function private_of(future, name)
  local awaitable = type(future) == "table" and rawget(future, OF)
  if not awaitable then usage_error(("call future:%s with a colon"):format(name)) end
  check_run(future[RUN], "future:" .. name)
  return future[RUN], awaitable
end

---Waits for the outcome; returns or raises as `ctx:invoke` does.
function future_methods:await()
  local run, awaitable = private_of(self, "await")
  return futures.await(run, "await", awaitable)
end

---@class weir.Settled
---@field ok boolean
---@field value any
---@field error weir.Failure?

local function settled(run, awaitable)
  local ok, value = result_of(run, awaitable)
  if ok then return { ok = true, value = call.member(value) } end
  return { ok = false, error = value }
end

---Waits for the outcome, result or failure.
---@return weir.Settled
function future_methods:settle()
  local run, awaitable = private_of(self, "settle")
  if not awaitable.settled then run.branches:await_one("settle", awaitable) end
  return settled(run, awaitable)
end

-- ------------------------------------------------------------------------------------------------
-- ctx:all, ctx:settle, ctx:race

-- Takes the futures of `t` in the order of their keys, and begins its functions as branches.
local function begin_all(state, run, name, t)
  if type(t) ~= "table" then usage_error(("ctx:%s takes a table of futures and functions"):format(name)) end
  if rawget(t, OF) then usage_error(("ctx:%s takes one table of futures: ctx:%s{ a, b }"):format(name, name)) end
  local prefix = call.numbered(state, name) .. ":"
  local keys, items = {}, {}
  for key, item in ordered_pairs.pairs(t) do
    local awaitable
    if type(item) == "function" then
      local label = tostring(key)
      local fault = identifier.fault(label)
      if fault then usage_error(("ctx:%s: the key%s"):format(name, fault)) end
      local inner = scope.branch(state.scope, prefix .. label)
      local ctx = run:new_context(inner)
      awaitable = run.branches:spawn(inner, function() return item(ctx) end, ctx, "branch", label)
    else
      awaitable = type(item) == "table" and rawget(item, OF)
      if not awaitable then
        usage_error(("ctx:%s: [%s] is a %s, not a future or a function (ctx:spawn makes one)"):format(name,
          tostring(key), type(item)))
      end
    end
    keys[#keys + 1], items[#items + 1] = key, awaitable
  end
  return keys, items
end

local function count_missing(items)
  local missing = 0
  for _, awaitable in ipairs(items) do
    if not awaitable.settled then missing = missing + 1 end
  end
  return missing
end

-- A future may stand under two keys; it settles once for both.
local function in_items(items)
  local times = {}
  for _, awaitable in ipairs(items) do times[awaitable] = (times[awaitable] or 0) + 1 end
  return times
end

-- The results of a list are a list. Those of an empty table are a list only if the table is marked as an array.
local function listed(results, t, count)
  local is_list = #results == count and (count > 0 or json.is_array(t))
  return is_list and json.array(results) or results
end

---Returns every result under its key, or raises the first failure; the others go on.
---@generic K
---@param t table<K, weir.Future|fun(ctx: weir.Context): any>
---@return table<K, any>
function futures.all(ctx, t)
  local state, run = call.state_of(ctx, "all")
  local keys, items = begin_all(state, run, "all", t)
  local failed
  for _, awaitable in ipairs(items) do
    if awaitable.settled and not result_of(run, awaitable) and (not failed or awaitable.settled < failed.settled) then
      failed = awaitable
    end
  end
  local missing, times = count_missing(items), in_items(items)
  if not failed and missing > 0 then
    run.branches:await("all", items, function(awaitable)
      missing = missing - times[awaitable]
      if not result_of(run, awaitable) then failed = awaitable end
      return failed ~= nil or missing == 0
    end)
  end
  if failed then
    local _, raised = result_of(run, failed)
    error(raised, 0)
  end
  local results = {}
  for i, key in ipairs(keys) do
    local _, value = result_of(run, items[i])
    results[key] = call.member(value)
  end
  return listed(results, t, #keys)
end

---Returns how each ended, under its key.
---@generic K
---@param t table<K, weir.Future|fun(ctx: weir.Context): any>
---@return table<K, weir.Settled>
function futures.settle(ctx, t)
  local state, run = call.state_of(ctx, "settle")
  local keys, items = begin_all(state, run, "settle", t)
  local missing, times = count_missing(items), in_items(items)
  if missing > 0 then
    run.branches:await("settle", items, function(awaitable)
      missing = missing - times[awaitable]
      return missing == 0
    end)
  end
  local results = {}
  for i, key in ipairs(keys) do results[key] = settled(run, items[i]) end
  return listed(results, t, #keys)
end

local RACE_FIELDS = option_checks.fields { "losers" }

---Returns the result and the key of the first to end, or raises its failure.
---@generic K
---@param t table<K, weir.Future|fun(ctx: weir.Context): any>
---@param options? { losers: "cancel"|"keep" } default "cancel"
---@return any result
---@return any key
function futures.race(ctx, t, options)
  local state, run = call.state_of(ctx, "race")
  options = options or {}
  check_options("race", options, RACE_FIELDS)
  local losers = options.losers or "cancel"
  if losers ~= "cancel" and losers ~= "keep" then usage_error('ctx:race: losers is "cancel" or "keep"') end
  local keys, items = begin_all(state, run, "race", t)
  if #keys == 0 then usage_error("ctx:race needs at least one future or function") end
  local first
  for _, awaitable in ipairs(items) do
    if awaitable.settled and (not first or awaitable.settled < first.settled) then first = awaitable end
  end
  if not first then
    run.branches:await("race", items, function(awaitable)
      first = awaitable
      return true
    end)
  end
  local winner
  for i, awaitable in ipairs(items) do
    if awaitable == first then
      winner = winner or keys[i]
    else
      awaitable.raced = true
      if losers == "cancel" then run:end_early(awaitable, "lost the race") end
    end
  end
  local ok, value = result_of(run, first)
  if not ok then error(value, 0) end
  return value, winner
end

return futures
