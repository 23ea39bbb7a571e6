-- lib: what every verb stands on. Joined in front of the verbs by the host, run inside Redis.
--
-- A batch is one transaction with three acts. Verbs *check* and *plan*: they read runs through a cache and change only
-- Lua tables. Then dispatch.lua *writes*, each run's hash once, and *replies*. So a verb that raises, or refuses, has
-- written nothing, and what ten verbs change of one run costs one HSET.
--
-- Keys, fields and states are described in README.md beside this file.

local lib, verbs, effects = {}, {}, {}

-- <verb>.lua defines verbs.<verb>, effects.<verb> or both, when the first of them is asked for.
local definitions = {}
local function define(table_of, name)
  local definition = definitions[name]
  if not definition then return nil end
  definitions[name] = nil
  definition()
  return rawget(table_of, name)
end
setmetatable(verbs, { __index = define })
setmetatable(effects, { __index = define })

--- Load what only a few verbs need of the library: `<name>.lua` adds it to lib.
function lib.need(name) define({}, name) end

local call, unpack, find, match, concat = redis.call, unpack, string.find, string.match, table.concat
local PREFIX = KEYS[1]
local INFINITY = math.huge
local COMPACT = 64 -- bytes; a longer value moves to v:<run>, so that r:<run> stays a listpack
local ELSEWHERE = "\1" -- stands in r:<run> for a value kept in v:<run>; no JSON text and no id begins so
local CHUNK = 6000 -- values handed to one call: unpack is bounded by the C stack

-- ---------------------------------------------------------------------------------------------------------------
-- The caller, the clock, the arguments

local time = call("TIME")
local NOW = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

lib.worker = ARGV[1] -- "<host>.<thread>", "" for a client
lib.capacity = tonumber(ARGV[2]) -- how many runs it may be given

local STAMP = string.format("%d", NOW)

--- The clock: Redis' own, in milliseconds, one instant for the whole batch.
function lib.now() return NOW end

-- Small integers as text: numbers are dear to print, and the same few come again and again.
local TEXT = setmetatable({}, { __index = function(texts, number)
  local text = string.format("%d", number)
  texts[number] = text
  return text
end })
lib.text = TEXT

local arguments = ARGV
local at, last = 0, 0 -- the argument taken last, and the last of the group being run

--- Begin a group: its arguments are those after `before`, up to `to`.
function lib.begin_group(before, to) at, last = before, to end

--- The next argument of the group being run.
local function take()
  at = at + 1
  if at > last then error("too few arguments", 0) end
  return arguments[at]
end
lib.take = take

--- The next `n` of them.
function lib.take_many(n)
  local from = at + 1
  at = at + n
  if at > last then error("too few arguments", 0) end
  return unpack(arguments, from, at)
end

--- `n` options, each a name and a value.
function lib.take_options(n)
  local options = {}
  for _ = 1, tonumber(n) do
    local name = take()
    options[name] = take()
  end
  return options
end

--- Take the next argument if it is this word.
function lib.take_word(word)
  if at >= last or arguments[at + 1] ~= word then return false end
  at = at + 1
  return true
end

--- Whether the group has more arguments.
function lib.more() return at < last end

function lib.key(name) return PREFIX .. name end

-- ---------------------------------------------------------------------------------------------------------------
-- The plan

local plan, records, registry
local going_of -- workflow -> the list in `plan.going` of its runs that end now
local deletions -- how many trees are being deleted, read once a batch
-- What is more waits for the next call.
local SWEEP = 100 -- runs a call, in all sweeps
local REPLY, REPLY_BYTES = 2000, 1024 * 1024 -- fields and outcomes a call
local PAGE = 1000 -- of them that are read at once

