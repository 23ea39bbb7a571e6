-- How far a run is, for people: ctx:progress, ctx:status, and the counts of ctx:parallel and ctx:map. Redis keeps one
-- text of it, the latest. It is no operation: a replay does not send it again.
--
-- Redis gets the author's words in the turn in which they are said: the step that follows may take long. Counts change
-- with every branch that ends, so they go along with the effects of the turn.

local call = require "weir.engine.call"
local json = require "weir.json"
local strings = require "weir.base.strings"

local progress = {}

---@class weir.Progress
---@field done number?
---@field total number?
---@field text string?
---@field status string?
---@field groups weir.ProgressGroup[]? the latest of those that began

---@class weir.ProgressGroup the branches of a ctx:parallel or a ctx:map
---@field id string with the scope in front
---@field verb "parallel"|"map"
---@field done integer how many have ended, failed ones included
---@field failed integer
---@field total integer? nil: not known yet
---@field state "running"|"completed"|"failed"

local LONGEST = 1024 -- bytes of a text
local GROUPS = 16 -- that are kept: the text is sent whole

local function shown_of(run)
  run.progress = run.progress or {}
  return run.progress
end

-- Sends the text, in place of one that this turn has not sent yet.
local function send(run)
  run.progress_changed = false
  local effects, sent = run.effects, run.progress_sent
  local text = json.encode(run.progress)
  if text == run.progress_known then return end
  run.progress_known = text
  if sent and sent.turn == effects.turns and sent.handle > effects.sent then
    effects:patch(sent.handle, "progress", text)
  else
    run.progress_sent = { turn = effects.turns, handle = effects:add("progress", { progress = text }) }
  end
end

---Sends the counts that have changed. Called before the effects of a turn are closed.
---@param run weir.Run
function progress.send_changed(run)
  if run.progress_changed and not run.journal:replaying() then send(run) end
end

local function say(run)
  if run.journal:replaying() then run.progress_changed = true else send(run) end
end

local function checked_number(name, option, value)
  if math.type(value) and value >= 0 and value < math.huge then return value end
  call.usage_error(("ctx:%s: %s must be a number from 0: ctx:progress(done, total, text)"):format(name, option))
end

local function checked_text(name, value)
  if type(value) ~= "string" then call.usage_error(("ctx:%s: the text is a %s"):format(name, type(value))) end
  return strings.short(strings.readable(value), LONGEST)
end

---Shows how far the run is.
---@param done number
---@param total number?
---@param text string?
function progress.verb(ctx, done, total, text)
  local _, run = call.state_of(ctx, "progress")
  local shown = shown_of(run)
  done = checked_number("progress", "done", done)
  total = total ~= nil and checked_number("progress", "total", total) or nil
  text = text ~= nil and checked_text("progress", text) or nil
  if shown.done == done and shown.total == total and shown.text == text then return end
  shown.done, shown.total, shown.text = done, total, text
  say(run)
end

---Shows what the run does.
---@param text string? nil: nothing any more
function progress.status(ctx, text)
  local _, run = call.state_of(ctx, "status")
  local shown = shown_of(run)
  text = text ~= nil and checked_text("status", text) or nil
  if shown.status == text then return end
  shown.status = text
  say(run)
end

-- ------------------------------------------------------------------------------------------------
-- Counts of branches

-- The group that gives way to a new one: the oldest that has ended, or else the oldest.
local function oldest(groups)
  for i, group in ipairs(groups) do
    if group.state ~= "running" then return i end
  end
  return 1
end

---Begins to count branches.
---@param run weir.Run
---@param id string with the scope in front
---@param verb "parallel"|"map"
---@param total integer?
---@return weir.ProgressGroup
function progress.begin_group(run, id, verb, total)
  local shown = shown_of(run)
  local groups = shown.groups or json.array {}
  shown.groups = groups
  if #groups >= GROUPS then table.remove(groups, oldest(groups)) end
  local group = { id = id, verb = verb, done = 0, failed = 0, total = total, state = "running" }
  groups[#groups + 1] = group
  run.progress_changed = true
  return group
end

return progress
