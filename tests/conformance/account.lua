-- Describes the outcome of a case as a table: each property of its runs and their operations, under the name "<run or
-- operation> <property>". It leaves out times, seeds, bundles, and the way in which a node read its dependencies: a
-- node that runs in its graph's turn needs no call for them.

local json = require "weir.json"

local account = {}

---@alias Account table<string, string>

-- Replaces what differs by design: the case's own ids, positions in the code, and advice that only weir.testing gives.
local function plainer(case)
  local pattern = case.id:gsub("%p", "%%%0")
  return function(text)
    return (text:gsub(pattern, "r"):gsub("%(bundle %w+%)", "(bundle)")
      :gsub("; on bundle %w+, before on %w+", "")
      :gsub('"bundle":"%w+"', '"bundle":"…"'):gsub("; mock it: runner:mock%(.-, …%)", ""))
  end
end

local function text_of(value)
  return type(value) == "string" and value or json.encode(value)
end

-- Compares JSON as values, not as text.
local function same_json(text) return text and json.encode(json.decode(text)) end

local function add_operation(add, case, operation)
  add("kind", operation.kind)
  add("state", operation.state)
  add("workflow", operation.workflow)
  add("run", operation.run)
  add("line", operation.line)
  local arguments = operation.arguments and json.decode(operation.arguments)
  if operation.kind == "poll" and arguments then arguments.until_ms = nil end -- an instant
  add("arguments", arguments and json.encode(arguments))
  add("result", same_json(operation.result))
  add("error", operation.error)
  add("attempts", operation.attempts)
  add("depends_on", operation.depends_on and json.array(operation.depends_on))
  add("when", operation.when)
  add("optional", operation.optional)
  if case.unordered then return end
  add("number", operation.number)
  add("after", operation.after)
end

local function add_run(add, run)
  add("state", run.state)
  add("workflow", run.workflow)
  add("data", same_json(run.data))
  add("result", same_json(run.result))
  add("error", run.error)
  add("attempt", run.attempt)
  add("generation", run.generation)
  add("tags", same_json(run.tags))
  add("progress", run.progress)
  add("queue", run.queue)
  add("priority", run.priority)
  add("detached", run.detached or nil)
  add("redo", run.redo)
  add("cancel", run.cancel and run.cancel.state .. ": " .. run.cancel.value)
  local ids = {}
  for _, operation in ipairs(run.operations) do
    if operation.kind ~= "deps" then ids[#ids + 1] = operation.id end
  end
  table.sort(ids)
  add("operations", table.concat(ids, ", "))
end

---A line that a run logged.
---@param fields string? JSON
---@return string
function account.line(level, text, fields) return ("%s %s %s"):format(level, text, fields or "") end

---@param side Side
---@param case table
---@param answers string[] to the acts of the play
---@return Account
function account.of(side, case, answers)
  local facts, plain = {}, plainer(case)
  local function adder(where)
    return function(what, value)
      if value ~= nil then facts[plain(where) .. " " .. what] = plain(text_of(value)) end
    end
  end
  adder "the case"("answers", table.concat(answers, "\n"))
  for _, id in ipairs(side:ids(case)) do
    local run = side:run(id)
    add_run(adder("run " .. id), run)
    for _, operation in ipairs(run.operations) do
      if operation.kind ~= "deps" then add_operation(adder(id .. " [" .. operation.id .. "]"), case, operation) end
    end
    adder("run " .. id)("log", table.concat(side:log(id), "\n"))
  end
  for _, loose in ipairs(case.loose or {}) do facts[loose] = nil end
  return facts
end

---Explains where two accounts differ: a few lines for each fact. Returns nil if they are equal.
---@param one string the name of side `a`
---@param a Account
---@param other string
---@param b Account
---@return string?
function account.difference(one, a, other, b)
  local keys, lines = {}, {}
  for key in pairs(a) do keys[#keys + 1] = key end
  for key in pairs(b) do
    if a[key] == nil then keys[#keys + 1] = key end
  end
  table.sort(keys)
  for _, key in ipairs(keys) do
    if a[key] ~= b[key] then
      lines[#lines + 1] = ("%s\n  %s: %s\n  %s: %s"):format(key, one, a[key] or "nothing", other, b[key] or "nothing")
    end
  end
  return lines[1] and table.concat(lines, "\n")
end

local function add_wanted(wanted, expected)
  for where, fields in pairs(expected or {}) do
    for what, value in pairs(fields) do
      wanted[(where:find(" [", 1, true) and where or "run " .. where) .. " " .. what] = value
    end
  end
end

local function not_found(wanted, facts)
  for key, value in pairs(wanted) do
    local found = facts[key] or "nothing"
    value = type(value) == "string" and value or json.encode(value)
    if found ~= value and not (value:sub(1, 1) == "~" and found:find(value:sub(2))) then
      return ("%s was to be\n  %s\nnot\n  %s"):format(key, value, found)
    end
  end
end

---Returns nil if the two sides differ only where the case says so.
---@param case table
---@param here Account in memory
---@param there Account on the host
---@return string?
function account.undecided(case, here, there)
  local wanted = {}
  add_wanted(wanted, case.differs)
  local fault = not_found(wanted, here)
  if fault then return "in memory, " .. fault end
  if not not_found(wanted, there) then return "the two do not differ any more" end
end

---Lists the expectations that an account does not meet.
---@param case table
---@param facts Account
---@return string?
function account.missed(case, facts)
  local wanted = {}
  add_wanted(wanted, case.expect)
  if case.result ~= nil then
    wanted["run r state"], wanted["run r result"] = "completed", json.encode(case.result)
  elseif case.fails then
    wanted["run r state"] = "failed"
    local code = facts["run r error"] and json.decode(facts["run r error"]).code
    if code ~= case.fails then
      return ("run r was to fail with %s, not: %s"):format(case.fails, facts["run r error"] or facts["run r result"])
    end
  elseif case.cancelled then
    wanted["run r state"] = "cancelled"
  end
  if next(wanted) == nil then return "the case does not say what is to be" end
  return not_found(wanted, facts)
end

return account
