-- Replays a journal on code, to check whether the code still does what the journal says. No operation is executed: the
-- outcomes come from the journal, and operations that are new are only compared.

local entry = require "weir.record.entry"
local runs = require "weir.engine.run"
local failure = require "weir.base.failure"
local kinds = require "weir.record.kinds"

local check = {}

-- Lists the operations that the journal holds and the code did not ask for, in the order in which they began.
local function unasked(run, is_meant)
  local log, list = run.journal, {}
  local function add(id, text)
    local held = entry.read(text)
    held.id = id
    if is_meant(held) then list[#list + 1] = held end
  end
  for id, text in pairs(log.recorded) do add(id, text) end
  for _, id in ipairs(run.taken_over or {}) do add(id, log.fields["o:" .. id]) end
  entry.sort(list)
  return list
end

-- Lists the operations that the code asked for and the journal does not hold.
local function unheld(run, fields)
  local list = {}
  for id, line in pairs(run.journal.begun) do
    if not fields["o:" .. id] then list[#list + 1] = { id = id, line = line, after = 0, started_at = 0 } end
  end
  entry.sort(list)
  return list
end

local function divergence(run, fields, is_meant)
  if run.killed or run.terminated or run.effects:overflows() then return nil end
  local held = unasked(run, is_meant)[1]
  if not held then return nil end
  local text = ('the journal holds operation "%s", %s at %s, which was not asked for again'):format(held.id,
    kinds[held.kind].describe(held.subject), held.line)
  local asked = unheld(run, fields)[1]
  return asked and ('%s; the code asked for operation "%s" at %s'):format(text, asked.id, asked.line) or text
end

---Checks that a run that was replayed in this turn asked for all operations that its attempt had begun before.
---@param run table
---@param fields table<string, string> its record, as the turn began
---@return string? fault naming both lines
function check.divergence(run, fields)
  return divergence(run, fields, function(held) return held.attempt == run.attempt end)
end

local function silent() end

local NAMED = 5 -- operations in a sentence

-- Lists the operations that a run waits for and that have not ended. The waits of a graph do not name its nodes, so the
-- nodes that it asked for are listed.
local function waits_of(run, fields)
  local lines = {}
  for _, branch in pairs(run.branches.live) do
    for _, future in ipairs(branch.wait or {}) do
      if not future.settled and future.id then lines[#lines + 1] = ('"%s" at %s'):format(future.id, future.line) end
    end
    local step = branch.wait and branch.wait.step
    if step then lines[#lines + 1] = ('"%s" at %s'):format(step.id, step.line) end
  end
  if not lines[1] then
    for _, asked in ipairs(unheld(run, fields)) do lines[#lines + 1] = ('"%s" at %s'):format(asked.id, asked.line) end
  end
  table.sort(lines)
  local more = #lines > NAMED and (" and %d more"):format(#lines - NAMED) or ""
  return table.concat(lines, ", ", 1, math.min(NAMED, #lines)) .. more
end

---@class weir.Replayed
---@field run weir.Run
---@field fault string? why the run does not go on as the journal says

---Replays a run.
---@param bundle weir.Bundle
---@param id string
---@param fields table<string, string> its record; is changed
---@param options { now: integer, limits: table, host: table, ended: boolean, is_meant: fun(held: table): boolean }
---ended: whether the journal goes to the end; is_meant: which of the operations that it holds must be asked for again
---@return weir.Replayed
function check.dry(bundle, id, fields, options)
  local held = {}
  for field, value in pairs(fields) do held[field] = value end
  local run = runs.from_fields(bundle, id, fields, {
    limits = options.limits, host = setmetatable({ log = silent }, { __index = options.host }),
  })
  run.dry, run.branches.dry, run.journal.dry = true, true, true
  run:turn(options.now, {})

  local fault = run.journal.divergence or divergence(run, held, options.is_meant)
  if not fault and not run.definition then fault = ('there is no workflow "%s" any more'):format(fields.workflow) end
  if not fault and options.ended and not run.ended then
    local waits = waits_of(run, held)
    fault = "it does not come to its end: it waits for " .. (waits ~= "" and waits or "what never came")
  end
  return { run = run, fault = fault }
end

---@class weir.Rehearsal how a run would go on with other code
---@field code string? of the failure that it would end with, or that this attempt would; nil: it would go on
---@field message string?
---@field line string? of the code that would lead to it

-- The record as the next attempt will find it, or this one after `weir move`.
local function with_bundle(fields, name, now)
  local attempt = tonumber(fields.attempt or 1)
  if fields.state == "retrying" then
    fields["bundle@" .. attempt] = fields.bundle
    fields.attempt = tostring(attempt + 1)
  else
    fields.moved = attempt .. "\t" .. now .. "\t" .. (fields.bundle or "")
  end
  fields.bundle = name
end

-- The line of the author's that a message begins with.
local function line_in(message) return message:match "^([^\n:]+:%d+): " end

---Replays a run on another bundle, as if its next turn ran there, up to the end of its journal. Nothing is executed:
---no step, no child, no line of the log. It is looked at by the rules of a live run.
---@param bundle weir.Bundle
---@param id string
---@param fields table<string, string> its record; is changed
---@param options { now: integer, limits: weir.Limits, host: table }
---@return weir.Rehearsal
function check.rehearse(bundle, id, fields, options)
  with_bundle(fields, bundle.name, options.now)
  local run = runs.from_fields(bundle, id, fields, {
    limits = options.limits,
    host = setmetatable({ log = silent, progress = silent, report = false }, { __index = options.host }),
  })
  run.dry, run.branches.dry = true, true
  run:turn(tonumber(fields.started_at or fields.created_at), {}) -- no timer is due then

  local failed = run.journal.poisoned or run.ended and not run.journal.cancel and run.failure
  if not failed or failed.operation and failed.code ~= "replay_mismatch" then return {} end
  local place = failed.details and failed.details.now or {}
  local message = run.journal.divergence or failed.message
  return { code = failed.code, message = message, line = place.line or line_in(message) }
end

local function same_failure(one, other)
  return one.code == other.code and one.message == other.message
end

---Says how the end of a run that was replayed differs from the end that it had.
---@param run table
---@param state string in which it ended
---@param fields table<string, string>
---@return string? fault
function check.difference(run, state, fields)
  if run.killed or run.journal.cancel then return nil end
  local before = state == "completed" and "it returned " .. fields.result
    or "it failed with " .. failure.decode(fields.error).message
  local failed = run.failure
  if state == "completed" and not failed then
    return run.result ~= fields.result and ("%s, replayed it returned %s"):format(before, run.result) or nil
  elseif state == "completed" then
    return ("%s, replayed it failed with %s"):format(before, failed.message)
  elseif not failed then
    return ("%s, replayed it returned %s"):format(before, run.result)
  end
  return not same_failure(failed, failure.decode(fields.error))
    and ("%s, replayed with %s"):format(before, failed.message)
    or nil
end

return check
