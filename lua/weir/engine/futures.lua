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
    or usage_error(("a future has no %s; future:await() waits for its result, future:settle() also for its failure, "
      .. "future:cancel() ends it")
      :format(tostring(key)))
end

---@class weir.Future
---@field await fun(self: weir.Future): any, weir.Info?
---@field settle fun(self: weir.Future): weir.Settled
---@field cancel fun(self: weir.Future)

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

---@param awaitable weir.Operation|weir.Branch that has settled
---@return weir.Settled
function futures.settled(run, awaitable)
  local ok, value = result_of(run, awaitable)
  if ok then return { ok = true, value = call.member(value) } end
  return { ok = false, error = value }
end

---Waits for the outcome, result or failure.
---@return weir.Settled
function future_methods:settle()
  local run, awaitable = private_of(self, "settle")
  if not awaitable.settled then run.branches:await_one("settle", awaitable) end
  return futures.settled(run, awaitable)
end

---Ends it early, unless it has ended: the child is cancelled. To await it still gives its outcome.
function future_methods:cancel()
  local run, awaitable = private_of(self, "cancel")
  run:end_early(awaitable, "was cancelled by future:cancel")
end

-- ------------------------------------------------------------------------------------------------
-- ctx:all, ctx:settle, ctx:race, ctx:any

---Begins a branch.
---@param name string of the verb
---@param prefix string of the name of its scope: "all#1:"
---@param key any by which its result is found
---@param body fun(ctx: weir.Context): any
---@return weir.Branch
function futures.begin_branch(state, run, name, prefix, key, body)
  local label = tostring(key)
  local fault = identifier.fault(label)
  if fault then usage_error(("ctx:%s: the key%s"):format(name, fault)) end
  local inner = scope.branch(state.scope, state.within .. prefix .. label)
  local ctx = run:new_context(inner)
  return run.branches:spawn(inner, function() return body(ctx) end, ctx, "branch", label)
end

-- Takes the futures of `t` in the order of their keys, and begins its functions as branches.
local function begin_all(state, run, name, t)
  if type(t) ~= "table" then usage_error(("ctx:%s takes a table of futures and functions"):format(name)) end
  if rawget(t, OF) then usage_error(("ctx:%s takes one table of futures: ctx:%s{ a, b }"):format(name, name)) end
  local prefix = call.scope_id(state, name) .. ":"
  local keys, items = {}, {}
  for key, item in ordered_pairs.pairs(t) do
    local awaitable
    if type(item) == "function" then
      awaitable = futures.begin_branch(state, run, name, prefix, key, item)
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

---The results of a list are a list. Those of an empty table are a list only if the table is marked as an array.
---@param results table
---@param t table whose members the results are of
---@param count integer of the members
---@return table results
function futures.listed(results, t, count)
  local is_list = #results == count and (count > 0 or json.is_array(t))
  return is_list and json.array(results) or results
end

-- The member that settled first, among those that have settled and that `counts` accepts.
local function first_of(items, counts)
  local first
  for _, awaitable in ipairs(items) do
    if awaitable.settled and counts(awaitable) and (not first or awaitable.settled < first.settled) then
      first = awaitable
    end
  end
  return first
end

