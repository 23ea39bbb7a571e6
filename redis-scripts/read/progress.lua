-- progress: counts the outcomes of a run by state, a page at a time, so that no long journal is read whole.
-- args   run  from  shape
--        from: the number of the last outcome that was counted, 0 at first
--        shape: 1 asks for the shape of the graph, too
-- reply  progress state begins_at number next completed failed cancelled size began shape | missing
--        begins_at: when the run was first claimed, or created   number: of its last outcome
--        next: the last outcome that this call counted, at most 1,000 after `from`, fewer when results are large; the
--        counts are of the outcomes from `from` to `next`
--        size: the number of fields that are no outcomes, about as many as operations began
--        began: how many nodes of a graph began that was not retried; otherwise empty

local PAGE = 1000
local MOST_BYTES = 1024 * 1024 -- of outcomes that are read only for their states

local function read(id, field)
  return lib.resolve_value(id, field, redis.call("HGET", lib.key("r:" .. id), field)) or ""
end

-- Returns the fields of a run that are neither operations nor outcomes, and how many of them it has.
local function read_own(id)
  local own, count = {}, 0
  for _, names in ipairs({ lib.fields.COMMON, lib.fields.RARE }) do
    local values = redis.call("HMGET", lib.key("r:" .. id), unpack(names))
    for i, name in ipairs(names) do
      own[name] = values[i]
      if values[i] then count = count + 1 end
    end
  end
  return own, count
end

local function outcomes_between(id, from, to)
  local numbers = {}
  for number = from + 1, to do numbers[#numbers + 1] = number end
  return #numbers > 0 and redis.call("HMGET", lib.key("r:" .. id), unpack(numbers)) or {}
end

-- Counts the outcomes after `from` by state, and returns the number of the last one. A reset leaves a gap. An outcome
-- that ends the run itself has no operation before the tab.
local function count(id, from, to)
  local counts, bytes = { completed = 0, failed = 0, cancelled = 0, refused = 0 }, 0
  local stored = outcomes_between(id, from, to)
  for i = 1, to - from do
    local outcome = lib.resolve_value(id, from + i, stored[i])
    if outcome and outcome ~= stored[i] then bytes = bytes + #outcome end
    local state = outcome and string.match(outcome, "^[^\t]+\t(%a+)")
    if state and counts[state] then counts[state] = counts[state] + 1 end
    if bytes >= MOST_BYTES then return counts, from + i end
  end
  return counts, to
end

function verbs.progress()
  local id, from, shape = lib.next_args(3)
  from = tonumber(from)
  local field, own = read_own(id)
  if not field.state then return { "missing" } end
  local number = tonumber(field.last_number or 0)
  local counts, counted = count(id, from, math.max(from, math.min(number, from + PAGE)))
  local size = redis.call("HLEN", lib.key("r:" .. id)) - number
  local is_data = field.workflow == "weir.graph"
  local exact = (is_data or field.graph) and not field.retry_id and not field.attempt
  return {
    "progress", field.state, field.started_at or field.created_at, number, counted,
    counts.completed, counts.failed + counts.refused, counts.cancelled, size, exact and size - own or "",
    shape == "1" and read(id, is_data and "data" or "graph") or "",
  }
end
