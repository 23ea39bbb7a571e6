-- runs: a run as it stands in this batch: its fields, its state, who holds it, its operations and their outcomes. Read
-- once, planned here, written once by dispatch.lua. `move` is the only writer of `state`. Needed by nearly every batch.

local runs = {}
lib.runs = runs

local call, unpack, find, match, key, push = redis.call, unpack, string.find, string.match, lib.key, lib.push
local STAMP, TEXT, ELSEWHERE = lib.stamp, lib.text, lib.ELSEWHERE

-- A value that is zero, one or absent for most runs is not stored for them, and not looked for.
local function read_rare(record, hash)
  local names, numbers = lib.fields.RARE, lib.fields.RARE_NUMBERS
  local values = call("HMGET", hash, unpack(names))
  for i = 1, #names do
    local value = values[i]
    if value then record[names[i]] = i <= numbers and tonumber(value) or value end
  end
end

--- A run as it stands in this batch, or nil. The same table for the same id until the batch ends. `also` names one more
--- field that will be asked for.
function runs.load(id, also)
  local record = lib.plan.records[id]
  if record ~= nil then return record or nil end
  local hash = key("r:" .. id)
  local v = call("HMGET", hash, "state", "owner", "turn", "number", "known", "has_rare", also or "has_rare")
  if not v[1] then
    lib.plan.records[id] = false
    return nil
  end
  local state, number = v[1], tonumber(v[4] or 0)
  record = {
    id = id, state = state, owner = v[2] or "", turn = tonumber(v[3] or 0), number = number, attempt = 1,
    -- A run suspends only when its worker knows all there is; `known` is kept when more came before it was claimed.
    known = state == "ready" and tonumber(v[5] or 0) or number,
    changed = { state = nil, turn = nil, number = nil, owner = nil },
  }
  if also then record.also, record.value_of_also = also, v[7] end
  if v[6] then
    record.has_rare = v[6]
    read_rare(record, hash)
  end
  lib.plan.records[id] = record
  return record
end

--- The same of a run that most likely is not there: asked like this, that is known for half of what it costs.
function runs.load_if_any(id)
  if lib.plan.records[id] == nil and call("EXISTS", key("r:" .. id)) == 0 then runs.set_missing(id) end
  return runs.load(id)
end

--- A run that is not there yet. Its first `set` begins its hash.
function runs.create(id)
  local record = {
    id = id, state = "", owner = "", turn = 0, number = 0, attempt = 1, fresh = true,
    changed = { workflow = nil, data = nil, seed = nil, created_at = nil, state = nil, owner = nil, bundle = nil,
                started_at = nil },
  }
  lib.plan.records[id] = record
  return record
end

--- A run is not there any more, as far as this batch goes.
function runs.set_missing(id) lib.plan.records[id] = false end

--- Plan one field of a run; nil takes it away.
function runs.set(record, field, value)
  if not record.dirty then
    record.dirty = true
    push(lib.plan.changed, record)
  end
  if value == nil then value = false end
  record.changed[field] = value
end
local set = runs.set

--- Plan one of the fields that most runs do not have.
function runs.set_rare(record, field, value)
  record[field] = value
  set(record, field, value)
  if not record.has_rare then
    record.has_rare = "1"
    set(record, "has_rare", "1")
  end
end

--- Read any field of a run, as planned or as stored. Values kept elsewhere are fetched.
function runs.get(record, field)
  local value = record.changed[field]
  if value ~= nil then return value or nil end
  if record.fresh then return nil end
  if field == record.also then
    value = record.value_of_also
  else
    value = call("HGET", key("r:" .. record.id), field)
  end
  if value == ELSEWHERE then value = call("HGET", key("v:" .. record.id), field) end
  return value or nil
end
local get = runs.get

--- The run that waits for this one, the name of the operation there, and its generation: "" or "~<n>". Nil for a root.
function runs.parent_of(id)
  local parent, operation = match(id, "^(.*)/([^/]*)$")
  if not parent or not find(operation, "~", 1, true) then return parent, operation, "" end
  local name, generation = match(operation, "^(.*)(~%d+)$")
  return parent, name, generation
end

-- The one table of legal moves; the drawing is in README.md.
local NEXT = {
  [""] = " scheduled ready ",
  scheduled = " ready cancelled failed ",
  ready = " running cancelled failed ",
  running = " waiting retrying ready completed failed cancelled ",
  waiting = " ready ",
  retrying = " ready ",
  completed = " ready ", failed = " ready ", cancelled = " ready ", -- by hand
}
local ENDED = { completed = true, failed = true, cancelled = true }

