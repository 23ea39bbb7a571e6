-- lib: the base of all verbs: the arguments, the clock and the plan. The host joins it in front of the other files;
-- Redis runs the whole text.
--
-- A batch is one transaction in three steps. Verbs check and plan: they read runs through a cache and change only Lua
-- tables. Then dispatch.lua writes, each run's hash once, and replies. So a verb that raises or refuses has written
-- nothing, and ten changes of one run cost one HSET.
--
-- Redis runs the whole text for each call, so verbs, effects and modules of lib are defined at their first use.
-- README.md describes keys, fields and states.

local define -- stands behind this file: runs the file of that name, which adds to verbs, effects or lib

-- A table whose members are defined at their first use, each by the file of its name in one of the folders.
local function defined_in(...)
  local folders, tried = { ... }, {}
  return setmetatable({}, { __index = function(members, name)
    if tried[name] then return nil end
    tried[name] = true
    for _, folder in ipairs(folders) do
      define(folder .. name)
      local member = rawget(members, name)
      if member ~= nil then return member end
    end
  end })
end
local lib, effects = defined_in "lib/", defined_in "effects/"
local verbs = defined_in("worker/", "client/", "read/")

local call, unpack = redis.call, unpack
local PREFIX = KEYS[1]

lib.COMPACT = 64 -- bytes; a longer value moves to v:<run>, so that r:<run> stays a listpack
lib.ELSEWHERE = "\1" -- stands in r:<run> for a value in v:<run>; no JSON text and no id begins with it

-- ---------------------------------------------------------------------------------------------------------------
-- The caller, the clock, the arguments

local time = call("TIME")
local NOW = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

lib.worker = ARGV[1] -- "<host>.<thread>", "" for a client
lib.capacity = tonumber(ARGV[2]) -- how many runs the caller may be given
lib.served = {} -- the queues that the caller serves; "*" is all
for i = 4, 3 + tonumber(ARGV[3]) do lib.served[i - 3] = ARGV[i] end

--- Whether the caller serves a queue.
function lib.serves(queue)
  for _, served in ipairs(lib.served) do
    if served == "*" or served == queue then return true end
  end
  return false
end

--- Return the time: that of Redis, in milliseconds, the same for the whole batch. `stamp` is its text, as fields have
--- it.
function lib.now() return NOW end
lib.stamp = string.format("%d", NOW)

-- Integers as texts. Formatting a number is expensive, and few numbers are used often.
lib.text = setmetatable({}, { __index = function(texts, number)
  local text = string.format("%d", number)
  texts[number] = text
  return text
end })

local arguments = ARGV
local at, last = 0, 0 -- the last argument that was read, and the last one of this group

--- Begin a group. Its arguments are those after `before`, up to `to`.
function lib.begin_group(before, to) at, last = before, to end

--- Return the next argument of this group.
local function next_arg()
  at = at + 1
  if at > last then error("too few arguments", 0) end
  return arguments[at]
end
lib.next_arg = next_arg

--- Return the next `n` arguments.
function lib.next_args(n)
  local from = at + 1
  at = at + n
  if at > last then error("too few arguments", 0) end
  return unpack(arguments, from, at)
end

--- Return `n` options, each of which is a name and a value.
function lib.next_options(n)
  local options = {}
  for _ = 1, tonumber(n) do
    local name = next_arg()
    options[name] = next_arg()
  end
  return options
end

--- Read the next argument if it is this word. Returns whether it is.
function lib.next_is(word)
  if at >= last or arguments[at + 1] ~= word then return false end
  at = at + 1
  return true
end

--- Whether this group has more arguments.
function lib.more() return at < last end

function lib.key(name) return PREFIX .. name end

--- Return the value of a field of a run, given its text in r:<run>: a long value is read from v:<run>.
function lib.resolve_value(run, field, stored)
  if stored ~= lib.ELSEWHERE then return stored end
  return call("HGET", lib.key("v:" .. run), field)
end

-- ---------------------------------------------------------------------------------------------------------------
-- The plan

local plan
-- A call handles at most this much. The rest waits for the next call.
local SWEEP = 100 -- runs a call, in all sweeps
local REPLY, REPLY_BYTES = 2000, 1024 * 1024 -- fields and outcomes a call

