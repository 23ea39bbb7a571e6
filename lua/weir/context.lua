-- ctx: the verbs of a workflow, each a few lines over the journal and the branches.
--
-- Every branch has a context of its own: its scope prefixes the ids begun through it.

local branches = require "weir.branches"
local chance = require "weir.chance"
local duration = require "weir.duration"
local entry = require "weir.entry"
local failure = require "weir.failure"
local identifier = require "weir.id"
local json = require "weir.json"
local nearest = require "weir.nearest"
local order = require "weir.order"
local retry = require "weir.retry"

local context = {}

-- The private side of a context stands under a key that authors cannot name.
local STATE = setmetatable({}, { __name = "weir.context" })

local verbs = {}
local LATER = {
  parallel = true, map = true, scope = true, undo = true, promise = true, receive = true, poll = true,
  restart = true, progress = true, status = true, tag = true,
}

local VERBS
local function verb_names()
  if not VERBS then
    VERBS = { "log", "run" }
    for name in pairs(verbs) do VERBS[#VERBS + 1] = name end
    table.sort(VERBS)
  end
  return VERBS
end

local made = {} -- fields made when first asked for

local metatable = {
  __name = "weir.Context",
  __metatable = "weir.Context",
  __newindex = function(_, key)
    error(("ctx.%s cannot be written: what must last belongs into a step's result"):format(tostring(key)), 2)
  end,
  __index = function(ctx, key)
    local verb = verbs[key]
    if verb then return verb end
    if made[key] then
      local value = made[key](ctx[STATE])
      rawset(ctx, key, value)
      return value
    end
    if LATER[key] then error(("ctx:%s is not there yet"):format(key), 2) end
    local near = type(key) == "string" and nearest.find(key, verb_names())
    error(("ctx has no %s%s"):format(tostring(key), near and ("; did you mean %s?"):format(near) or ""), 2)
  end,
}

---@param run table
---@param scope string
function context.new(run, scope)
  local state = { run = run, scope = scope, counters = {}, draws = 0, uuids = 0 }
  return setmetatable({ [STATE] = state }, metatable)
end

-- ------------------------------------------------------------------------------------------------
-- What all verbs share

local function raise(code, message, more)
  more = more or {}
  more.code, more.message, more.retryable = code, message, false
  error(failure.new(more), 0)
end

-- The author's mistake, with the author's line.
local function misuse(text)
  error(branches.line() .. ": " .. text, 0)
end

local function check_run(run, verb)
  if run.fused then
    run.observed = true
    error("a fused child has nothing to wait for", 0)
  end
  if run.step then
    misuse(('%s cannot be called inside step "%s"'):format(verb, run.step.id))
  end
  if not run.branches.current then
    misuse(("%s cannot be called from outside of its run"):format(verb))
  end
end

local function state_of(ctx, verb)
  local state = type(ctx) == "table" and rawget(ctx, STATE)
  if not state then misuse(("call ctx:%s with a colon"):format(verb)) end
  check_run(state.run, "ctx:" .. verb)
  return state, state.run
end

local function check_options(verb, given, known)
  for name in next, given do
    if not known[name] then
      local names = {}
      for each in pairs(known) do names[#names + 1] = each end
      table.sort(names)
      local near = type(name) == "string" and nearest.find(name, names)
      misuse(("ctx:%s has no option %s%s"):format(verb, tostring(name), near and ("; did you mean %s?"):format(near)
        or "; it has " .. table.concat(names, ", ")))
    end
  end
end

local function milliseconds(verb, name, value)
  if value == nil then return nil end
  local ms, message = duration.ms(value)
  if not ms then misuse(("ctx:%s: %s: %s"):format(verb, name, message)) end
  return ms
end

local function numbered(state, kind)
  local n = (state.counters[kind] or 0) + 1
  state.counters[kind] = n
  return kind .. "#" .. n
end

local function id_of(state, kind, given)
  if given == nil then return state.scope .. numbered(state, kind), true end
  local fault = identifier.fault(given)
  if fault then misuse(("ctx:%s: id%s"):format(kind, fault)) end
  return state.scope .. given, false
end

local function too_large(run, text, what)
  local limit = run.limits.payload_bytes
  if #text <= limit then return nil end
  return failure.new {
    code = "payload_too_large", retryable = false,
    message = ("%s has %d bytes as JSON; %d are allowed"):format(what, #text, limit),
  }
end

---A payload as JSON text; nil is null.
---@return string? text
---@return weir.Failure? fault
function context.encode(run, value, what)
  if value == nil then return "null" end
  local text, message = json.try_encode(value)
  if not text then
    return nil, failure.new {
      code = "payload_invalid", retryable = false, message = what .. " cannot be written as JSON: " .. message,
    }
  end
  local fault = too_large(run, text, what)
  if fault then return nil, fault end
  return text
end

-- ------------------------------------------------------------------------------------------------
-- Futures: operations and branches, seen from outside

local future_methods = {}
local OF = setmetatable({}, { __name = "weir.future" })
local future_metatable = { __index = future_methods, __metatable = "weir.Future", __name = "weir.Future" }

---@class weir.Future
---@field await fun(self: weir.Future): any, weir.Info?
---@field settle fun(self: weir.Future): weir.Settled

local RUN = setmetatable({}, { __name = "weir.run" })

local function future_of(run, settles)
  return setmetatable({ [OF] = settles, [RUN] = run }, future_metatable)
end

-- What the journal says of an operation, as Lua values: made once, as each await returns the same.
local function read(run, operation)
  if operation.was_read then return end
  operation.was_read = true
  local outcome = operation.outcome
  if outcome.state == "completed" then
    if operation.decode then
      local ok, value = pcall(operation.decode, outcome.value)
      operation.ok, operation.value = ok, value
      if not ok then
        operation.value = failure.new {
          code = "payload_invalid", retryable = false, run = run.id, operation = operation.id,
          message = ('decode of "%s" failed: %s'):format(operation.id, tostring(value)),
        }
      end
    else
      operation.ok, operation.value = true, json.decode(outcome.value)
    end
    if operation.kind == "invoke" then
      operation.info = {
        id = operation.child, attempts = outcome.attempts,
        started_at = operation.started_at, finished_at = outcome.finished_at,
      }
    end
    return
  end
  local cause = failure.decode(outcome.value)
  operation.ok = false
  if operation.kind == "invoke" and (outcome.state == "failed" or outcome.state == "cancelled") then
    operation.value = failure.new {
      code = "child_failed", message = "Child execution failed: " .. cause.message, retryable = false,
      run = run.id, operation = operation.id, workflow = operation.subject, cause = cause,
    }
  else
    cause.run, cause.operation = run.id, operation.id
    operation.value = cause
  end
end

local function result_of(run, settles)
  if settles.kind then read(run, settles) end
  return settles.ok, settles.value, settles.info
end

local function always() return true end

local function await(run, verb, settles)
  if not settles.settled then run.branches:await(verb, { settles }, always) end
  local ok, value, info = result_of(run, settles)
  if not ok then error(value, 0) end
  return value, info
end

local function inside_of(future, verb)
  local settles = type(future) == "table" and rawget(future, OF)
  if not settles then misuse(("call future:%s with a colon"):format(verb)) end
  check_run(future[RUN], "future:" .. verb)
  return future[RUN], settles
end

---Wait for the outcome: what `ctx:invoke` would return, or raise.
function future_methods:await()
  local run, settles = inside_of(self, "await")
  return await(run, "await", settles)
end

---@class weir.Settled
---@field ok boolean
---@field value any
---@field error weir.Failure?

local function settled(run, settles)
  local ok, value = result_of(run, settles)
  if ok then return { ok = true, value = value } end
  return { ok = false, error = value }
end

---Wait for the outcome, whatever it is.
---@return weir.Settled
function future_methods:settle()
  local run, settles = inside_of(self, "settle")
  if not settles.settled then run.branches:await("settle", { settles }, always) end
  return settled(run, settles)
end

-- ------------------------------------------------------------------------------------------------
-- invoke, spawn

local INVOKE_OPTIONS = {}
for _, name in ipairs {
  "id", "workflow", "data", "timeout", "on_timeout", "retry", "queue", "priority", "delay", "encode", "decode",
  "detached",
} do INVOKE_OPTIONS[name] = true end

-- Nothing is awaited any more of a child whose time is over.
local function leave(run, child, on_timeout)
  if on_timeout == "abandon" then
    table.insert(run.abandoned, child)
  else
    run:linger(child)
  end
end

-- The time of an invoke is over: that is its outcome, unless the child was faster.
local function time_out(run, operation)
  local journal = run.journal
  local message = ('invoke "%s" timed out after %s'):format(operation.id, duration.text(operation.timeout_ms))
  journal:resolve(operation, "timeout", 0,
    failure.encode(failure.new { code = "timeout", message = message, retryable = false }))
  if operation.on_timeout ~= "abandon" then
    journal:tell("cancel", operation.child, "cancelled: " .. message)
  end
  leave(run, operation.child, operation.on_timeout)
end

local function unknown_workflow(run, workflow)
  local names = {}
  for name in pairs(run.bundle.workflows) do names[#names + 1] = name end
  table.sort(names)
  local near = nearest.find(workflow, names)
  return failure.encode(failure.new {
    code = "unknown_workflow", retryable = false,
    message = ('no workflow "%s"%s'):format(workflow, near and (' (did you mean "%s"?)'):format(near) or ""),
  })
end

-- What is wrong with the data, as far as this bundle can tell; the child looks again when it is claimed.
local function invalid_data(definition, workflow, text)
  local violations = definition.validate and definition.validate(json.decode(text))
  if not violations then return nil end
  return failure.encode(require("weir.executor").invalid_data(workflow, violations))
end

-- As the store says it when it knows of the cancel first.
local NOT_STARTED = failure.encode(failure.new {
  code = "cancelled", message = "not started: its run is being cancelled",
})

local function payload(run, options, id)
  local what = ('data of "%s"'):format(id)
  if not options.encode then
    local text, fault = context.encode(run, options.data == nil and {} or options.data, what)
    return text or error(fault, 0)
  end
  local text = options.encode(options.data)
  local _, message
  if type(text) == "string" then _, message = json.try_decode(text) else message = "it is a " .. type(text) end
  if message then
    raise("payload_invalid", ('encode of "%s" must return JSON text: %s'):format(id, message), { operation = id })
  end
  local fault = too_large(run, text, what)
  if fault then error(fault, 0) end
  return text
end

-- A child is on its way, or was: it ends before its run, and in its time.
local function watch(run, operation)
  local outcome = operation.outcome
  if outcome then
    if outcome.state == "timeout" then leave(run, operation.child, operation.on_timeout) end
    return
  end
  run.journal:open_child(operation, operation.child)
  if operation.timeout_ms then
    run.journal:arm(operation, operation.timeout_ms, function() time_out(run, operation) end)
  end
end

local function invoke(state, run, verb, options)
  if type(options) ~= "table" then
    misuse(("ctx:%s takes a table: ctx:%s{ id = …, workflow = …, data = … }"):format(verb, verb))
  end
  check_options(verb, options, INVOKE_OPTIONS)
  local workflow = options.workflow
  local fault = identifier.fault(workflow)
  if fault then misuse(("ctx:%s: workflow%s"):format(verb, fault)) end
  local on_timeout = options.on_timeout
  if on_timeout ~= nil and on_timeout ~= "cancel" and on_timeout ~= "abandon" then
    misuse(('ctx:%s: on_timeout is "cancel" or "abandon"'):format(verb))
  end
  local timeout_ms = milliseconds(verb, "timeout", options.timeout)
  local delay_ms = milliseconds(verb, "delay", options.delay)
  local queue, priority = options.queue, options.priority
  if queue ~= nil then
    fault = identifier.queue_fault(queue)
    if fault then misuse(("ctx:%s: queue%s"):format(verb, fault)) end
  end
  if priority ~= nil then
    priority = math.type(priority) and math.tointeger(priority)
    if not priority or priority < -100 or priority > 100 then
      misuse(("ctx:%s: priority must be an integer from -100 to 100"):format(verb))
    end
  end
  local policy = nil
  if options.retry ~= nil then
    local message
    policy, message = retry.policy(options.retry)
    if not policy then misuse(("ctx:%s: %s"):format(verb, message)) end
  end

  local journal = run.journal
  local id = id_of(state, "invoke", options.id)
  local data = payload(run, options, id)
  local operation, new = journal:begin("invoke", id, workflow, branches.line(4))
  local child = run.id .. "/" .. id
  operation.decode, operation.child = not options.detached and options.decode or nil, child
  operation.timeout_ms, operation.on_timeout = timeout_ms, on_timeout

  if new then
    local arguments = nil
    if timeout_ms or options.detached then
      arguments = json.encode { timeout_ms = timeout_ms, on_timeout = timeout_ms and (on_timeout or "cancel") or nil,
                                detached = options.detached and true or nil }
    end
    local text = journal:entry(operation, arguments)
    local definition = run.bundle.workflows[workflow]
    local refused = journal:cancelling() and NOT_STARTED
      or definition and invalid_data(definition, workflow, data)
    if refused then
      journal:resolve(operation, "refused", 0, refused, text)
      return operation
    end
    local more = {}
    local function option(name, value)
      if value ~= nil then more[#more + 1], more[#more + 2] = name, value end
    end
    option("queue", queue)
    option("priority", priority)
    option("delay_ms", delay_ms)
    option("retry", policy and json.encode(policy))
    option("detached", options.detached and "1" or nil)
    local seed = run.host.seed()
    local first = journal:tell("invoke", id, text, child, workflow, data, seed, run.limits.depth,
      definition and "" or unknown_workflow(run, workflow), "", "", #more // 2, table.unpack(more))
    journal:weigh(#data)
    if options.detached then journal.uncertain = true end
    if definition and not (delay_ms or options.detached or options.queue) then
      run:may_fuse(operation, definition, child, data, seed, first)
    end
  end
  if options.detached then return operation end
  watch(run, operation)
  return operation
end

---Take over the children that earlier attempts began and this one did not: they too end before the run.
function context.adopt(run)
  local journal, ids = run.journal, {}
  for id in pairs(journal.recorded) do ids[#ids + 1] = id end
  table.sort(ids)
  for _, id in ipairs(ids) do
    local held = entry.read(journal.recorded[id])
    if held.kind == "invoke" then
      local arguments = held.arguments ~= "" and json.decode(held.arguments) or {}
      if not arguments.detached then
        local operation = journal:begin("invoke", id, held.subject, held.line)
        operation.child = run.id .. "/" .. id
        operation.timeout_ms, operation.on_timeout = arguments.timeout_ms, arguments.on_timeout
        watch(run, operation)
      end
    end
  end
end

---Run a child, wait for it, return its result, or raise its failure.
---@param options weir.InvokeOptions
---@return any result
---@return weir.Info info
function verbs.invoke(ctx, options)
  local state, run = state_of(ctx, "invoke")
  return await(run, "invoke", invoke(state, run, "invoke", options))
end

---Start a child and go on: a future of what `ctx:invoke` would return.
---@param options weir.InvokeOptions
---@return weir.Future
function verbs.spawn(ctx, options)
  local state, run = state_of(ctx, "spawn")
  return future_of(run, invoke(state, run, "spawn", options))
end

-- ------------------------------------------------------------------------------------------------
-- all, settle, race

-- The items of `t` in the order of their keys: futures as they are, functions begun as branches.
local function begin_all(state, run, verb, t)
  if type(t) ~= "table" then misuse(("ctx:%s takes a table of futures and functions"):format(verb)) end
  if rawget(t, OF) then misuse(("ctx:%s takes one table of futures: ctx:%s{ a, b }"):format(verb, verb)) end
  local scope = state.scope .. numbered(state, verb) .. ":"
  local keys, items = {}, {}
  for key, item in order.pairs(t) do
    local settles
    if type(item) == "function" then
      local name = tostring(key)
      local fault = identifier.fault(name)
      if fault then misuse(("ctx:%s: the key%s"):format(verb, fault)) end
      local ctx = context.new(run, scope .. name .. ":")
      settles = run.branches:spawn(scope .. name .. ":", function() return item(ctx) end, ctx)
    else
      settles = type(item) == "table" and rawget(item, OF)
      if not settles then
        misuse(("ctx:%s: [%s] is a %s, not a future or a function"):format(verb, tostring(key), type(item)))
      end
    end
    keys[#keys + 1], items[#items + 1] = key, settles
  end
  return keys, items
end

local function count_missing(items)
  local missing = 0
  for _, settles in ipairs(items) do
    if not settles.settled then missing = missing + 1 end
  end
  return missing
end

-- One and the same future may stand under two keys: it settles once for both.
local function in_items(items)
  local times = {}
  for _, settles in ipairs(items) do times[settles] = (times[settles] or 0) + 1 end
  return times
end

---Every result under its key, or the first failure; the others go on.
---@generic K
---@param t table<K, weir.Future|fun(ctx: weir.Context): any>
---@return table<K, any>
function verbs.all(ctx, t)
  local state, run = state_of(ctx, "all")
  local keys, items = begin_all(state, run, "all", t)
  local failed
  for _, settles in ipairs(items) do
    if settles.settled and not result_of(run, settles) and (not failed or settles.settled < failed.settled) then
      failed = settles
    end
  end
  local missing, times = count_missing(items), in_items(items)
  if not failed and missing > 0 then
    run.branches:await("all", items, function(settles)
      missing = missing - times[settles]
      if not result_of(run, settles) then failed = settles end
      return failed ~= nil or missing == 0
    end)
  end
  if failed then
    local _, raised = result_of(run, failed)
    error(raised, 0)
  end
  local results = {}
  for i, key in ipairs(keys) do
    local _, value = result_of(run, items[i])
    results[key] = value
  end
  return #keys > 0 and #results == #keys and json.array(results) or results
end

---How each ended, under its key.
---@generic K
---@param t table<K, weir.Future|fun(ctx: weir.Context): any>
---@return table<K, weir.Settled>
function verbs.settle(ctx, t)
  local state, run = state_of(ctx, "settle")
  local keys, items = begin_all(state, run, "settle", t)
  local missing, times = count_missing(items), in_items(items)
  if missing > 0 then
    run.branches:await("settle", items, function(settles)
      missing = missing - times[settles]
      return missing == 0
    end)
  end
  local results = {}
  for i, key in ipairs(keys) do results[key] = settled(run, items[i]) end
  return results
end

---The first to finish: its result and its key, or its failure.
---@generic K
---@param t table<K, weir.Future|fun(ctx: weir.Context): any>
---@param options? { losers: "cancel"|"keep" } default "cancel"
---@return any result
---@return any key
function verbs.race(ctx, t, options)
  local state, run = state_of(ctx, "race")
  options = options or {}
  check_options("race", options, { losers = true })
  local losers = options.losers or "cancel"
  if losers ~= "cancel" and losers ~= "keep" then misuse('ctx:race: losers is "cancel" or "keep"') end
  local keys, items = begin_all(state, run, "race", t)
  if #keys == 0 then misuse("ctx:race: nobody takes part") end
  local first
  for _, settles in ipairs(items) do
    if settles.settled and (not first or settles.settled < first.settled) then first = settles end
  end
  if not first then
    run.branches:await("race", items, function(settles)
      first = settles
      return true
    end)
  end
  local winner
  for i, settles in ipairs(items) do
    if settles == first then
      winner = winner or keys[i]
    elseif losers == "cancel" then
      run:end_early(settles, "lost the race")
    end
  end
  local ok, value = result_of(run, first)
  if not ok then error(value, 0) end
  return value, winner
end

-- ------------------------------------------------------------------------------------------------
-- step

local STEP_OPTIONS = { id = true, run = true, retry = true, timeout = true, at_most_once = true }

local function step_arguments(failures, pause_ms)
  return json.encode { failures = failures, pause_ms = pause_ms }
end

---The pause before the next try of what failed; nil when there is none.
---@return integer? ms
function context.pause(run, policy, stream, failures, raised)
  if raised.retryable == false then return nil end
  local pause = retry.delay(policy, failures, chance.fraction(chance.bits(run.seed, stream, failures)))
  local least = math.type(raised.retry_after_ms) and math.tointeger(raised.retry_after_ms)
  if pause and least and least > pause then return least end
  return pause
end

-- One try. Returns whether it is over, and if not the pause before the next.
local function try_step(run, operation, options, failures)
  local journal, host = run.journal, run.host
  local attempt = failures + 1
  local about = { attempt = attempt, key = run.id .. ":" .. operation.id }
  if operation.timeout_ms then about.deadline_ms = run.clock_ms + operation.timeout_ms end
  run.step = operation
  if operation.timeout_ms then host.limit(operation.timeout_ms) end
  local ok, value = xpcall(options.run, function(raised)
    return failure.from(raised, branches.traceback())
  end, about)
  local late = operation.timeout_ms and host.limit(nil)
  run.step = nil

  if late then
    ok, value = false, failure.new {
      code = "timeout",
      message = ('step "%s" timed out after %s'):format(operation.id, duration.text(operation.timeout_ms)),
    }
  end
  local text
  if ok then
    local fault
    text, fault = context.encode(run, value, ('result of step "%s"'):format(operation.id))
    if fault then ok, value = false, fault end
  end
  local begun = operation.recorded and "" or journal:entry(operation)
  if ok then
    journal:resolve(operation, "completed", attempt, text, begun)
    return true
  end
  local pause = context.pause(run, options.policy, "step:" .. operation.id, attempt, value)
  if pause and not options.at_most_once then
    journal:tell("record", operation.id, journal:entry(operation, step_arguments(attempt, pause)))
    operation.recorded, operation.started_at = true, nil
    return false, pause
  end
  journal:resolve(operation, "failed", attempt, failure.encode(value), begun)
  return true
end

-- A step that failed waits here until its next try.
local function back_off(run, operation, pause_ms)
  local wait = run.branches:begin_pause()
  run.journal:arm(operation, pause_ms, function() run.branches:wake(wait) end)
  run.branches:pause()
end

---Run ordinary Lua once and remember what it returned.
---@param id string|weir.StepOptions
---@param body? fun(about: weir.StepAbout): any
---@return any result
function verbs.step(ctx, id, body)
  local state, run = state_of(ctx, "step")
  local given = type(id) == "table" and id or { id = id, run = body }
  check_options("step", given, STEP_OPTIONS)
  if type(given.run) ~= "function" then misuse("ctx:step takes an id and a function") end
  local options = { run = given.run, at_most_once = given.at_most_once, policy = run.retry_policy }
  if given.retry ~= nil then
    local message
    options.policy, message = retry.policy(given.retry)
    if not options.policy then misuse("ctx:step: " .. message) end
  end

  local journal = run.journal
  local operation, new = journal:begin("step", id_of(state, "step", given.id), "", branches.line())
  operation.timeout_ms = milliseconds("step", "timeout", given.timeout)
  if not operation.outcome then
    local failures = 0
    if options.at_most_once then
      if new then
        journal:tell("record", operation.id, journal:entry(operation))
        operation.recorded = true
      else
        journal:resolve(operation, "failed", 1, failure.encode(failure.new {
          code = "interrupted", retryable = false,
          message = ('step "%s" was interrupted; it may run at most once and nobody knows how far it came')
            :format(operation.id),
        }))
        return await(run, "step", operation)
      end
    elseif not new and operation.arguments ~= "" then
      local before = json.decode(operation.arguments)
      failures = before.failures
      back_off(run, operation, before.pause_ms)
    end
    local over, pause
    repeat
      run.branches:await_step(operation)
      over, pause = try_step(run, operation, options, failures)
      if not over then
        failures = failures + 1
        back_off(run, operation, pause)
      end
    until over
  end
  return (await(run, "step", operation))
end

-- ------------------------------------------------------------------------------------------------
-- sleep

---Sleep, durably.
---@param given weir.Duration|{ id: string?, duration: weir.Duration?, until_ms: integer? }
function verbs.sleep(ctx, given)
  local state, run = state_of(ctx, "sleep")
  local options = type(given) == "table" and given or { duration = given }
  check_options("sleep", options, { id = true, duration = true, until_ms = true })
  local until_ms = options.until_ms
  if (until_ms == nil) == (options.duration == nil) then misuse("ctx:sleep takes a duration or until_ms") end
  if until_ms ~= nil then
    until_ms = math.type(until_ms) and math.tointeger(until_ms)
    if not until_ms then misuse("ctx:sleep: until_ms is an integer of milliseconds") end
  end
  local span_ms = milliseconds("sleep", "duration", options.duration)

  local journal = run.journal
  local arguments = until_ms and ('{"until_ms":%d}'):format(until_ms) or ('{"duration_ms":%d}'):format(span_ms)
  local id, auto = id_of(state, "sleep", options.id)
  local operation, new = journal:begin("sleep", id, "", branches.line(), arguments, auto)
  if not operation.outcome then
    if new then journal:tell("record", id, journal:entry(operation, arguments)) end
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
-- Time and chance: the same on every replay, without entries

---Seconds, with a fraction, of the last outcome delivered.
---@return number
function verbs.now(ctx)
  local _, run = state_of(ctx, "now")
  return run:now()
end

function context.random(ctx, ...)
  local state = rawget(ctx, STATE)
  return chance.random(function()
    state.draws = state.draws + 1
    return chance.bits(state.run.seed, "random:" .. state.scope, state.draws)
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
  return chance.uuid(function()
    state.uuids = state.uuids + 1
    return chance.bits(state.run.seed, "uuid:" .. state.scope, state.uuids)
  end)
end

-- ------------------------------------------------------------------------------------------------
-- Said to people

function made.run(state)
  local run = state.run
  run.observed = true
  local id = run.id
  local _, depth = id:gsub("/", "")
  return {
    id = id, workflow = run.workflow, attempt = run.attempt, parent = id:match("^(.*)/[^/]*$"),
    root = id:match("^[^/]*"), depth = depth, bundle = run.bundle_hash, created_at = run.created_at,
  }
end

function made.log(state)
  local run = state.run
  local log = {}
  for _, level in ipairs { "debug", "info", "warn", "error" } do
    log[level] = function(self, text, fields)
      if self ~= log then misuse(("call ctx.log:%s with a colon"):format(level)) end
      run:say(level, tostring(text), fields ~= nil and (json.try_encode(fields)) or nil)
    end
  end
  return log
end

return context
