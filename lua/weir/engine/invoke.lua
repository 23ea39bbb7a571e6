-- ctx:invoke and ctx:spawn: a run starts a child, or takes over one that an earlier attempt has started.

local call = require "weir.engine.call"
local defaults = require "weir.define.defaults"
local duration = require "weir.base.duration"
local entry = require "weir.record.entry"
local failure = require "weir.base.failure"
local futures = require "weir.engine.futures"
local identifier = require "weir.base.identifier"
local json = require "weir.json"
local kinds = require "weir.record.kinds"
local option_checks = require "weir.base.options"
local retry_policy = require "weir.define.retry_policy"
local run_id = require "weir.base.run_id"
local scope = require "weir.base.scope"
local suggest = require "weir.base.suggest"
local violations = require "weir.define.violations"

local await, check_options, usage_error = futures.await, call.check_options, call.usage_error
local id_of, milliseconds, place_of = call.id_of, call.milliseconds, call.place_of

local invoke = {}

local INVOKE_FIELDS = option_checks.fields {
  "id", "workflow", "data", "timeout", "on_timeout", "retry", "queue", "priority", "delay", "encode", "decode",
  "detached", "dedupe",
}
local DEDUPE_FIELDS = option_checks.fields { "key", "within" }

-- The invoke timed out: the run no longer waits for the result. With "abandon" the child goes on, with "cancel" the run
-- waits until it has ended.
local function leave(run, operation)
  if operation.on_timeout == "abandon" then
    table.insert(run.detached_children, operation)
  else
    run:note_pending(operation)
  end
end

-- The invoke times out. That is its outcome, unless that of the child was recorded first.
local function time_out(run, operation)
  local journal = run.journal
  local message = ('invoke "%s" timed out after %s'):format(operation.id, duration.text(operation.timeout_ms))
  journal:resolve(operation, "timeout", 0,
    failure.encode(failure.new { code = "timeout", message = message, retryable = false }))
  run.effects:join()
  if operation.on_timeout == "abandon" then
    journal:detach_child(operation)
  else
    journal:cancel_child(operation, "cancelled: " .. message)
  end
  run.effects:separate()
  leave(run, operation)
end

local function unknown_workflow(run, workflow)
  local near = suggest.find(workflow, identifier.not_own(run.bundle.workflows))
  return failure.encode(failure.new {
    code = "unknown_workflow", retryable = false,
    message = ('no workflow "%s"%s%s'):format(workflow, near and (' (did you mean "%s"?)'):format(near) or "",
      run.host.advise and run.host.advise(workflow) or ""),
  })
end

-- The failure of invalid data, by the schema of this bundle. The child checks again when a worker claims it.
local function invalid_data(definition, workflow, text)
  local found = definition.validate and definition.validate(json.decode(text))
  if not found then return nil end
  return failure.encode(violations.to_failure(workflow, found))
end

-- The same failure as that of the invoke script, which may learn of the cancel first.
local NOT_STARTED = failure.encode(failure.new {
  code = "cancelled", message = "not started: its run is being cancelled",
})

local function payload(run, options, id)
  if not options.encode and run.journal.recorded[id] then return "" end -- a recorded child has its data
  local what = 'data of "%s"'
  if not options.encode then
    local text, fault = call.encode(run, options.data == nil and {} or options.data, what, id)
    return text or error(fault, 0)
  end
  local text = options.encode(options.data)
  local _, message
  if type(text) == "string" then _, message = json.try_decode(text) else message = "it is a " .. type(text) end
  if message then
    call.raise("payload_invalid", ('encode of "%s" must return JSON text: %s'):format(id, message), { operation = id })
  end
  local fault = call.too_large(run, text, what, id)
  if fault then error(fault, 0) end
  return text
end