function runs.ended(record) return ENDED[record.state] == true end
function runs.is_end(state) return ENDED[state] == true end

--- Change the state of a run: the only writer of `state`.
local function move(record, to)
  local from = record.state
  if not find(NEXT[from], " " .. to .. " ", 1, true) then
    error("illegal move of " .. record.id .. " from " .. from .. " to " .. to, 0)
  end
  record.state = to
  set(record, "state", to)
end
runs.move = move

--- Plan where the delayed set wakes a run: at `wake`, at its deadline, whichever is first.
function runs.delay(record, wake)
  if record.deadline and (not wake or record.deadline < wake) then wake = record.deadline end
  lib.plan.delayed[record.id] = wake
end

--- Set which worker owns a run: its worker while it is running or warm, no worker otherwise.
function runs.set_owner(record, worker)
  if record.owner == worker then return end
  local owned = lib.plan.owned
  if record.owner ~= "" then
    owned[record.owner] = owned[record.owner] or {}
    owned[record.owner][record.id] = false
  end
  if worker ~= "" then
    owned[worker] = owned[worker] or {}
    owned[worker][record.id] = true
  end
  record.owner = worker
  set(record, "owner", worker)
end

--- Return the key, without prefix, of the queue that holds a run while it is ready and no worker owns it.
function runs.queue_of(record)
  return "ready:" .. (get(record, "queue") or "default")
end

--- Take a ready run out of the set it stands in.
function runs.unqueue(record)
  if record.fresh then return end
  if record.owner ~= "" then
    lib.write("ZREM", "ready:@" .. record.owner, record.id)
  else
    local queue = get(record, "queue") or "default"
    lib.write("ZREM", "ready:" .. queue, record.id)
    lib.plan.left[queue] = true
  end
end

-- ---------------------------------------------------------------------------------------------------------------
-- Operations and outcomes
--
-- o:<operation>  "<number or nothing>\t<started_at>\t<what the journal wrote when it began>"
-- <number>       "<operation>\t<state>\t<finished_at>\t<attempts>\t<value>"; a cancel has no operation, the child of a
--                later generation is told as "<operation>~<generation>", and a run that is not its child as "<attempts>
--                <run>"

--- Record that an operation began, or began another try. `stamp`: when, if that is not now.
function runs.begin_operation(record, operation, entry, stamp)
  set(record, "o:" .. operation, "\t" .. (stamp or STAMP) .. "\t" .. entry)
end

--- Give an outcome the run's next number. False when the operation has one already: the first holds.
--- `generation`: "~<n>" of the child whose end it is, when that is not its first. `shared`: the run, when it is no
--- child.
function runs.record_outcome(record, operation, state, attempts, value, stamp, generation, shared)
  local field = "o:" .. operation
  local entry = get(record, field)
  if not entry or string.byte(entry) ~= 9 then return false end
  local number = record.number + 1
  record.number = number
  local text = TEXT[number]
  set(record, "number", text)
  set(record, field, text .. entry)
  if generation and generation ~= "" then operation = operation .. generation end
  attempts = shared and TEXT[attempts] .. " " .. shared or TEXT[attempts]
  set(record, text, operation .. "\t" .. state .. "\t" .. (stamp or STAMP) .. "\t" .. attempts .. "\t" .. value)
  return true
end

local PAGE = 1000 -- outcomes that are read at once

--- What has come for a run after `known`: one text for each outcome, lowest number first. At least one, but no more
--- than the call may still tell: a worker that was not told all is told the rest in reply to its next turn, for until
--- then nothing that its run says of how it goes on has any effect.
function runs.outcomes(record, known, into)
  local told = 0
  for from = known + 1, record.number, PAGE do
    local to = math.min(from + PAGE - 1, record.number)
    local fields, wanted = {}, 0
    for number = from, to do
      if record.changed[TEXT[number]] == nil then
        wanted = wanted + 1
        fields[wanted] = number
      end
    end
    local stored = wanted > 0 and call("HMGET", key("r:" .. record.id), unpack(fields)) or {}
    local next_stored = 0
    for number = from, to do
      local outcome = record.changed[TEXT[number]]
      if outcome == nil then
        next_stored = next_stored + 1
        outcome = stored[next_stored]
        if outcome == ELSEWHERE then outcome = call("HGET", key("v:" .. record.id), number) end
      end
      if outcome then
        if told > 0 and not lib.may_reply(#outcome) then return into end
        told = told + 1
        lib.use_reply_budget(#outcome)
        into[#into + 1] = TEXT[number] .. "\t" .. outcome
      end
    end
  end
  return into
end
