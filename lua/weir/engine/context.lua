-- ctx: the table through which a workflow calls the verbs. The verbs that fill a module stand in one of their own
-- (invoke, step, undo, futures); the short ones stand here.
--
-- Every branch has a context of its own: its scope prefixes the ids of the operations that begin through it.

local random = require "weir.base.random"
local graph_results = require "weir.engine.graph_results"
local futures = require "weir.engine.futures"
local identifier = require "weir.base.identifier"
local invoke = require "weir.engine.invoke"
local json = require "weir.json"
local suggest = require "weir.base.suggest"
local option_checks = require "weir.base.options"
local parallel = require "weir.engine.parallel"
local poll = require "weir.engine.poll"
local progress = require "weir.engine.progress"
local returned = require "weir.engine.returned"
local run_id = require "weir.base.run_id"
local scope = require "weir.base.scope"
local sandbox = require "weir.code.sandbox"
local step = require "weir.engine.step"
local undo = require "weir.engine.undo"
local call = require "weir.engine.call"

local context = {}

local STATE = call.STATE
local await, check_options, usage_error = futures.await, call.check_options, call.usage_error
local id_of, milliseconds, place_of, state_of = call.id_of, call.milliseconds, call.place_of, call.state_of

local verbs = {
  all = futures.all, any = futures.any, invoke = invoke.verb, map = parallel.map, parallel = parallel.verb,
  poll = poll.verb, progress = progress.verb, race = futures.race, settle = futures.settle, spawn = invoke.spawn,
  status = progress.status, step = step.verb, undo = undo.verb,
}
local LATER = { promise = true, receive = true, restart = true }

