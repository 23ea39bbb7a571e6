-- Cancels, retries, deletes or moves many runs: finds the runs and acts on them in batches, at a chosen rate. Every act
-- may be repeated: after an interruption the same act goes on with the runs that are left.

local cancel = require "weir.client.cancel"
local delete = require "weir.client.delete"
local record = require "weir.record.record"
local redis = require "weir.client.redis"
local retry = require "weir.client.retry"
local selector = require "weir.client.selector"
local transport = require "weir.client.transport"

local bulk = {}

local BATCH = 50 -- runs in one call

---@class weir.Answer the outcome of an act on one run
---@field answer string a word for counting: "cancelled", "retried", "deleted" when it was done
---@field fault weir.FaultName? nil: it was done
---@field message string? a sentence for people
---@field state string? of a run that is in the wrong state
---@field reset string[]? the operations that a retry resets
---@field kept string[]? the operations that a retry keeps
---@field above string[]? the runs above that begin again with the retried run

---@class weir.Act
---@field done string the answer of a run on which the act was done
---@field fits fun(state: string, options: table): boolean whether the act applies to runs in that state
---@field whole boolean? it includes detached descendants
---@field single boolean? it includes no descendants at all
---@field batch integer runs in one call
---@field runs fun(ids: string[], options: table): weir.Answer[]

---@type table<string, weir.Act>
bulk.ACTS = {
  cancel = {
    done = "cancelled", runs = cancel.runs, batch = BATCH,
    fits = function(state) return not record.ENDED[state] end,
  },
  retry = {
    done = "retried", runs = retry.runs, batch = retry.BATCH,
    fits = function(state, options)
      if options.scratch or options.from then return record.ENDED[state] == true end
      return state == "failed" or state == "cancelled"
    end,
  },
  delete = {
    done = "deleted", runs = delete.runs, batch = BATCH, whole = true,
    fits = function(state) return record.ENDED[state] == true end,
  },
}

---Leaves out each run that is included in the act on another one.
---@param verb string
---@param ids string[]
---@return string[]
function bulk.separate(verb, ids)
  local act = bulk.ACTS[verb]
  return act.single and ids or selector.topmost(ids, act.whole)
end

---Finds the selected runs to which an act applies.
---@param verb "cancel"|"retry"|"delete"|"move"
---@param options table of the act
---@param selection weir.Selection by filters
---@param on_page (fun(chosen: integer, seen: integer))? told how far the search is
---@return string[] ids without those that another one includes
---@return integer passed selected runs that are in another state
function bulk.find(verb, options, selection, on_page)
  local act, ids, passed = bulk.ACTS[verb], {}, 0
  local most = selection.limit or math.maxinteger
  selector.walk(selection, function(page, seen)
    for _, run in ipairs(page) do
      if not act.fits(run.state, options) then
        passed = passed + 1
      elseif #ids < most then
        ids[#ids + 1] = run.id
      end
    end
    if on_page then on_page(#ids, seen) end
    return #ids >= most
  end)
  return bulk.separate(verb, ids), passed
end

---Picks from named runs those to which an act applies.
---@param verb "cancel"|"retry"|"delete"|"move"
---@param options table
---@param ids string[]
---@return string[] fitting
---@return integer others how many are left out
function bulk.fitting(verb, options, ids)
  local runs, fitting = redis.status(ids), {}
  for _, id in ipairs(ids) do
    if runs[id] and bulk.ACTS[verb].fits(runs[id].state, options) then fitting[#fitting + 1] = id end
  end
  return fitting, #ids - #fitting
end

---Acts on all these runs.
---@param verb "cancel"|"retry"|"delete"|"move"
---@param options table of the act
---@param ids string[]
---@param interval_ms number? between two runs; nil: in batches, without a pause
---@param on_answers fun(ids: string[], answers: weir.Answer[]) told the answers of each batch
---@return boolean interrupted
function bulk.run(verb, options, ids, interval_ms, on_answers)
  local act, from, due = bulk.ACTS[verb], 1, 0
  local size = interval_ms and 1 or act.batch
  while from <= #ids do
    local now = transport.now_ms()
    due = math.max(due, now) -- after a slow call the next ones keep their rate
    if transport.pause(math.ceil(due - now)) then return true end
    due = due + (interval_ms or 0)
    local batch = table.move(ids, from, math.min(from + size - 1, #ids), 1, {})
    on_answers(batch, act.runs(batch, options))
    from = from + #batch
  end
  return false
end

return bulk