-- Reads the option `dedupe`: the key by which other invokes find the child, and for how long.
---@return { key: string, within_ms: integer }?
local function dedupe_of(name, dedupe)
  if dedupe == nil then return nil end
  if type(dedupe) ~= "table" then
    usage_error(('ctx:%s: dedupe is a table: { key = "…", within = "1h" }'):format(name))
  end
  local fault = option_checks.unknown(DEDUPE_FIELDS, dedupe)
  if fault then usage_error(("ctx:%s: dedupe: %s"):format(name, fault)) end
  fault = identifier.key_fault(dedupe.key)
  if fault then usage_error(("ctx:%s: dedupe: key%s"):format(name, fault)) end
  local within_ms = milliseconds(name, "dedupe: within", dedupe.within)
  return { key = dedupe.key, within_ms = within_ms or defaults.dedupe_within_ms }
end

-- Tracks a started child: the run cannot finish before it, and its timeout is armed.
local function watch(run, operation)
  local outcome = operation.outcome
  if outcome then
    if outcome.state == "timeout" then leave(run, operation) end
    return
  end
  run.journal:open_child(operation, operation.child)
  if operation.timeout_ms then
    run.journal:arm(operation, operation.timeout_ms, function() time_out(run, operation) end)
  end
end

-- Chooses the child's run id. After a reset the child is reused if it is invoked with the same arguments (the invoke
-- script compares them); otherwise the next generation starts, whose number is returned.
---@return integer? next_generation
local function name_child(run, operation, new)
  local journal, id = run.journal, operation.id
  local function in_generation(generation) return run_id.child(run.id, id, generation) end
  if not new then
    operation.child = in_generation(journal.generations[id] or 1)
    return nil
  end
  local before = journal.reset_children[id]
  if not before then
    operation.child = in_generation(run.generation)
    return nil
  end
  local following = math.max(run.generation, before.generation + 1)
  journal.reset_children[id] = nil
  run.effects.uncertain = true -- the child may have ended already
  if before.restart then
    operation.child = in_generation(following)
  else
    operation.child, operation.other_child = in_generation(before.generation), in_generation(following)
  end
  return following
end

---@class weir.Invoke an invoke whose options were checked
---@field id string
---@field workflow string
---@field line string? of a node: that of its graph
---@field scope string? nil: outside of all branches
---@field data string JSON
---@field timeout_ms integer?
---@field on_timeout "cancel"|"abandon"|nil
---@field queue string?
---@field priority integer?
---@field delay_ms integer?
---@field retry string? JSON of a weir.RetryPolicy
---@field detached boolean?
---@field dedupe { key: string, within_ms: integer }?
---@field refused string? JSON of the failure because of which no child is started
---@field deps string? of a graph's node: the keys it depends on, tab-separated
---@field read_dep? fun(key: string): boolean?, string? the outcome of one of them

-- Adds the effect that starts a new child, or that records the refusal.
---@return boolean started
local function start_child(run, operation, options, next_generation)
  local journal, workflow, timeout_ms = run.journal, options.workflow, options.timeout_ms
  local arguments = nil
  if timeout_ms or options.detached or options.dedupe then
    arguments = json.encode {
      timeout_ms = timeout_ms, on_timeout = timeout_ms and (options.on_timeout or "cancel") or nil,
      detached = options.detached and true or nil, dedupe = options.dedupe,
    }
  end
  local text = journal:entry(operation, arguments)
  local definition = run.bundle.workflows[workflow]
  local refused = journal:cancelling() and NOT_STARTED or options.refused
    or definition and invalid_data(definition, workflow, options.data)
  if refused then return journal:resolve(operation, "refused", 0, refused, text) end
  local seed, dedupe = run.host.seed(operation.child), options.dedupe
  local handle = run.effects:add("invoke", {
    operation = options.id, entry = text, child = operation.child, workflow = workflow, data = options.data,
    seed = seed,
    max_depth = run.limits.depth, unknown = not definition and unknown_workflow(run, workflow) or nil,
    queue = options.queue, priority = options.priority, delay_ms = options.delay_ms, retry = options.retry,
    detached = options.detached and "1" or nil, deps = options.deps, next_generation = next_generation,
    dedupe = dedupe and dedupe.key, within_ms = dedupe and dedupe.within_ms,
  })
  if options.detached or options.dedupe then run.effects.uncertain = true end
  if definition
    and not (options.delay_ms or options.detached or options.queue or options.dedupe or next_generation) then
    run:may_inline(operation, definition, options, seed, handle)
  end
  return true
end

