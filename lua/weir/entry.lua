-- How operations and outcomes are written down: the texts that stand in the journal, between the
-- journal that writes them and everybody who reads a run. Pure; knows no Redis.
--
-- An entry   "<number|nothing>\t<started_at>\t<kind>\t<after>\t<attempt>\t<line>\t<subject>\t<arguments>"
-- An outcome "<number>\t<operation>\t<state>\t<finished_at>\t<attempts>\t<value>"
--
-- Redis writes number and times; the journal writes the rest. Ids, kinds and lines hold no tab.

local entry = {}

---@class weir.Entry
---@field number integer? of its outcome
---@field started_at integer ms
---@field kind string invoke, step, sleep …
---@field after integer number of the last outcome delivered before it began
---@field attempt integer the run's attempt in which it began
---@field line string where: "order.lua:11"
---@field subject string the workflow of an invoke, else empty
---@field arguments string JSON, or empty

---@class weir.Outcome
---@field number integer
---@field operation string empty for what ends the run: cancelled, expired, lost
---@field state string completed, failed, cancelled …
---@field finished_at integer ms
---@field attempts integer
---@field value string JSON: the result or the failure

---What the journal says of an operation when it begins.
---@return string
function entry.write(kind, after, attempt, line, subject, arguments)
  return kind .. "\t" .. after .. "\t" .. attempt .. "\t" .. line .. "\t" .. subject .. "\t" .. arguments
end

---@param text string
---@return weir.Entry
function entry.read(text)
  local number, started_at, kind, after, attempt, line, subject, arguments =
    text:match("^(%d*)\t(%d+)\t([^\t]*)\t(%d+)\t(%d+)\t([^\t]*)\t([^\t]*)\t(.*)$")
  return {
    number = math.tointeger(tonumber(number)), started_at = math.tointeger(tonumber(started_at)), kind = kind,
    after = math.tointeger(tonumber(after)), attempt = math.tointeger(tonumber(attempt)), line = line,
    subject = subject, arguments = arguments,
  }
end

---@param text string
---@return weir.Outcome
function entry.read_outcome(text)
  local number, operation, state, finished_at, attempts, value =
    text:match("^(%d+)\t([^\t]*)\t(%a+)\t(%d+)\t(%d+)\t(.*)$")
  return {
    number = math.tointeger(tonumber(number)), operation = operation, state = state,
    finished_at = math.tointeger(tonumber(finished_at)), attempts = math.tointeger(tonumber(attempts)),
    value = value,
  }
end

return entry
