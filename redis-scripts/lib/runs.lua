-- runs: the record of a run in this batch: its fields, state, owner, operations and outcomes. A record is read once,
-- changed here, and written once by commit.lua. Only `move` writes `state`.

local runs = {}
lib.runs = runs

local call, unpack, find, match, key, push = redis.call, unpack, string.find, string.match, lib.key, lib.push
local type = type
local STAMP, TEXT, COMPACT = lib.stamp, lib.text, lib.COMPACT

-- Reads the rare fields. Most runs have none of them, and then they are not read.
local function read_rare(record, hash)
  local names, numbers = lib.fields.RARE, lib.fields.RARE_NUMBERS
  local values = call("HMGET", hash, unpack(names))
  for i = 1, #names do
    local value = values[i]
    if value then record[names[i]] = i <= numbers and tonumber(value) or value end
  end
end

--- Return the record of a run, or nil. The same id gives the same table until the batch ends. `also`: one more field
--- that the caller will ask for.
function runs.load(id, also)
  local record = lib.plan.records[id]
  if record ~= nil then return record or nil end
  local hash = key("r:" .. id)
  local v = call("HMGET", hash, "state", "owner", "turn", "last_number", "acked", "has_rare", "bundle",
    also or "has_rare")
  if not v[1] then
    lib.plan.records[id] = false
    return nil
  end
  local state, last_number = v[1], tonumber(v[4] or 0)
  record = {
    id = id, state = state, owner = v[2] or "", turn = tonumber(v[3] or 0), last_number = last_number, attempt = 1,
    bundle = v[7] or nil,
    -- A run suspends only when its worker has received all outcomes. `acked` is stored when more are recorded before
    -- the run is claimed.
    acked = state == "ready" and tonumber(v[5] or 0) or last_number,
    changed = { state = nil, turn = nil, last_number = nil, owner = nil },
  }
  if also then record.also, record.value_of_also = also, v[8] end
  if v[6] then
    record.has_rare = v[6]
    read_rare(record, hash)
  end
  lib.plan.records[id] = record
  return record
end

--- The same for a run that most likely does not exist: finding that costs half as much.
function runs.load_if_any(id)
  if lib.plan.records[id] == nil and call("EXISTS", key("r:" .. id)) == 0 then runs.set_missing(id) end
  return runs.load(id)
end

local unreadable = {} -- run -> true: to handle it raised in an earlier plan of this batch

--- Handle a run that the caller of the script did not name: `act` gets its record, or nil. A run whose record cannot be
--- read counts as missing, so that it keeps no other run from its sweep or claim. `also`: as for `load`.
function runs.handle(id, act, also)
  if unreadable[id] then return act(nil, id) end
  local ok, record = pcall(runs.load, id, also)
  if not ok then
    if not runs.is_unreadable(record) then error(record, 0) end
    return act(nil, id)
  end
  runs.handled = id
  act(record, id)
  runs.handled = nil
end

--- Whether an error came from the record of a run. The registry is the only other key that is read with it.
function runs.is_unreadable(fault)
  local text = type(fault) == "table" and fault.err or tostring(fault)
  return find(text, "WRONGTYPE", 1, true) and pcall(call, "HLEN", key("registry"))
end

--- An error ended a plan. Returns true when the batch can be planned again without the run that was being handled.
function runs.skip_handled(fault)
  local id = runs.handled
  runs.handled = nil
  if not id or not runs.is_unreadable(fault) then return false end
  unreadable[id] = true
  return true
end

--- Return the record of a new run. Its first `set` begins its hash.
function runs.create(id)
  local record = {
    id = id, state = "", owner = "", turn = 0, last_number = 0, acked = 0, attempt = 1, fresh = true,
    changed = { workflow = nil, data = nil, seed = nil, created_at = nil, state = nil, owner = nil, bundle = nil,
                started_at = nil },
  }
  lib.plan.records[id] = record
  return record
end

--- For the rest of this batch a run does not exist.
function runs.set_missing(id) lib.plan.records[id] = false end

-- A change that commit.lua makes in v:<run>, too, must not fail there, behind the first write.
local function check_values(record)
  if record.has_values then return end
  call("HLEN", key("v:" .. record.id))
  record.has_values = true
end

--- Plan the value of a field; nil deletes the field.
function runs.set(record, field, value)
  if not record.dirty then
    record.dirty = true
    push(lib.plan.changed, record)
  end
  if value == nil then
    value = false
    if not record.fresh then check_values(record) end
  elseif type(value) == "string" and #value > COMPACT then
    check_values(record)
  end
  record.changed[field] = value
end
local set = runs.set

--- Plan the value of a rare field.
function runs.set_rare(record, field, value)
  record[field] = value
  set(record, field, value)
  if not record.has_rare then
    record.has_rare = "1"
    set(record, "has_rare", "1")
  end
end