--- Drop all that was read and planned. A batch begins with this, and so does its next plan, without a group that
--- raised.
function lib.begin()
  plan = {
    records = {}, -- run -> its record, false: it does not exist
    registry = {}, -- workflow -> its entry in the registry
    unfinished = {}, -- workflow -> how many more of its runs have not ended
    attempts = {}, -- bundle -> how many more attempts that have not ended began on it
    serves = {}, -- bundle -> how many more workflows it serves
    version = nil, -- of the bundle that became newest last, when one did in this batch
    holds = {}, -- "<host> <folder>" -> the workflows in it
    forgotten = {}, -- host -> true: it is gone
    removed = {}, -- workflows that are marked as removed now, the first of them
    looks_for_removed = false, -- whether workflows may leave the registry now
    changed = {}, -- runs with changed fields, in order
    delayed = {}, -- run -> earliest wake-up in ms, math.huge without one, false: not in the set
    owned = {}, -- worker -> run -> true | false
    waiters = {}, -- run -> "<run>/<operation>" that waits for it and is not of its parent -> true | false
    woken = {}, -- runs that became ready in this batch, in order
    roots = {}, -- root -> created_at
    failed = {}, -- run -> finished_at, false: not in the set
    expiry = {}, -- instant in ms -> runs that expire then
    expiry_of = {}, -- workflow -> the list in `expiry` of its runs that end now
    deleting = {}, -- run -> true: there is more below it to delete | false: all is gone
    tally = { started = 0, completed = 0, failed = 0, cancelled = 0 }, -- how many runs started and ended
    published = {}, -- channel, message, …
    calls = {}, -- any other write: { command, key, … }
    left = {}, -- queue -> true: runs leave it that no worker is given, so its first run may change
    stopped_hosts = {}, -- host -> true: its workers take no more runs
    wakes = nil, -- workers to wake, in order; see wakeups.lua
    renews_only = false, -- whether a heartbeat of this batch only renews its lease: another one did the rounds
    to_wake = nil, -- list of the threads of the calling host that may find runs; its field `host` is the host
    frees_memory = false, -- whether the batch frees memory, so that it is written also when Redis has none left
    keys = {}, -- "<workflow>\t<key>" of dedupe -> "<expires_at>\t<created_at>\t<run>", as read or planned; false: none
    tellings = 0, -- operations that got the end of a run that they share
    sweep_budget = SWEEP, -- how many more runs sweeps may look at
    reply_budget = REPLY, reply_bytes_budget = REPLY_BYTES, -- the room left in the replies
  }
  lib.plan = plan
end

local function push(list, value) list[#list + 1] = value end
lib.push = push

--- A run speculated on outcomes, and others were recorded. Half of its turn is planned, so the batch is planned again
--- without that turn. That happens once: the next plan accepts no speculative turn.
function lib.conflict()
  lib.speculation_failed = true
  error("conflict", 0)
end

--- Plan a message on a channel. The name of the channel is given without the prefix.
function lib.publish(channel, message)
  push(plan.published, channel)
  push(plan.published, message)
end

--- Plan to tell the hosts that a run is due at this instant.
function lib.publish_due(instant) lib.publish("due", instant) end

--- Return how many runs sweeps may still look at.
function lib.sweep_budget() return plan.sweep_budget end

--- A sweep looked at `count` runs.
function lib.use_sweep_budget(count) plan.sweep_budget = plan.sweep_budget - count end

--- Whether the replies have room for one more field or outcome.
function lib.may_reply(bytes)
  return plan.reply_budget > 0 and plan.reply_bytes_budget > bytes
end

--- A reply got a field or an outcome.
function lib.use_reply_budget(bytes)
  plan.reply_budget = plan.reply_budget - 1
  plan.reply_bytes_budget = plan.reply_bytes_budget - bytes
end

lib.CHUNK = 3000 -- arguments of a command

--- Call a command with a list of any length.
function lib.write_chunks(command, hash, list)
  for from = 1, #list, lib.CHUNK do
    call(command, hash, unpack(list, from, math.min(from + lib.CHUNK - 1, #list)))
  end
end

--- Plan any other write. The key is given without the prefix.
function lib.write(command, key, ...)
  push(plan.calls, { command, PREFIX .. key, ... })
end