---Returns every result under its key, or raises the first failure; the others go on.
---@generic K
---@param t table<K, weir.Future|fun(ctx: weir.Context): any>
---@return table<K, any>
function futures.all(ctx, t)
  local state, run = call.place_of(ctx, "all")
  local keys, items = begin_all(state, run, "all", t)
  local failed = first_of(items, function(awaitable) return not result_of(run, awaitable) end)
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
  return futures.listed(results, t, #keys)
end

---Returns how each ended, under its key.
---@generic K
---@param t table<K, weir.Future|fun(ctx: weir.Context): any>
---@return table<K, weir.Settled>
function futures.settle(ctx, t)
  local state, run = call.place_of(ctx, "settle")
  local keys, items = begin_all(state, run, "settle", t)
  local missing, times = count_missing(items), in_items(items)
  if missing > 0 then
    run.branches:await("settle", items, function(awaitable)
      missing = missing - times[awaitable]
      return missing == 0
    end)
  end
  local results = {}
  for i, key in ipairs(keys) do results[key] = futures.settled(run, items[i]) end
  return futures.listed(results, t, #keys)
end

local RACE_FIELDS = option_checks.fields { "losers" }

-- Begins the members of `t`, of which one will win. Returns whether the others are cancelled, too.
local function begin_race(ctx, name, t, options)
  local state, run = call.place_of(ctx, name)
  options = options or {}
  check_options(name, options, RACE_FIELDS)
  local losers = options.losers or "cancel"
  if losers ~= "cancel" and losers ~= "keep" then usage_error(('ctx:%s: losers is "cancel" or "keep"'):format(name)) end
  local keys, items = begin_all(state, run, name, t)
  if #keys == 0 then usage_error(("ctx:%s needs at least one future or function"):format(name)) end
  return run, keys, items, losers == "cancel"
end

-- The race is over: ends the losers. Returns the key of the winner.
local function end_race(run, keys, items, first, cancels)
  local winner
  for i, awaitable in ipairs(items) do
    if awaitable == first then
      winner = winner or keys[i]
    else
      awaitable.raced = true
      if cancels then run:end_early(awaitable, "lost the race") end
    end
  end
  return winner
end

local function any_end() return true end

---Returns the result and the key of the first to end, or raises its failure.
---@generic K
---@param t table<K, weir.Future|fun(ctx: weir.Context): any>
---@param options? { losers: "cancel"|"keep" } default "cancel"
---@return any result
---@return any key
function futures.race(ctx, t, options)
  local run, keys, items, cancels = begin_race(ctx, "race", t, options)
  local first = first_of(items, any_end)
  if not first then
    run.branches:await("race", items, function(awaitable)
      first = awaitable
      return true
    end)
  end
  local winner = end_race(run, keys, items, first, cancels)
  local ok, value = result_of(run, first)
  if not ok then error(value, 0) end
  return value, winner
end

---Whether a failure that stands for several is retried: false if another attempt of the run would meet the same ones,
---because they are outcomes or are not to be retried.
---@param failures weir.Failure[]
---@return false?
function futures.retryable(failures)
  for _, failed in ipairs(failures) do
    if not failed.operation and failed.retryable ~= false then return nil end
  end
  return false
end

local NAMED = 5 -- failures in a message

local function all_failed(run, keys, items, t)
  local failures, details, lines = {}, {}, {}
  for i, key in ipairs(keys) do
    local _, failed = result_of(run, items[i])
    failures[i] = failed
    details[key] = { code = failed.code, message = failed.message, operation = failed.operation,
                     details = failed.details }
    if i <= NAMED then lines[i] = ("%s: %s"):format(tostring(key), failed.message) end
  end
  local more = #keys > NAMED and ("; and %d more"):format(#keys - NAMED) or ""
  return failure.new {
    code = "all_failed", details = futures.listed(details, t, #keys), cause = failures[1],
    retryable = futures.retryable(failures), run = run.id,
    message = ("ctx:any: none of %d succeeded: %s%s"):format(#keys, table.concat(lines, "; "), more),
  }
end

---Returns the result and the key of the first that succeeds. Raises `all_failed` if none does.
---@generic K
---@param t table<K, weir.Future|fun(ctx: weir.Context): any>
---@param options? { losers: "cancel"|"keep" } default "cancel"
---@return any result
---@return any key
function futures.any(ctx, t, options)
  local run, keys, items, cancels = begin_race(ctx, "any", t, options)
  local function succeeded(awaitable) return (result_of(run, awaitable)) end
  local first = first_of(items, succeeded)
  local missing, times = count_missing(items), in_items(items)
  if not first and missing > 0 then
    run.branches:await("any", items, function(awaitable)
      missing = missing - times[awaitable]
      if succeeded(awaitable) then first = awaitable end
      return first ~= nil or missing == 0
    end)
  end
  if not first then error(all_failed(run, keys, items, t), 0) end
  local winner = end_race(run, keys, items, first, cancels)
  local _, value = result_of(run, first)
  return value, winner
end

return futures
