-- Reads and writes the texts of a journal, one for each operation and one for each outcome, and sorts operations. Pure.
--
-- An entry   "<number|nothing>\t<started_at>\t<kind>\t<after>\t<attempt>[ <scope>]\t<line>\t<subject>\t<arguments>"
-- An outcome "<number>\t<operation>[~<generation>]\t<state>\t<finished_at>\t<attempts>[ <run>]\t<value>"
--
-- Redis writes number, generation and times; the journal writes the rest. Ids, kinds and lines hold no tab, ids no "~".

local scope = require "weir.base.scope"

local entry = {}

---@class weir.Entry
---@field number integer? of its outcome
---@field started_at integer ms
---@field kind string invoke, step, sleep …
---@field after integer number of the last outcome delivered before it began
---@field attempt integer the run's attempt in which it began
---@field scope string? when the id was given to `read`
---@field line string of the author's code: "order.lua:11"
---@field subject string the workflow of an invoke, else empty
---@field arguments string JSON, or empty

---@class weir.Outcome
---@field number integer
---@field operation string empty for an end from outside: cancelled, expired, terminated, crash_loop
---@field generation integer? of the child that ended, from the second on
---@field state string completed, failed, cancelled …
---@field finished_at integer ms
---@field attempts integer
---@field value string JSON: the result or the failure

---The text of an operation that begins.
---@param marks string? see `scope.marks`
---@return string
function entry.write(kind, after, attempt, line, subject, arguments, marks)
  if marks and marks ~= "" then attempt = attempt .. " " .. marks end
  return kind .. "\t" .. after .. "\t" .. attempt .. "\t" .. line .. "\t" .. subject .. "\t" .. arguments
end

---The stored entry: the text behind the number of the outcome, once there is one, and the time of the begin.
---@param text string from `write`
---@param started_at integer ms
---@param number integer|string|nil of its outcome
---@return string
function entry.stored(text, started_at, number) return (number or "") .. "\t" .. started_at .. "\t" .. text end

---The number of the outcome, as text.
---@param text string
---@return string? number
function entry.number(text) return text:match "^%d+" end

---Tells after which outcome an operation began, and in which attempt of its run.
---@param text string
---@return integer after
---@return integer attempt
function entry.place(text)
  local after, attempt = text:match "^%d*\t%d+\t[^\t]*\t(%d+)\t(%d+)"
  return tonumber(after), tonumber(attempt)
end

---Reads an entry without making a table, because a replay reads one for each operation.
---@param text string
---@return integer? number
---@return integer started_at
---@return string kind
---@return integer after
---@return integer attempt
---@return string line
---@return string subject
---@return string arguments
---@return string marks
function entry.split(text)
  local number, started_at, kind, after, attempt, marks, line, subject, arguments =
    text:match("^(%d*)\t(%d+)\t([^\t]*)\t(%d+)\t(%d+) ?([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$")
  return tonumber(number), tonumber(started_at), kind, tonumber(after), tonumber(attempt), line, subject, arguments,
    marks
end

---@param text string
---@param id string? of the operation, needed to read its scope
---@return weir.Entry
function entry.read(text, id)
  local number, started_at, kind, after, attempt, line, subject, arguments, marks = entry.split(text)
  return {
    number = number, started_at = started_at, kind = kind, after = after, attempt = attempt, line = line,
    subject = subject, arguments = arguments, id = id, scope = id and scope.read(id, marks),
  }
end

---@param number integer
---@param text string the outcome without its number
---@param from integer? the position in `text` at which it begins
---@return weir.Outcome
function entry.read_outcome(number, text, from)
  local operation, generation, state, finished_at, attempts, run, value =
    text:match("^([^\t~]*)~?(%d*)\t([%a_]+)\t(%d+)\t(%d+) ?([^\t]*)\t(.*)$", from)
  return {
    number = number, operation = operation, state = state, finished_at = tonumber(finished_at),
    attempts = tonumber(attempts), run = run ~= "" and run or nil, value = value, generation = tonumber(generation),
  }
end

---The text of an outcome, without its number.
---@param operation string
---@param state string
---@param finished_at integer ms
---@param attempts integer
---@param value string
---@param generation integer? of the child, from the second on
---@param run string? the run that is shared by a dedupe key
---@return string
function entry.write_outcome(operation, state, finished_at, attempts, value, generation, run)
  if generation then operation = operation .. "~" .. generation end
  if run then attempts = attempts .. " " .. run end
  return operation .. "\t" .. state .. "\t" .. finished_at .. "\t" .. attempts .. "\t" .. value
end

---The text of an end from outside: cancelled, expired, terminated, crash_loop.
---@return string
function entry.write_end(code, at, message) return entry.write_outcome("", code, at, 0, message) end

-- Sorts "item-9" before "item-10": digits compare as numbers.
local function natural(text)
  return (text:gsub("%d+", function(digits) return ("0"):rep(18 - #digits) .. digits end))
end

---Sorts operations by their begin. The order within a turn is not recorded, so operations of one turn are sorted by
---their lines, then by their ids.
---@param operations { id: string, after: integer, started_at: integer, line: string }[]
function entry.sort(operations)
  local lines, ids = {}, {}
  for _, operation in ipairs(operations) do
    lines[operation.line] = lines[operation.line] or natural(operation.line)
    ids[operation.id] = natural(operation.id)
  end
  table.sort(operations, function(a, b)
    if a.after ~= b.after then return a.after < b.after end
    if a.started_at ~= b.started_at then return a.started_at < b.started_at end
    if a.line ~= b.line then return lines[a.line] < lines[b.line] end
    if ids[a.id] ~= ids[b.id] then return ids[a.id] < ids[b.id] end
    return a.id < b.id
  end)
end

return entry
