-- ctx:parallel and ctx:map: branches of durable code side by side, so many at a time.
--
-- The branch that calls them begins the others and takes them as they end, in the order of their ends. So what is held
-- in memory follows the concurrency, besides the results: a branch that was taken leaves nothing behind.

local branches = require "weir.engine.branches"
local call = require "weir.engine.call"
local failure = require "weir.base.failure"
local futures = require "weir.engine.futures"
local identifier = require "weir.base.identifier"
local json = require "weir.json"
local option_checks = require "weir.base.options"
local ordered_pairs = require "weir.base.ordered_pairs"
local progress = require "weir.engine.progress"
local strings = require "weir.base.strings"

local check_options, usage_error = call.check_options, call.usage_error

local parallel = {}

local CONCURRENCY = 1000 -- branches at a time, unless given

---@class weir.Job a branch that is to begin
---@field key any by which its result is found
---@field body fun(ctx: weir.Context): any

local function too_many_failures(name, id, failed, tolerate, first)
  return failure.new {
    code = "too_many_failures", cause = first.error, retryable = futures.retryable { first.error },
    details = { failed = failed, tolerate = tolerate },
    message = ('ctx:%s "%s": %d failed, and %d may (tolerate); the first was %s: %s'):format(name, id, failed, tolerate,
      tostring(first.key), tostring(first.error.message)),
  }
end

-- Runs the jobs that `next_job` gives, until it gives none. Returns the results by their keys, and their number.
---@param name string of the verb
---@param id string
---@param options { concurrency: integer?, tolerate: number? }
---@param next_job fun(): weir.Job?
---@param total integer? how many it will give, if that is known
local function run_all(state, run, name, id, options, next_job, total)
  local group, tolerate = run.branches:begin_group(), options.tolerate
  local concurrency = options.concurrency or CONCURRENCY
  local counts = progress.begin_group(run, state.prefix .. id, name, total)
  local results, count, running, first, fault = {}, 0, 0, nil, nil

  local function give_up(raised)
    fault, counts.state = raised, "failed"
    run:end_branches(group.members, "was ended because another branch failed")
  end

  local function take()
    local member = run.branches:await_member(name, group)
    running = running - 1
    if fault then return end
    counts.done, run.progress_changed = counts.done + 1, true
    if not member.ok then
      local failed = counts.failed + 1
      counts.failed = failed
      first = first or { key = member.key, error = member.value }
      if not tolerate then
        return give_up(member.value)
      elseif failed > tolerate then
        return give_up(too_many_failures(name, id, failed, tolerate, first))
      end
    end
    results[member.key] = tolerate and futures.settled(run, member) or call.member(member.value)
  end

  local function begin_next()
    local ok, job = xpcall(next_job, branches.traced) -- an author's iterator may fail
    if not ok then return give_up(job) end
    if not job then
      counts.total, run.progress_changed = count, true
      return false
    end
    local member = futures.begin_branch(state, run, name, id .. ":", job.key, job.body)
    member.key = job.key
    run.branches:add_member(group, member)
    count, running = count + 1, running + 1
    return true
  end

  local more = true
  while more or running > 0 do
    if more and running < concurrency then
      more = begin_next() and not fault
    else
      take()
      more = more and not fault
    end
  end
  if fault then error(fault, 0) end
  counts.state, run.progress_changed = "completed", true
  return results, count
end

local function check_common(name, options)
  local concurrency, tolerate = options.concurrency, options.tolerate
  if concurrency ~= nil and not (math.type(concurrency) == "integer" and concurrency >= 1) then
    usage_error(("ctx:%s: concurrency is how many branches run at a time: an integer from 1"):format(name))
  end
  if tolerate ~= nil and not (math.type(tolerate) == "integer" and tolerate >= 0 or tolerate == math.huge) then
    usage_error(("ctx:%s: tolerate is how many branches may fail: an integer from 0, or math.huge"):format(name))
  end
end

-- ------------------------------------------------------------------------------------------------
-- parallel

local PARALLEL_FIELDS = option_checks.fields { "id", "branches", "concurrency", "tolerate" }
local PARALLEL_FORM = "ctx:parallel{ id = …, branches = { name = function(ctx) … end, … } }"

---Runs branches side by side. Returns their results under their names.
---@param options weir.ParallelOptions
---@return table<any, any>
function parallel.verb(ctx, options)
  local state, run = call.place_of(ctx, "parallel")
  if type(options) ~= "table" or type(options.branches) ~= "table" then
    usage_error("ctx:parallel takes a table with branches: " .. PARALLEL_FORM)
  end
  check_options("parallel", options, PARALLEL_FIELDS)
  check_common("parallel", options)
  local jobs = {}
  for key, body in ordered_pairs.pairs(options.branches) do
    if type(body) ~= "function" then
      usage_error(("ctx:parallel: branches: [%s] is a %s, not a function: %s (ctx:all takes futures as well)")
        :format(tostring(key), type(body), PARALLEL_FORM))
    end
    local fault = identifier.fault(tostring(key))
    if fault then usage_error("ctx:parallel: branches: the name" .. fault) end
    jobs[#jobs + 1] = { key = key, body = body }
  end
  local id, at = call.scope_id(state, "parallel", options.id), 0
  local results, count = run_all(state, run, "parallel", id, options, function()
    at = at + 1
    return jobs[at]
  end, #jobs)
  return futures.listed(results, options.branches, count)
end

-- ------------------------------------------------------------------------------------------------
-- map

local MAP_FIELDS = option_checks.fields { "id", "items", "run", "concurrency", "tolerate" }
local MAP_FORM = "ctx:map{ id = …, items = …, run = function(ctx, item, index) … end }"

-- Why a table is no list; nil if it is one.
local function list_fault(items)
  local count, last, strange = 0, 0, nil
  for key in next, items do
    if math.type(key) == "integer" and key >= 1 then
      count, last = count + 1, math.max(last, key)
    elseif not strange or tostring(key) < strange then
      strange = tostring(key)
    end
  end
  if strange then return ("it has the key %s"):format(strings.short(strange)) end
  return count < last and ("of %d items %d are missing"):format(last, last - count) or nil
end

-- A function that returns the next item at each call; and their number, if it is known.
local function source_of(items)
  if type(items) == "function" then return items end
  local fault = type(items) ~= "table" and "it is a " .. type(items) or list_fault(items)
  if items == json.null then fault = "it is weir.null" end
  if fault then
    usage_error(("ctx:map: items is a list, or a function that returns the next item with each call; %s"):format(fault))
  end
  local at, count = 0, #items
  return function()
    at = at + 1
    if at <= count then return items[at] end
  end, count
end

---Runs a function for each item of a list, or of an iterator, side by side. Returns the list of its results.
---@param options weir.MapOptions
---@return any[]
function parallel.map(ctx, options)
  local state, run = call.place_of(ctx, "map")
  if type(options) ~= "table" or options.items == nil or type(options.run) ~= "function" then
    usage_error("ctx:map takes a table with items and a function: " .. MAP_FORM)
  end
  check_options("map", options, MAP_FIELDS)
  check_common("map", options)
  local next_item, total = source_of(options.items)
  local id, index, body = call.scope_id(state, "map", options.id), 0, options.run
  local results = run_all(state, run, "map", id, options, function()
    local item = next_item()
    if item == nil then return nil end
    index = index + 1
    local at = index
    return { key = at, body = function(inner) return body(inner, item, at) end }
  end, total)
  return json.array(results)
end

return parallel