--- Forget all that was read and planned. A batch begins so, and begins again so without a group that raised.
function lib.begin()
  records, registry, going_of = {}, {}, {}
  plan = {
    changed = {}, -- runs with changed fields, in order
    delayed = {}, -- run -> earliest wake-up in ms, INFINITY without one, false: not in the set
    held = {}, -- worker -> run -> true | false
    waiters = {}, -- run -> "<run>/<operation>" that waits for it, not being its parent -> true | false
    woken = {}, -- runs that became ready in this batch, in order
    roots = {}, -- root -> created_at
    failed = {}, -- run -> finished_at, false: not in the set
    going = {}, -- instant in ms -> runs that go then
    deleting = {}, -- run -> true: there is more below it to delete | false: all is gone
    published = {}, -- channel, message, …
    calls = {}, -- any other write: { command, key, … }
    keys = {}, -- "<workflow>\t<key>" of dedupe -> "<expires_at>\t<run>", as read or planned; false: none
    tellings = 0, -- operations that were told of the end of a run that they share
    to_sweep = SWEEP, -- how many runs may still be looked at that nobody named
    to_tell = REPLY, to_tell_bytes = REPLY_BYTES, -- how much the replies may still bring
  }
  lib.plan = plan
end

local function push(list, value) list[#list + 1] = value end
lib.push = push

--- What a run foresaw is not so, and half of its turn is planned: the batch begins again without that turn. So that it
--- does so only once, other turns that foresaw anything are not tried then.
function lib.not_foreseen()
  lib.wrong = true
  error("stale", 0)
end

--- A sweep takes up to so many runs.
function lib.to_sweep() return plan.to_sweep end

--- It took so many.
function lib.swept(count) plan.to_sweep = plan.to_sweep - count end

-- Whether the call may tell one more field or outcome; the first is told whatever its size.
local function may_tell(bytes)
  return plan.to_tell > 0 and plan.to_tell_bytes > bytes
end

local function tell(bytes)
  plan.to_tell = plan.to_tell - 1
  plan.to_tell_bytes = plan.to_tell_bytes - bytes
end

--- Plan a write that is none of the above. The key is given without the prefix.
function lib.write(command, key, ...)
  push(plan.calls, { command, PREFIX .. key, ... })
end

-- ---------------------------------------------------------------------------------------------------------------
-- Runs

-- The fields that decide what may happen to a run. The rest is read where it is needed.
-- What is zero, one or absent for most runs is not stored for them, and not looked for: `special` says that some is.
local SPECIAL = { "attempt", "deaths", "cancel", "deadline", "watch", "detached", "lingers", "now", "waiters",
                  "abandoned", "loose" }

--- A run as it stands in this batch, or nil. The same table for the same id until the batch ends. `also` names one more
--- field that will be asked for.
function lib.load(id, also)
  local record = records[id]
  if record ~= nil then return record or nil end
  local hash = PREFIX .. "r:" .. id
  local v = call("HMGET", hash, "state", "holder", "turn", "number", "known", "special", also or "special")
  if not v[1] then
    records[id] = false
    return nil
  end
  local state, number = v[1], tonumber(v[4] or 0)
  record = {
    id = id, state = state, holder = v[2] or "", turn = tonumber(v[3] or 0), number = number, attempt = 1,
    -- A run suspends only when its worker knows all there is; `known` is kept when more came before it was claimed.
    known = state == "ready" and tonumber(v[5] or 0) or number,
    changed = { state = nil, turn = nil, number = nil, holder = nil },
  }
  if also then record.also, record.value_of_also = also, v[7] end
  if v[6] then
    record.special = v[6]
    v = call("HMGET", hash, unpack(SPECIAL))
    record.attempt, record.deaths = tonumber(v[1] or 1), tonumber(v[2] or 0)
    record.cancel, record.deadline = v[3] and tonumber(v[3]), v[4] and tonumber(v[4])
    record.watch, record.detached, record.lingers, record.now = v[5], v[6], v[7], v[8]
    record.waiters, record.abandoned, record.loose = v[9], v[10], v[11] and tonumber(v[11])
  end
  records[id] = record
  return record
end

--- Whether any of these runs is there. When none is, that is known of each, and `load` need not look again.
function lib.any_exists(ids)
  local keys = {}
  for i, id in ipairs(ids) do
    if records[id] ~= nil then return true end
    keys[i] = PREFIX .. "r:" .. id
  end
  if #ids > CHUNK or call("EXISTS", unpack(keys)) > 0 then return true end
  for _, id in ipairs(ids) do records[id] = false end
  return false
end

--- A run that is not there yet. Its first `set` begins its hash.
function lib.create(id)
  local record = {
    id = id, state = "", holder = "", turn = 0, number = 0, attempt = 1, fresh = true,
    changed = { workflow = nil, data = nil, seed = nil, created_at = nil, state = nil, holder = nil, bundle = nil,
                started_at = nil },
  }
  records[id] = record
  return record
end

--- A run is not there any more, as far as this batch goes.
function lib.forget(id) records[id] = false end

--- Plan one field of a run; nil takes it away.
function lib.set(record, field, value)
  if not record.dirty then
    record.dirty = true
    push(plan.changed, record)
  end
  if value == nil then value = false end
  record.changed[field] = value
end
local set = lib.set

--- Plan one of the fields that most runs do not have.
function lib.set_special(record, field, value)
  record[field] = value
  set(record, field, value)
  if not record.special then
    record.special = "1"
    set(record, "special", "1")
  end
end
local set_special = lib.set_special

--- Read any field of a run, as planned or as stored. Values kept elsewhere are fetched.
function lib.get(record, field)
  local value = record.changed[field]
  if value ~= nil then return value or nil end
  if record.fresh then return nil end
  if field == record.also then
    value = record.value_of_also
  else
    value = call("HGET", PREFIX .. "r:" .. record.id, field)
  end
  if value == ELSEWHERE then value = call("HGET", PREFIX .. "v:" .. record.id, field) end
  return value or nil
end
local get = lib.get

--- The run that waits for this one, the name of the operation there, and its round: "" or "~<n>". Nil for a root.
function lib.parent_of(id)
  local parent, operation = match(id, "^(.*)/([^/]*)$")
  if not parent or not find(operation, "~", 1, true) then return parent, operation, "" end
  local name, round = match(operation, "^(.*)(~%d+)$")
  return parent, name, round
end

function lib.depth_of(id)
  local _, slashes = string.gsub(id, "/", "")
  return slashes
end

-- The one table of legal moves; the drawing is in README.md.
local NEXT = {
  [""] = { scheduled = true, ready = true },
  scheduled = { ready = true, cancelled = true, failed = true },
  ready = { running = true, cancelled = true, failed = true },
  running = { waiting = true, retrying = true, ready = true, completed = true, failed = true, cancelled = true },
  waiting = { ready = true },
  retrying = { ready = true },
  completed = { ready = true }, failed = { ready = true }, cancelled = { ready = true }, -- by hand
}
local ENDED = { completed = true, failed = true, cancelled = true }

function lib.ended(record) return ENDED[record.state] == true end
function lib.is_end(state) return ENDED[state] == true end

--- Change the state of a run: the only writer of `state`.
local function move(record, to)
  local from = record.state
  if not NEXT[from][to] then
    error("illegal move of " .. record.id .. " from " .. from .. " to " .. to, 0)
  end
  record.state = to
  set(record, "state", to)
end
lib.move = move

--- Plan where the delayed set wakes a run: at `wake`, at its deadline, whichever is first.
function lib.delay(record, wake)
  if record.deadline and (not wake or record.deadline < wake) then wake = record.deadline end
  plan.delayed[record.id] = wake
end

--- Who holds a run: its worker while it is running or warm, nobody otherwise.
function lib.hold(record, worker)
  if record.holder == worker then return end
  if record.holder ~= "" then
    plan.held[record.holder] = plan.held[record.holder] or {}
    plan.held[record.holder][record.id] = false
  end
  if worker ~= "" then
    plan.held[worker] = plan.held[worker] or {}
    plan.held[worker][record.id] = true
  end
  record.holder = worker
  set(record, "holder", worker)
end

-- ---------------------------------------------------------------------------------------------------------------
-- Operations and outcomes
--
-- o:<operation>  "<number or nothing>\t<started_at>\t<what the journal wrote when it began>"
-- <number>       "<operation>\t<state>\t<finished_at>\t<attempts>\t<value>"; a cancel has no operation, the child of a
--                later round is told as "<operation>~<round>", and a run that is not its child as "<attempts> <run>"

--- Record that an operation began, or began another try. `stamp`: when, if that is not now.
function lib.begin_operation(record, operation, entry, stamp)
  set(record, "o:" .. operation, "\t" .. (stamp or STAMP) .. "\t" .. entry)
end

--- Give an outcome the run's next number. False when the operation has one already: the first holds.
--- `round`: "~<n>" of the child whose end it is, when that is not its first. `shared`: the run, when it is no child.
function lib.record_outcome(record, operation, state, attempts, value, stamp, round, shared)
  local field = "o:" .. operation
  local entry = get(record, field)
  if not entry or string.byte(entry) ~= 9 then return false end
  local number = record.number + 1
  record.number = number
  local text = TEXT[number]
  set(record, "number", text)
  set(record, field, text .. entry)
  if round and round ~= "" then operation = operation .. round end
  attempts = shared and TEXT[attempts] .. " " .. shared or TEXT[attempts]
  set(record, text, operation .. "\t" .. state .. "\t" .. (stamp or STAMP) .. "\t" .. attempts .. "\t" .. value)
  return true
end

--- What has come for a run after `known`: one text for each outcome, lowest number first. At least one, but no more
--- than the call may still tell: a worker that was not told all is told the rest in reply to its next turn, for until
--- then nothing that its run says of how it goes on has any effect.
function lib.outcomes(record, known, into)
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
    local stored = wanted > 0 and call("HMGET", PREFIX .. "r:" .. record.id, unpack(fields)) or {}
    local next_stored = 0
    for number = from, to do
      local outcome = record.changed[TEXT[number]]
      if outcome == nil then
        next_stored = next_stored + 1
        outcome = stored[next_stored]
        if outcome == ELSEWHERE then outcome = call("HGET", PREFIX .. "v:" .. record.id, number) end
      end
      if outcome then
        if told > 0 and not may_tell(#outcome) then return into end
        told = told + 1
        tell(#outcome)
        into[#into + 1] = TEXT[number] .. "\t" .. outcome
      end
    end
  end
  return into
end

-- ---------------------------------------------------------------------------------------------------------------
-- Retention: what has ended goes by itself, its workflow's `retain` later. Here it is noted; retention.lua deletes.

local RETAIN_MS = 7 * 86400000 -- of a workflow that nobody has announced
local LISTS = 64 -- how many hold the runs that one `retain` keeps

function lib.retain_of(workflow)
  local entry = lib.registered(workflow)
  return entry and entry.retain_ms or RETAIN_MS
end

-- Runs that go at about the same time share a list: its instant is a multiple of a power of two of seconds.
local function instant_of(due, retain_ms)
  if retain_ms == 0 then return due - due % 1000 end
  local width = 1000
  while 2 * width * LISTS <= retain_ms do width = 2 * width end
  return math.ceil(due / width) * width
end

--- Note that a run goes when `retain_ms` have passed since `ended_at`.
function lib.note_going(id, ended_at, retain_ms)
  local instant = instant_of(ended_at + retain_ms, retain_ms)
  plan.going[instant] = plan.going[instant] or {}
  push(plan.going[instant], id)
end

--- Note that a run of this workflow, which ends now, goes by itself.
local function goes(id, workflow)
  local list = going_of[workflow]
  if not list then
    local retain_ms = lib.retain_of(workflow)
    local instant = instant_of(NOW + retain_ms, retain_ms)
    list = plan.going[instant] or {}
    plan.going[instant], going_of[workflow] = list, list
  end
  list[#list + 1] = id
end

--- Note that a run goes if it does so by itself: a root in any state, a child that completed. Other children stay with
--- their root. Nothing goes while something below it lives.
function lib.may_go(record)
  if not ENDED[record.state] or record.loose or record.waiters then return end
  if record.state == "completed" or not find(record.id, "/", 1, true) then
    goes(record.id, get(record, "workflow"))
  end
end

-- A child lives that nobody waits for: what is above it stays for as long. `change`: 1 when it begins, -1 at its end.
local function count_loose(child, change)
  local id = lib.parent_of(child.id)
  while id do
    local above = lib.load(id)
    if above then
      local count = (above.loose or 0) + change
      set_special(above, "loose", count > 0 and count or nil)
      lib.may_go(above)
    end
    id = lib.parent_of(id)
  end
end

--- Nobody waits any longer for a child that lives. `how`: "detached" or "abandoned".
function lib.let_go(child, how)
  if not child.detached and not child.abandoned then count_loose(child, 1) end
  set_special(child, how, "1")
end

--- Somebody waits for a child again.
function lib.await(child)
  if not child.detached and not child.abandoned then return end
  if not ENDED[child.state] then count_loose(child, -1) end
  set_special(child, "detached", nil)
  set_special(child, "abandoned", nil)
end

--- Whether the tree below this run is being deleted, by this batch or by those before it.
function lib.being_deleted(id)
  if plan.deleting[id] ~= nil then return true end
  deletions = deletions or call("ZCARD", PREFIX .. "deleting")
  return deletions > 0 and call("ZSCORE", PREFIX .. "deleting", id) ~= false
end

--- The run that is being deleted with all below it, this one among them; nil when there is none.
function lib.deleting_above(id)
  while id do
    if lib.being_deleted(id) then return id end
    id = lib.parent_of(id)
  end
end

-- ---------------------------------------------------------------------------------------------------------------
-- Promote, resolve, finish, cancel: what happens to runs because of other runs

--- Make a run ready. Where it goes (to the worker that holds its coroutine, to the caller, to its queue) is decided
--- once, when the batch ends.
function lib.make_ready(record)
  move(record, "ready")
  plan.delayed[record.id] = record.deadline or false
  push(plan.woken, record)
end
local make_ready = lib.make_ready

--- Something a waiting run may wait for has come: let it look.
function lib.promote(record)
  if record.state == "waiting" then make_ready(record) end
end

--- A child ended: its outcome is recorded in its parent, which is promoted. A parent that has stopped waiting for this
--- operation (timed out, abandoned) or has ended itself takes no notice.
local function resolve(child, state, value)
  local parent_id, operation, round = lib.parent_of(child.id)
  if not parent_id or child.detached then return end
  local parent = lib.load(parent_id, "o:" .. operation)
  if not parent or ENDED[parent.state] then return end
  if lib.record_outcome(parent, operation, state, child.attempt, value, nil, round) or child.lingers then
    lib.promote(parent)
  end
end

-- ---------------------------------------------------------------------------------------------------------------
-- The end of a run

-- What was told to end last most likely lives longest, and there may be thousands: the search begins there, and reads
-- no more than it needs.
local function find_alive(from, to)
  for i = to, from, -1 do
    local id = arguments[i]
    local record = records[id]
    local state = record and record.state or call("HGET", PREFIX .. "r:" .. id, "state")
    if state and not ENDED[state] then return lib.load(id) end
  end
end

--- The children that a run named have ended, or it waits: the one that lives wakes its parent when it ends.
function lib.linger(run)
  local n = tonumber(lib.take())
  at = at + n
  if at > last then error("too few arguments", 0) end
  local alive = find_alive(at - n + 1, at)
  if alive then set_special(alive, "lingers", "1") end
  if alive and run.number <= run.told then
    move(run, "waiting")
    run.known = run.number
    lib.delay(run, INFINITY)
  end
  return alive ~= nil
end

--- A run ends. Its outcome is kept, delivered to its waiter, and told to whoever watches.
function lib.finish(record, state, value)
  move(record, state)
  set(record, state == "completed" and "result" or "error", value)
  if state == "completed" and record.attempt > 1 then set(record, "error", nil) end
  set(record, "finished_at", STAMP)
  lib.hold(record, "")
  plan.delayed[record.id] = false
  if state == "failed" then plan.failed[record.id] = NOW end
  if record.watch then
    push(plan.published, "ended:" .. record.id)
    push(plan.published, state)
  end
  resolve(record, state, value)
  if record.detached or record.abandoned then count_loose(record, -1) end
  if record.waiters then
    lib.need "sharing"
    lib.tell_waiters(record, value)
  else
    lib.may_go(record)
  end
end

-- An outcome of no operation: what ends the run.
local function record_end(record, code, message)
  record.number = record.number + 1
  set(record, "number", TEXT[record.number])
  set(record, TEXT[record.number], "\t" .. code .. "\t" .. STAMP .. "\t0\t" .. message)
end

--- Record the end of a run from outside: `cancelled`, `expired` or `lost` takes its number like any outcome. What never
--- began ends here; what did is promoted, to end its children and clean up. `now`: without any clean-up.
function lib.cancel(record, code, message, now)
  if ENDED[record.state] or record.cancel and (not now or record.now) then return false end
  local state = record.state
  if (state == "ready" or state == "scheduled") and not get(record, "started_at") then
    lib.unqueue(record)
    lib.finish(record, code == "cancelled" and "cancelled" or "failed",
      cjson.encode({ code = code, message = message, run = record.id }))
    return true
  end
  -- From here on only the clean-up's own grace counts; a deadline that has passed would wake it again and again.
  if record.deadline then
    set_special(record, "deadline", nil)
    if state == "ready" then plan.delayed[record.id] = false end
  end
  if not record.cancel then
    record_end(record, code, message)
    set_special(record, "cancel", record.number)
  end
  if now then
    record_end(record, "now", message)
    set_special(record, "now", "1")
  end
  if state == "waiting" or state == "retrying" then make_ready(record) end
  return true
end

--- A run that ended begins again, by hand or because its parent asks for it again: another attempt, on the newest code,
--- with its journal. What is to be forgotten of that (`again`) the run itself finds out, before any of its code runs.
function lib.reopen(record, again)
  local state, attempt = record.state, record.attempt
  set(record, "again", again)
  set(record, "ended", TEXT[record.number]) -- a cancel that comes before it has forgotten that of its end holds
  set(record, "bundle@" .. attempt, get(record, "bundle"))
  set(record, "bundle", nil)
  set_special(record, "attempt", attempt + 1)
  set(record, "spent", TEXT[attempt]) -- attempts that do not count any more
  record.turn = record.turn + 1 -- the one that ended it, sent again, is not taken for one of this attempt
  set(record, "turn", TEXT[record.turn])
  for _, field in ipairs({ "finished_at", "error", "result" }) do set(record, field, nil) end
  for _, field in ipairs({ "cancel", "now", "lingers", "deadline" }) do
    if record[field] then set_special(record, field, nil) end
  end
  if record.deaths and record.deaths > 0 then set_special(record, "deaths", 0) end
  if state == "failed" then plan.failed[record.id] = false end
  local entry = lib.registered(get(record, "workflow"))
  if entry and entry.timeout_ms then set_special(record, "deadline", NOW + entry.timeout_ms) end
  if record.detached or record.abandoned then count_loose(record, 1) end
  make_ready(record)
end

--- Expire a run whose deadline has passed.
function lib.expire(record)
  if record.deadline and record.deadline <= NOW and not record.cancel and not ENDED[record.state] then
    lib.cancel(record, "expired", "the run timed out")
  end
end

-- ---------------------------------------------------------------------------------------------------------------
-- Queues and the registry

local function read_entry(text)
  local bundle, queue, priority, timeout, retain =
    string.match(text, "^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t")
  return { bundle = bundle, queue = queue, priority = tonumber(priority), timeout_ms = tonumber(timeout),
           retain_ms = tonumber(retain) }
end

--- What the registry says of a workflow, read once a batch; nil when nobody has announced it.
function lib.registered(workflow)
  local entry = registry[workflow]
  if entry == nil then
    local text = call("HGET", PREFIX .. "registry", workflow)
    entry = text and read_entry(text)
    registry[workflow] = entry
  end
  return entry or nil
end

--- Plan what the registry says of a workflow from now on.
function lib.register(workflow, text)
  registry[workflow] = read_entry(text)
  lib.write("HSET", "registry", workflow, text)
end

--- A run of a workflow that nobody had announced stands apart, in the queue `?<workflow>`. It goes to the queue it was
--- started for, or that of the workflow, once the workflow is known.
function lib.leave_unknown(record)
  local queue = get(record, "queue")
  local entry = queue and string.byte(queue) == 63 and lib.registered(get(record, "workflow"))
  if not entry then return end
  queue = get(record, "asked_queue") or entry.queue
  set(record, "queue", queue ~= "default" and queue or nil)
  set(record, "asked_queue", nil)
end

--- Where a run stands while it is ready and nobody's: the queue's key without prefix.
function lib.queue_of(record)
  return "ready:" .. (get(record, "queue") or "default")
end

--- Take a ready run out of the set it stands in.
function lib.unqueue(record)
  if record.fresh then return end
  if record.holder ~= "" then
    lib.write("ZREM", "ready:@" .. record.holder, record.id)
  else
    lib.write("ZREM", lib.queue_of(record), record.id)
  end
end

--- The `n` options that a start from outside has.
function lib.start_options(n)
  local options = lib.take_options(n)
  options.priority, options.delay_ms = tonumber(options.priority), tonumber(options.delay_ms)
  return options
end

--- A new run: fields every run begins with. `options`: queue, priority, delay_ms, tags (all may be nil).
function lib.begin_run(record, workflow, data, seed, options)
  local entry = lib.registered(workflow)
  local queue = options.queue or (entry and entry.queue) or "default"
  local priority = options.priority or (entry and entry.priority) or 0
  local timeout = entry and entry.timeout_ms
  local delay = options.delay_ms or 0
  set(record, "workflow", workflow)
  local changed = record.changed
  changed.data, changed.seed, changed.created_at = data, seed, STAMP
  if not entry then
    if options.queue then set(record, "asked_queue", queue) end
    queue = "?" .. workflow
  end
  if queue ~= "default" then set(record, "queue", queue) end
  if priority ~= 0 then set(record, "priority", priority) end
  if options.tags then set(record, "tags", options.tags) end
  if timeout then
    set_special(record, "deadline", NOW + delay + timeout)
  end
  if not find(record.id, "/", 1, true) then plan.roots[record.id] = STAMP end
  if delay > 0 then
    move(record, "scheduled")
    plan.delayed[record.id] = NOW + delay
    push(plan.published, "due")
    push(plan.published, NOW + delay)
  else
    make_ready(record)
  end
end

--- A new run that has ended already: it was run before it was written. Nothing of it will change, so that it is written
--- as a list at once and needs no record.
function lib.begin_fused(id, workflow, data, seed, bundle, result, stamp, deps)
  stamp = stamp or STAMP
  if #data > COMPACT then
    lib.write("HSET", "v:" .. id, "data", data)
    data = ELSEWHERE
  end
  if #result > COMPACT then
    lib.write("HSET", "v:" .. id, "result", result)
    result = ELSEWHERE
  end
  if deps and #deps > COMPACT then
    lib.write("HSET", "v:" .. id, "deps", deps)
    deps = ELSEWHERE
  end
  records[id] = nil
  goes(id, workflow)
  push(plan.calls, {
    "HSET", PREFIX .. "r:" .. id, "state", "completed", "workflow", workflow, "data", data, "seed", seed,
    "created_at", stamp, "started_at", stamp, "finished_at", stamp, "bundle", bundle, "result", result,
    deps and "deps", deps,
  })
end

lib.served = {} -- the queues that the caller takes runs of; "*" is all
for i = 4, 3 + tonumber(ARGV[3]) do lib.served[i - 3] = ARGV[i] end

function lib.serves(queue)
  for _, served in ipairs(lib.served) do
    if served == "*" or served == queue then return true end
  end
  return false
end

--- A workflow is known now: runs that waited for that go to their queue, a bounded number a call. True: that was all.
function lib.adopt(workflow)
  local unknown = "ready:?" .. workflow
  local waiting = call("ZRANGE", PREFIX .. unknown, 0, lib.to_sweep()) -- one more tells whether there is more
  local all = #waiting <= lib.to_sweep()
  if not all then waiting[#waiting] = nil end
  lib.swept(#waiting)
  for _, id in ipairs(waiting) do
    local run = lib.load(id)
    lib.write("ZREM", unknown, id)
    if run and run.state == "ready" then push(plan.woken, run) end
  end
  return all
end

-- ---------------------------------------------------------------------------------------------------------------
-- Taking back what a worker held

-- A ready run leaves its worker's own queue for everybody's.
function lib.give_up(run)
  lib.unqueue(run)
  lib.hold(run, "")
  push(plan.woken, run)
end

local function take_back(run, counts, max_deaths)
  if run.state == "ready" then return lib.give_up(run) end
  lib.hold(run, "")
  if run.state ~= "running" then return end
  if counts then
    set_special(run, "deaths", (run.deaths or 0) + 1)
    if run.deaths >= max_deaths then
      record_end(run, "lost", "lost: " .. run.deaths .. " processes died while they ran it")
    end
  end
  make_ready(run)
end

local function forget(host)
  local node = call("HGET", PREFIX .. "host:" .. host, "node")
  if node and call("HGET", PREFIX .. "nodes", node) == host then lib.write("HDEL", "nodes", node) end
  lib.write("ZREM", "leases", host)
  lib.write("DEL", "host:" .. host)
end

--- Take back what a host held, a bounded number of runs; true when nothing is left. Its death counts for what it was
--- running; for one run alone, when it had told that it tried that one and resumed nothing else.
function lib.reap(host, counts, max_deaths)
  local v = call("HMGET", PREFIX .. "host:" .. host, "threads", "alone")
  local threads, alone, reaped = tonumber(v[1] or 0), v[2], 0
  for thread = 1, threads do
    local worker = host .. "." .. thread
    lib.write("HDEL", "idle", worker)
    if lib.to_sweep() > reaped then
      for _, id in ipairs(call("SRANDMEMBER", PREFIX .. "held:" .. worker, lib.to_sweep() - reaped)) do
        local run = lib.load(id)
        if run and run.holder == worker then
          take_back(run, counts and (not alone or alone == id), max_deaths)
        else
          lib.write("SREM", "held:" .. worker, id)
        end
        reaped = reaped + 1
      end
    end
  end
  lib.swept(reaped)
  if reaped > 0 or lib.to_sweep() == 0 then return false, reaped end
  forget(host)
  return true, 0
end

-- ---------------------------------------------------------------------------------------------------------------
-- Reading a run whole

lib.COMPACT, lib.ELSEWHERE = COMPACT, ELSEWHERE

-- Adds a field whose value is elsewhere, if the call may still tell it.
local function tell_far(id, field, into)
  local value = may_tell(0) and (call("HGET", PREFIX .. "v:" .. id, field) or "")
  if not value then return false end
  tell(#value)
  into[#into + 1], into[#into + 2] = field, value
  return true
end

--- A page of a run's fields as stored, values in place: field, value, … are added to `into`, as many as the call may
--- still tell, which may be none. Returns the cursor of the next page; it is "0" for the first, "" after the last. A
--- cursor is that of HSCAN, empty when that is through, and the fields that HSCAN showed and that were too much.
function lib.page(id, cursor, into)
  if not may_tell(0) then return cursor end
  local hash = PREFIX .. "r:" .. id
  local scan, owed = match(cursor, "^(%d*)(.*)$")
  local left, fields = {}, {}
  if owed ~= "" then
    for field in string.gmatch(owed, "[^\t]+") do
      if not tell_far(id, field, into) then push(left, field) end
    end
  elseif scan == "0" and call("HLEN", hash) <= PAGE then
    scan, fields = "", call("HGETALL", hash)
  else
    local shown = call("HSCAN", hash, scan, "COUNT", PAGE)
    scan, fields = shown[1] ~= "0" and shown[1] or "", shown[2]
  end
  for i = 1, #fields, 2 do
    local field, value = fields[i], fields[i + 1]
    if value ~= ELSEWHERE then
      tell(#value)
      into[#into + 1], into[#into + 2] = field, value
    elseif not tell_far(id, field, into) then
      push(left, field)
    end
  end
  return left[1] and scan .. "\t" .. concat(left, "\t") or scan
end

--- A page of a run for a worker that goes on from its journal: { "cold", run, turn, deaths, bundle, number, cursor,
--- field, value, … }.
function lib.cold(run, cursor)
  local reply = { "cold", run.id, run.turn, run.deaths or 0, get(run, "bundle") or "", run.number, "" }
  if run.fresh then
    -- Created in this batch: all there is of it is what was planned.
    for field, value in pairs(run.changed) do
      if value then
        reply[#reply + 1], reply[#reply + 2] = field, tostring(value)
      end
    end
    return reply
  end
  reply[7] = lib.page(run.id, cursor, reply)
  return reply
end