local VERBS
local function verb_names()
  if not VERBS then
    VERBS = { "deps", "log", "run" }
    for name in pairs(verbs) do VERBS[#VERBS + 1] = name end
    table.sort(VERBS)
  end
  return VERBS
end

-- Names of verbs in other engines.
local ELSEWHERE = {
  call = "invoke", execute = "invoke", child = "invoke", activity = "step", task = "step", wait = "sleep",
  delay = "sleep", await = "spawn{ … }:await",
}

local function advice(run, key)
  local near = ELSEWHERE[key] or type(key) == "string" and suggest.find(key, verb_names())
  if near then return ("; did you mean %s?"):format(near) end
  local body = run.definition and run.definition.run
  if body and debug.getinfo(body, "u").nparams == 1 then return "; run gets (ctx, data): the data comes second" end
  return ""
end

local fields = {} -- makers of fields, called at the first read

local metatable = {
  __name = "weir.Context",
  __metatable = "weir.Context",
  __newindex = function(_, key)
    usage_error(("ctx.%s cannot be written: what must last belongs into a step's result"):format(tostring(key)))
  end,
  __index = function(ctx, key)
    local verb = verbs[key]
    if verb then return verb end
    if fields[key] then
      local value = fields[key](ctx[STATE])
      rawset(ctx, key, value)
      return value
    end
    if LATER[key] then usage_error(("ctx:%s is not there yet"):format(key)) end
    usage_error(("ctx has no %s%s"):format(tostring(key), advice(ctx[STATE].run, key)))
  end,
}

---@param run weir.Run
---@param inner string scope of the operations that begin through it
---@param within string? the ids of the scopes that `ctx:scope` opened in its branch, each with a ":"
function context.new(run, inner, within)
  within = within or ""
  local state = {
    run = run, scope = inner, within = within, prefix = scope.prefix(inner) .. within, counters = {}, draws = 0,
    uuids = 0,
  }
  return setmetatable({ [STATE] = state }, metatable)
end

-- ------------------------------------------------------------------------------------------------
-- scope

---Runs a function, in the same branch, whose ids begin with `id:`.
---@generic T
---@param id string
---@param fn fun(ctx: weir.Context): T
---@return T result
function verbs.scope(ctx, id, fn)
  local state, run = place_of(ctx, "scope")
  if type(fn) ~= "function" or id == nil then
    usage_error('ctx:scope takes an id and a function: ctx:scope("id", function(ctx) … end)')
  end
  local branch = run.branches.current
  local within = state.within .. call.scope_id(state, "scope", id) .. ":"
  branch.ctx = run:new_context(state.scope, within)
  local _ <close> = setmetatable({}, { __close = function() branch.ctx = ctx end })
  return (returned.only("scope", id, fn(branch.ctx)))
end

-- ------------------------------------------------------------------------------------------------
-- sleep

local SLEEP_FIELDS = option_checks.fields { "duration", "id", "until_ms" }

---Sleeps. A crash does not lengthen the sleep.
---@param how_long weir.Duration|{ id: string?, duration: weir.Duration?, until_ms: integer? }
function verbs.sleep(ctx, how_long)
  local state, run = place_of(ctx, "sleep")
  local options = type(how_long) == "table" and how_long or { duration = how_long }
  check_options("sleep", options, SLEEP_FIELDS)
  local until_ms = options.until_ms
  if (until_ms == nil) == (options.duration == nil) then usage_error("ctx:sleep takes a duration or until_ms") end
  if until_ms ~= nil then
    until_ms = math.type(until_ms) and math.tointeger(until_ms)
    if not until_ms then usage_error("ctx:sleep: until_ms is an integer of milliseconds") end
  end
  local span_ms = milliseconds("sleep", "duration", options.duration)

  local journal = run.journal
  local arguments = until_ms and ('{"until_ms":%d}'):format(until_ms) or ('{"duration_ms":%d}'):format(span_ms)
  local id, auto = id_of(state, "sleep", options.id)
  local operation, new = journal:begin("sleep", id, "", nil, arguments, auto)
  operation.scope = state.scope
  if not operation.outcome then
    if new then run.effects:add("record", { operation = id, entry = journal:entry(operation, arguments) }) end
    local function over() journal:resolve(operation, "completed", 1, "null") end
    if until_ms then
      journal:arm_at(operation, until_ms, over)
    else
      journal:arm(operation, span_ms, over)
    end
  end
  await(run, "sleep", operation)
end

-- ------------------------------------------------------------------------------------------------
-- Time and random numbers: the same on every replay, without journal entries

---Seconds since 1970, with a fraction, of the last outcome delivered.
---@return number
function verbs.now(ctx)
  local _, run = state_of(ctx, "now")
  return run:now()
end

function context.random(ctx, ...)
  local state = rawget(ctx, STATE)
  return random.random(function()
    state.draws = state.draws + 1
    return random.bits(state.run.seed, "random:" .. state.prefix, state.draws)
  end, ...)
end

---As math.random.
---@param m integer?
---@param n integer?
---@return number
function verbs.random(ctx, m, n)
  state_of(ctx, "random")
  return context.random(ctx, m, n)
end

---A version 4 UUID.
---@return string
function verbs.uuid(ctx)
  local state = state_of(ctx, "uuid")
  return random.uuid(function()
    state.uuids = state.uuids + 1
    return random.bits(state.run.seed, "uuid:" .. state.prefix, state.uuids)
  end)
end

-- ------------------------------------------------------------------------------------------------
-- Tags, ctx.run, ctx.log

local TAGS, TAG_BYTES = 100, 1024 -- each change sends all of them

local function check_tag(key, value)
  local fault = identifier.fault(key)
  if fault then usage_error("ctx:tag: key" .. fault) end
  local kind = type(value)
  if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
    usage_error(('ctx:tag: value of "%s" must be text, a number or a boolean, not a %s'):format(key, kind))
  end
  local text = tostring(value)
  if not utf8.len(text) then usage_error(('ctx:tag: value of "%s" is not valid UTF-8'):format(key)) end
  if #text > TAG_BYTES then
    usage_error(('ctx:tag: value of "%s" has %d bytes; %d are allowed'):format(key, #text, TAG_BYTES))
  end
  return text
end

---Gives the run a tag, by which people find it, or replaces the tag of that key. A replay does nothing.
---@param key string
---@param value string|number|boolean
function verbs.tag(ctx, key, value)
  local _, run = state_of(ctx, "tag")
  local text = check_tag(key, value)
  if run.journal:replaying() then return end
  local tags = run.tags and json.decode(run.tags) or {}
  if tags[key] == text then return end
  tags[key] = text
  local count = 0
  for _ in pairs(tags) do count = count + 1 end
  if count > TAGS then usage_error(('ctx:tag: "%s" is one too many; a run has %d tags at most'):format(key, TAGS)) end
  run.tags = json.encode(tags)
  run.effects:add("tag", { tags = run.tags })
end

local RUN_FIELDS = { "attempt", "bundle", "created_at", "depth", "id", "parent", "root", "workflow" }

local run_metatable = { __name = "weir.RunInfo", __metatable = "weir.RunInfo" }

function run_metatable.__index(_, key)
  if key == "parent" then return nil end -- of a root run
  usage_error("ctx.run: " .. option_checks.unknown_name(key, RUN_FIELDS))
end

function fields.run(state)
  local run = state.run
  run.observed, run.journal.saw_attempt = true, true
  local id = run.id
  return setmetatable({
    id = id, workflow = run.workflow, attempt = run.attempt, parent = run_id.parent(id),
    root = run_id.root(id), depth = run_id.depth(id), bundle = run.bundle_hash, created_at = run.created_at,
  }, run_metatable)
end

function fields.deps(state) return graph_results.of_run(state.run) end

local log_metatable = {
  __name = "weir.Log", __metatable = "weir.Log",
  __call = function() usage_error('name the level: ctx.log:info("…"), or debug, warn, error') end,
}

function fields.log(state)
  local run = state.run
  local log = setmetatable({}, log_metatable)
  for _, level in ipairs { "debug", "info", "warn", "error" } do
    log[level] = function(self, text, details)
      if self ~= log then usage_error(("call ctx.log:%s with a colon"):format(level)) end
      if sandbox.current() ~= run then
        usage_error(("ctx.log:%s cannot be called from outside of its run"):format(level))
      end
      run:say(level, tostring(text), details ~= nil and (json.try_encode(details)) or nil)
    end
  end
  return log
end

return context