--- Return any field of a run, as planned or as stored, also if its value is in v:<run>.
function runs.get(record, field)
  local value = record.changed[field]
  if value ~= nil then return value or nil end
  if record.fresh then return nil end
  if field == record.also then
    value = record.value_of_also
  else
    value = call("HGET", key("r:" .. record.id), field)
  end
  return lib.resolve_value(record.id, field, value) or nil
end
local get = runs.get

--- Return the parent of a run, the operation there, and the generation: "" or "~<n>". Nil for a root.
function runs.parent_of(id)
  local parent, operation = match(id, "^(.*)/([^/]*)$")
  if not parent or not find(operation, "~", 1, true) then return parent, operation, "" end
  local name, generation = match(operation, "^(.*)(~%d+)$")
  return parent, name, generation
end

-- The legal moves; README.md has the drawing.
local NEXT = {
  [""] = " scheduled ready ",
  scheduled = " ready cancelled failed ",
  ready = " running cancelled failed ",
  running = " waiting retrying ready completed failed cancelled ",
  waiting = " ready ",
  retrying = " ready ",
  completed = " ready ", failed = " ready ", cancelled = " ready ", -- a retry by a client
}
local ENDED = { completed = true, failed = true, cancelled = true }

function runs.ended(record) return ENDED[record.state] == true end
function runs.is_end(state) return ENDED[state] == true end

--- Change the state of a run.
local function move(record, to)
  local from = record.state
  if not find(NEXT[from], " " .. to .. " ", 1, true) then
    error("illegal move of " .. record.id .. " from " .. from .. " to " .. to, 0)
  end
  record.state = to
  set(record, "state", to)
end
runs.move = move

-- An attempt that has not ended needs its bundle: see needs.lua. A run of an unknown workflow has none.
local function count_attempt(bundle, change)
  if not bundle or bundle == "" then return end
  local attempts = lib.plan.attempts
  attempts[bundle] = (attempts[bundle] or 0) + change
end

--- Set the code of a run's attempt: the only writer of `bundle`. Nil: the attempt takes the newest when it begins.
function runs.set_bundle(record, bundle)
  if not ENDED[record.state] then count_attempt(record.bundle, -1) end
  count_attempt(bundle, 1)
  record.bundle = bundle
  set(record, "bundle", bundle)
end

--- A run of this workflow begins, or begins again.
function runs.count_unfinished(workflow, change)
  local unfinished = lib.plan.unfinished
  unfinished[workflow] = (unfinished[workflow] or 0) + change
end

--- A run ends: it needs its bundle and its workflow no more.
function runs.count_end(record)
  count_attempt(record.bundle, -1)
  runs.count_unfinished(get(record, "workflow"), -1)
end

--- Plan when the delayed set wakes a run: at `wake` or at its deadline, whichever is first.
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

--- Plan that a ready run leaves its queue.
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
-- o:<operation>  "<number or nothing>\t<started_at>\t<entry of the journal>"
-- <number>       "<operation>\t<state>\t<finished_at>\t<attempts>\t<value>". A cancel has no operation. A child of
--                a later generation has "<operation>~<generation>". A shared run has "<attempts> <run>"

--- Record that an operation began, or began another try. `stamp`: the instant, if that is not now.
function runs.begin_operation(record, operation, entry, stamp)
  set(record, "o:" .. operation, "\t" .. (stamp or STAMP) .. "\t" .. entry)
end

--- Record an outcome under the run's next number. Returns false when the operation has an outcome already, which holds.
--- `generation`: "~<n>" of the child that ended, unless it is the first. `shared`: the run that took the place of the
--- child.
function runs.record_outcome(record, operation, state, attempts, value, stamp, generation, shared)
  local field = "o:" .. operation
  local entry = get(record, field)
  if not entry or string.byte(entry) ~= 9 then return false end
  local number = record.last_number + 1
  record.last_number = number
  local text = TEXT[number]
  set(record, "last_number", text)
  set(record, field, text .. entry)
  if generation and generation ~= "" then operation = operation .. generation end
  attempts = shared and TEXT[attempts] .. " " .. shared or TEXT[attempts]
  set(record, text, operation .. "\t" .. state .. "\t" .. (stamp or STAMP) .. "\t" .. attempts .. "\t" .. value)
  return true
end

local PAGE = 1000 -- outcomes that are read at once

--- Add the outcomes of a run after the number `acked` to `into`: a text for each, lowest number first. It has at least
--- one outcome, and as many as the reply has room for. The reply to the next turn brings the rest: until the worker has
--- all, the run neither suspends nor ends.
function runs.outcomes(record, acked, into)
  local count = 0
  for from = acked + 1, record.last_number, PAGE do
    local to = math.min(from + PAGE - 1, record.last_number)
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
        outcome = lib.resolve_value(record.id, number, stored[next_stored])
      end
      if outcome then
        if count > 0 and not lib.may_reply(#outcome) then return into end
        count = count + 1
        lib.use_reply_budget(#outcome)
        into[#into + 1] = TEXT[number] .. "\t" .. outcome
      end
    end
  end
  return into
end
