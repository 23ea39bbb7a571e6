-- `replay_mismatch`: the code asks for something else than its journal holds. The failure names both lines and both
-- bundles, which changes are safe, and how the run can go on.

local failure = require "weir.base.failure"

local mismatch = {}

---@class weir.Place
---@field line string
---@field bundle string? nil: it is not known
---@field what string of what kind the operation is

local SHOWN = 8 -- characters of a bundle

---A place as sentences name it.
---@param place weir.Place
---@return string
function mismatch.at(place)
  return place.line .. (place.bundle and (" (bundle %s)"):format(place.bundle:sub(1, SHOWN)) or "")
end

-- How the run can go on. The same code takes another way only if it depends on something that is not recorded.
local function advice(run, id, held, asked, is_changed)
  if asked and asked.bundle and asked.bundle == held.bundle then
    return ("the same code took another way, so it depends on a value that is not recorded: read that in a step, then "
      .. "weir retry %s"):format(run)
  end
  local keep = is_changed and ("keep the old operation under this id and give the new one another")
    or "ask for it again where it was"
  return ("safe are changes that keep the recorded operations and begin new ones behind them. To go on: %s, then weir "
    .. "retry %s; or do it again: weir retry %s --from %s"):format(keep, run, run, id)
end

---@param run string
---@param id string of the operation
---@param facts string both places, in a sentence
---@param held weir.Place in the journal
---@param asked weir.Place? in the code; nil: it asks for nothing in its place
---@param is_changed boolean the code asks for something else under the same id
---@return weir.Failure
function mismatch.failure(run, id, facts, held, asked, is_changed)
  return failure.new {
    code = "replay_mismatch", operation = id, retryable = false,
    message = facts .. "; " .. advice(run, id, held, asked, is_changed),
    details = { was = { line = held.line, bundle = held.bundle },
                now = asked and { line = asked.line, bundle = asked.bundle } },
  }
end

return mismatch
