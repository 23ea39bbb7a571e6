-- Gives waiting runs the newest code of their workflow without another attempt. It first replays the journal on that
-- code: a run that would not go on keeps the code that it has.

local bulk = require "weir.client.bulk"
local preflight = require "weir.preflight"
local record = require "weir.record.record"
local redis = require "weir.client.redis"

local move = {}

local BATCH = 50 -- runs in one call
local TRIES = 3 -- for a run that goes on while it is looked at

local SHOWN = 8 -- characters of a bundle

local function refusal(word, name, format, ...)
  return { answer = word, fault = name, message = format:format(...) }
end

local FAULTS = {
  missing = function(id) return refusal("missing", "not_found", "%s", redis.not_found(id)) end,
  ended = function(id, state)
    local answer = refusal("ended", "wrong_state", "run %s has ended: it is %s", id, state)
    answer.state = state
    return answer
  end,
  running = function(id) return refusal("running", "busy", "run %s does not wait: try again when it does", id) end,
}

local function there(id) return { answer = "there", message = ("run %s is on the newest code already"):format(id) } end

local MOVABLE = { waiting = true, ready = true }

-- Checks whether a run can be moved. Returns the group that moves it and its new bundle, or else the answer.
local function plan(options, loaded, registry, id, list, now)
  if not list then return nil, FAULTS.missing(id) end
  local fields = redis.fields_of(list)
  if record.ENDED[fields.state] then return nil, FAULTS.ended(id, fields.state) end
  local entry = registry[fields.workflow]
  if not entry then
    return nil, refusal("refused", "unknown_workflow", 'run %s: no host has workflow "%s"', id, fields.workflow)
  end
  if not fields.bundle or fields.bundle == entry.bundle or fields.state == "retrying" then return nil, there(id) end
  if not MOVABLE[fields.state] then return nil, FAULTS.running(id) end
  local bundle, fault = loaded(entry.bundle)
  if not bundle then
    return nil, refusal("refused", "wrong_state", "run %s: bundle %s does not load here: %s", id,
      entry.bundle:sub(1, SHOWN), fault)
  end
  local found = preflight.run(options, bundle, id, list, now, loaded)
  if found then
    local answer = refusal("mismatch", "wrong_state", "run %s keeps its code: %s", id, found.message)
    answer.line, answer.code = found.line, found.code
    return nil, answer
  end
  return { "move", id, fields.turn or "0", entry.bundle }
end

-- Tries all runs that have no answer yet. A run that goes on meanwhile stays without an answer.
local function try(options, loaded, ids, answers)
  local pending, at = {}, {}
  for i, id in ipairs(ids) do
    if not answers[i] then
      pending[#pending + 1] = id
      at[id] = i
    end
  end
  if not pending[1] then return end
  local registry, lists, now = redis.registry(), redis.records(pending)
  local groups = {}
  for _, id in ipairs(pending) do
    local group, answer = plan(options, loaded, registry, id, lists[id], now)
    groups[#groups + 1] = group
    if answer and answer.answer ~= "running" then answers[at[id]] = answer end
  end
  for i, reply in ipairs(groups[1] and redis.call(table.unpack(groups)) or {}) do
    local id, bundle = groups[i][2], groups[i][4]
    local word, state = reply[1], reply[2]
    if word == "moved" then
      answers[at[id]] = { answer = "moved",
        message = ("run %s goes on with bundle %s when it resumes"):format(id, bundle:sub(1, SHOWN)) }
    elseif word == "there" then
      answers[at[id]] = there(id)
    elseif word == "missing" or word == "ended" then
      answers[at[id]] = FAULTS[word](id, state)
    end
  end
end

---Moves runs with one call.
---@param ids string[] at most 50
---@param options { replay: weir.PreflightOptions }
---@return weir.Answer[] answers one for each id: moved, there, mismatch, running, ended, missing, refused
function move.runs(ids, options)
  local answers, loaded = {}, preflight.bundles(options.replay)
  for _ = 1, TRIES do try(options.replay, loaded, ids, answers) end
  for i, id in ipairs(ids) do answers[i] = answers[i] or FAULTS.running(id) end
  return answers
end

bulk.ACTS.move = {
  done = "moved", runs = move.runs, batch = BATCH, single = true,
  fits = function(state) return state == "waiting" end,
}

return move
