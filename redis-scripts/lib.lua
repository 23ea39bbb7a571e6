-- lib: what every verb stands on. Joined in front of all others by the host, run inside Redis.
--
-- A batch is one transaction with three acts. Verbs *check* and *plan*: they read runs through a cache and change only
-- Lua tables. Then dispatch.lua *writes*, each run's hash once, and *replies*. So a verb that raises, or refuses, has
-- written nothing, and what ten verbs change of one run costs one HSET.
--
-- Redis runs the whole text for each call, so verbs, effects and modules of lib are defined when they are asked for.
-- This file owns the arguments, the clock and the plan. README.md beside it describes keys, fields and states.

local define -- joined behind this: runs the file of that name, which adds to verbs, effects or lib

-- A table whose members are defined when they are first asked for, each by the file of its name in one of the folders.
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
lib.ELSEWHERE = "\1" -- stands in r:<run> for a value kept in v:<run>; no JSON text and no id begins so

-- ---------------------------------------------------------------------------------------------------------------
-- The caller, the clock, the arguments

local time = call("TIME")
local NOW = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

lib.worker = ARGV[1] -- "<host>.<thread>", "" for a client
lib.capacity = tonumber(ARGV[2]) -- how many runs it may be given
lib.served = {} -- the queues that it takes runs of; "*" is all
for i = 4, 3 + tonumber(ARGV[3]) do lib.served[i - 3] = ARGV[i] end

--- The clock: Redis' own, in milliseconds, one instant for the whole batch. As fields have it: `stamp`.
function lib.now() return NOW end
lib.stamp = string.format("%d", NOW)

-- Small integers as text: numbers are dear to print, and the same few come again and again.
lib.text = setmetatable({}, { __index = function(texts, number)
  local text = string.format("%d", number)
  texts[number] = text
  return text
end })

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

local plan
-- A call handles at most this much. The rest waits for the next call.
local SWEEP = 100 -- runs a call, in all sweeps
local REPLY, REPLY_BYTES = 2000, 1024 * 1024 -- fields and outcomes a call

--- Forget all that was read and planned. A batch begins so, and begins again so without a group that raised.
function lib.begin()
  plan = {
    records = {}, -- run -> as it stands in this batch, false: there is none
    registry = {}, -- workflow -> what the registry says of it
    changed = {}, -- runs with changed fields, in order
    delayed = {}, -- run -> earliest wake-up in ms, math.huge without one, false: not in the set
    owned = {}, -- worker -> run -> true | false
    waiters = {}, -- run -> "<run>/<operation>" that waits for it, not being its parent -> true | false
    woken = {}, -- runs that became ready in this batch, in order
    roots = {}, -- root -> created_at
    failed = {}, -- run -> finished_at, false: not in the set
    expiry = {}, -- instant in ms -> runs that expire then
    expiry_of = {}, -- workflow -> the list in `expiry` of its runs that end now
    deleting = {}, -- run -> true: there is more below it to delete | false: all is gone
    published = {}, -- channel, message, …
    calls = {}, -- any other write: { command, key, … }
    left = {}, -- queue -> true: runs left it that were not given to anybody, so that another may be its first
    stopped_hosts = {}, -- host -> true: its workers take no more runs
    to_wake = nil, -- a list for the threads of the calling host that have runs to ask for; its field `host` names it
    frees_memory = false, -- whether memory is freed, so that it has to be written also when there is none left
    keys = {}, -- "<workflow>\t<key>" of dedupe -> "<expires_at>\t<created_at>\t<run>", as read or planned; false: none
    tellings = 0, -- operations that were told of the end of a run that they share
    sweep_budget = SWEEP, -- how many more runs that no caller named this batch may look at
    reply_budget = REPLY, reply_bytes_budget = REPLY_BYTES, -- how much the replies may still bring
  }
  lib.plan = plan
end

local function push(list, value) list[#list + 1] = value end
lib.push = push

--- A run speculated on outcomes that came otherwise, and half of its turn is planned: the batch begins again without
--- that turn. It does so only once: no other speculative turn is tried then.
function lib.conflict()
  lib.wrong = true
  error("conflict", 0)
end

--- A sweep takes up to so many runs.
function lib.sweep_budget() return plan.sweep_budget end

--- It took so many.
function lib.use_sweep_budget(count) plan.sweep_budget = plan.sweep_budget - count end

--- Whether the call may tell one more field or outcome; the first is told whatever its size.
function lib.may_reply(bytes)
  return plan.reply_budget > 0 and plan.reply_bytes_budget > bytes
end

--- It told one.
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

--- Plan a write that is none of the above. The key is given without the prefix.
function lib.write(command, key, ...)
  push(plan.calls, { command, PREFIX .. key, ... })
end
