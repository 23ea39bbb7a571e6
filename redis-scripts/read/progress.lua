-- progress: how far the operations of a run have come, counted a page at a time: no long journal is read whole.
-- args   run  from  shape
--        from: the number of the outcome that was counted last, 0 to begin with
--        shape: 1 asks for that of a graph as well
-- reply  progress state begins_at number next completed failed cancelled size began shape | missing
--        begins_at: when it was first claimed, or created   number: of its last outcome
--        next: the outcome that this call counted last, at most 1,000 after `from`, fewer where results are large; then
--        how those between ended
--        size: its fields that are no outcomes, about as many as operations began
--        began: how many nodes began, of a graph that was not retried; else empty

local PAGE = 1000
local MOST_BYTES = 1024 * 1024 -- of outcomes that are read only to see how they ended

local function read(id, field)
  local value = redis.call("HGET", lib.key("r:" .. id), field)
  if value == lib.ELSEWHERE then value = redis.call("HGET", lib.key("v:" .. id), field) end
  return value or ""
end

-- The fields of a run that are neither operations nor outcomes, and how many it has of them.
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

-- How the outcomes after `from` ended, and the last one that was looked at. A forgotten one leaves a gap; what ends the
-- run itself has no operation before the tab.
local function count(id, from, to)
  local counts, bytes = { completed = 0, failed = 0, cancelled = 0, refused = 0 }, 0
  local stored = outcomes_between(id, from, to)
  for i = 1, to - from do
    local outcome = stored[i]
    if outcome == lib.ELSEWHERE then
      outcome = redis.call("HGET", lib.key("v:" .. id), from + i)
      bytes = bytes + #outcome
    end
    local state = outcome and string.match(outcome, "^[^\t]+\t(%a+)")
    if state and counts[state] then counts[state] = counts[state] + 1 end
    if bytes >= MOST_BYTES then return counts, from + i end
  end
  return counts, to
end

function verbs.progress()
  local id, from, shape = lib.take_many(3)
  from = tonumber(from)
  local field, own = read_own(id)
  if not field.state then return { "missing" } end
  local number = tonumber(field.number or 0)
  local counts, counted = count(id, from, math.max(from, math.min(number, from + PAGE)))
  local size = redis.call("HLEN", lib.key("r:" .. id)) - number
  local is_data = field.workflow == "weir.graph"
  local exact = (is_data or field.graph) and not field.retried_at and not field.attempt
  return {
    "progress", field.state, field.started_at or field.created_at, number, counted,
    counts.completed, counts.failed + counts.refused, counts.cancelled, size, exact and size - own or "",
    shape == "1" and read(id, is_data and "data" or "graph") or "",
  }
end
