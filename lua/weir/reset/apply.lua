-- Takes what a retry resets out of the record of a run. The run does so as it begins again, before any of its code
-- runs, and sends each change to Redis as an effect; the driver in memory applies those effects with `remove`.

local entry = require "weir.record.entry"
local record = require "weir.record.record"
local select_reset = require "weir.reset.select"

local apply = {}

---Takes an operation out of a record, with its outcome. Of an invoke the record keeps which generation of the child
---may go on ("x:"), until the run invokes it again.
---@param fields table<string, string> the record
---@param id string of the operation
---@param mark weir.Mark
---@return string? generation of the child, if it was an invoke
function apply.remove(fields, id, mark)
  local number, generation = entry.number(fields["o:" .. id] or ""), fields["c:" .. id]
  if number then fields[number] = nil end
  fields["o:" .. id], fields["c:" .. id], fields["w:" .. id] = nil, nil, nil
  if mark == "drop" then return nil end
  -- It was reset before and not invoked since: nothing has begun meanwhile, so the mark of that reset holds as well.
  local before = not generation and fields["x:" .. id] or ""
  generation = generation or before:match "^%d+" or "1"
  fields["x:" .. id] = generation .. "\t" .. (before:match "\trestart$" and "restart" or mark)
  return generation
end

-- An operation of a run that ended, as weir.reset.select takes it.
local function read_operation(id, text, fields)
  local operation = entry.read(text, id)
  if operation.number then
    local state = entry.read_outcome(operation.number, fields[tostring(operation.number)]).state
    operation.failed = state ~= "completed"
    operation.ended_early = state == "cancelled" or state == "refused"
  end
  return operation
end

---Resets a run that begins again, in its record and in Redis. Its former end from outside (a cancel, an expiry, too
---many crashes) goes as well; one that came since then holds.
---@param fields table<string, string> the record; `reset` says what is reset
---@param effects weir.Effects
function apply.begin_again(fields, effects)
  local operations, ended_at = {}, tonumber(fields.reset_number or fields.last_number)
  for field, value in pairs(fields) do
    if field:find("^o:") then
      operations[#operations + 1] = read_operation(field:sub(3), value, fields)
    elseif field:find("^%d") and value:byte() == 9 and tonumber(field) <= ended_at then
      effects:add("reset", { mark = field })
      fields[field] = nil
    end
  end
  entry.sort(operations)
  local marks, ids = select_reset.choose(
    { operations = operations, redo = fields.redo, graph = record.shape(fields) }, fields.reset)
  for _, id in ipairs(ids) do
    effects:add("reset", { operation = id, mark = marks[id] })
    apply.remove(fields, id, marks[id])
  end
  effects:add("reset_done")
end

return apply