---Begins an invoke, or takes it from the journal.
---@param run weir.Run
---@param options weir.Invoke
---@return weir.Operation
function invoke.begin(run, options)
  local operation, new = run.journal:begin("invoke", options.id, options.workflow, options.line)
  operation.scope = options.scope
  local next_generation = name_child(run, operation, new)
  operation.timeout_ms, operation.on_timeout = options.timeout_ms, options.on_timeout
  if new and not start_child(run, operation, options, next_generation) then return operation end
  if not options.detached then watch(run, operation) end
  return operation
end

local function of_options(state, run, name, options)
  if type(options) ~= "table" then
    usage_error(("ctx:%s takes a table: ctx:%s{ id = …, workflow = …, data = … }"):format(name, name))
  end
  check_options(name, options, INVOKE_FIELDS)
  local workflow = options.workflow
  local fault = identifier.fault(workflow)
  if fault then usage_error(("ctx:%s: workflow%s"):format(name, fault)) end
  local on_timeout = options.on_timeout
  if on_timeout ~= nil and on_timeout ~= "cancel" and on_timeout ~= "abandon" then
    usage_error(('ctx:%s: on_timeout is "cancel" or "abandon"'):format(name))
  end
  local timeout_ms = milliseconds(name, "timeout", options.timeout)
  local delay_ms = milliseconds(name, "delay", options.delay)
  local queue, priority = options.queue, options.priority
  if queue ~= nil then
    fault = identifier.queue_fault(queue)
    if fault then usage_error(("ctx:%s: queue%s"):format(name, fault)) end
  end
  if priority ~= nil then
    priority, fault = option_checks.priority(priority)
    if not priority then usage_error(("ctx:%s: priority%s"):format(name, fault)) end
  end
  local dedupe = dedupe_of(name, options.dedupe)
  local policy = nil
  if options.retry ~= nil then
    local message
    policy, message = retry_policy.policy(options.retry)
    if not policy then usage_error(("ctx:%s: %s"):format(name, message)) end
  end

  local id = id_of(state, "invoke", options.id)
  local operation = invoke.begin(run, {
    id = id, scope = state.scope, workflow = workflow, data = payload(run, options, id), timeout_ms = timeout_ms,
    on_timeout = on_timeout, queue = queue, priority = priority, delay_ms = delay_ms,
    retry = policy and json.encode(policy), detached = options.detached, dedupe = dedupe,
  })
  operation.decode = not options.detached and options.decode or nil
  return operation
end

-- Operations of an undo are begun again by that undo, as long as undos run.
local function is_of_undo(run, held) return scope.undone(held.scope) ~= nil and not run.killed end

---Takes over children that earlier attempts began and this one did not, as they too end before the run.
---@param run weir.Run
---@return string[] ids
function invoke.take_over_children(run)
  local journal, taken_over = run.journal, {}
  local ids = journal:left_over()
  journal.taking_over = true
  for _, id in ipairs(ids) do
    local held = entry.read(journal.recorded[id], id)
    if kinds[held.kind].owns_child and not is_of_undo(run, held) then
      local arguments = held.arguments ~= "" and json.decode(held.arguments) or {}
      if not arguments.detached then
        local operation = journal:begin("invoke", id, held.subject, held.line)
        operation.scope = held.scope
        name_child(run, operation, false)
        operation.timeout_ms, operation.on_timeout = arguments.timeout_ms, arguments.on_timeout
        watch(run, operation)
        taken_over[#taken_over + 1] = id
      end
    end
  end
  journal.taking_over = false
  return taken_over
end

---Runs a child, waits for it, and returns its result or raises its failure.
---@param options weir.InvokeOptions
---@return any result
---@return weir.Info info
function invoke.verb(ctx, options)
  local state, run = place_of(ctx, "invoke")
  return await(run, "invoke", of_options(state, run, "invoke", options))
end

---Starts a child and goes on. Returns a future of what `ctx:invoke` would return.
---@param options weir.InvokeOptions
---@return weir.Future
function invoke.spawn(ctx, options)
  local state, run = place_of(ctx, "spawn")
  return futures.of(run, of_options(state, run, "spawn", options))
end

return invoke
