-- Inlined children: a child that only computes runs at once, and Redis creates it as completed in the turn that invokes
-- it. Methods of weir.Run.
--
-- Until Redis acknowledges the turn, an inlined child has had no outside effect. If it needs Redis, the clock or the
-- log, fails, or runs too long, it is discarded and started normally; so it is when the script refuses (newer code, or
-- a queue that this worker does not serve).
--
-- Speculation: if no other outcome can come in between, the outcome of an inlined child will get the next number. So
-- the parent goes on before Redis has recorded it, and a sequence of such children takes one turn. Redis applies that
-- turn as a whole or not at all. If it refuses (a cancel came, or newer code), the worker drops the coroutine, and the
-- run goes on from its journal without speculating.

local returned = require "weir.engine.returned"
local sandbox = require "weir.code.sandbox"
local scopes = require "weir.base.scope"
local call = require "weir.engine.call"

---@class weir.Run
local Run = {}

---@class weir.Inlinable a child that began in this turn and may be inlined
---@field operation weir.Operation
---@field definition weir.Definition
---@field child string run id
---@field data string JSON
---@field seed integer
---@field handle integer of its invoke in the effects
---@field deps string? of a node
---@field read_dep? fun(key: string): boolean?, string? of a node

local INLINED_A_TURN = 100
local INLINED_MS = 2 -- that one child may take
local INLINING_MS = 2 -- that all children of a turn may take, about
local INLINE_BACKOFF = 64 -- children of a workflow that are started normally after one could not be inlined

local inline_backoff = setmetatable({}, { __mode = "k" }) -- definition -> how many are still to be started normally

---@param invoke weir.Invoke
---@param handle integer of the invoke in the effects
function Run:may_inline(operation, definition, invoke, seed, handle)
  if self.dry or self.host.separate or self.crashes > 0 or definition.timeout_ms or definition.graph then return end
  if definition.queue ~= self.queue then return end
  local remaining = inline_backoff[definition]
  if remaining and remaining > 0 then
    inline_backoff[definition] = remaining - 1
    return
  end
  local inlinable = self.inlinable
  if not inlinable then
    inlinable = {}
    self.inlinable = inlinable
  end
  if #inlinable < INLINED_A_TURN then
    inlinable[#inlinable + 1] = {
      operation = operation, definition = definition, child = operation.child, data = invoke.data, seed = seed,
      handle = handle, deps = invoke.deps, read_dep = invoke.read_dep,
    }
  end
end

---Whether this turn should begin no more children: one that begins now would wait, or not be inlined, without need.
function Run:is_full()
  local inlinable = self.inlinable
  return self.effects:overflows() or inlinable ~= nil and #inlinable >= INLINED_A_TURN
end

-- The run of an inlined child. It has no journal: every verb that needs one ends the attempt to inline the child.
local function begin_inlined(parent, one)
  local child = setmetatable({
    id = one.child, workflow = one.definition.id, seed = one.seed, attempt = 1, inlined = true,
    bundle_hash = parent.bundle_hash, limits = parent.limits, created_at = parent.clock_ms,
    deps = one.deps, read_dep = one.read_dep,
    journal = { now_ms = parent.clock_ms }, branches = {},
  }, getmetatable(parent))
  child.ctx = child:new_context(scopes.ROOT)
  return child
end

-- The result as JSON; nil if the child failed or returned several values.
local function result_of(child, ok, value, ...)
  if not ok or returned.surplus("workflow", child.workflow, ...) then return nil end
  return (call.encode(child, value, "the result"))
end

-- Runs a child. If it only returns a value, the invoke carries the result.
local function compute(self, one)
  local host, child = self.host, begin_inlined(self, one)
  sandbox.enter(self.bundle, child)
  host.limit(INLINED_MS, true)
  local result = result_of(child, pcall(child.run_body, child, one.definition, one.data))
  local late = host.limit(nil)
  sandbox.leave()
  if not result or late or child.observed then
    inline_backoff[one.definition] = INLINE_BACKOFF
    return nil
  end
  self.effects:patch(one.handle, "bundle", self.bundle_hash)
  self.effects:patch(one.handle, "result", result)
  return result
end

-- Whether this turn has time for another child.
local function has_time(self)
  local now = self.host.elapsed_ms()
  self.turn_began_ms = self.turn_began_ms or now
  return now - self.turn_began_ms < INLINING_MS
end

---Runs the inlinable children that are left when the turn ends.
function Run:run_inlinable()
  local inlinable = self.inlinable
  self.inlinable = nil
  for _, one in ipairs(inlinable) do
    if not has_time(self) or not compute(self, one) then return end
  end
end

---Redis has refused a turn of this run that speculated.
function Run:disable_speculation() self.speculation_disabled = true end

local SPECULATED_A_TURN = 32

---Runs the next inlinable child and goes on with its outcome, if no other outcome can come before it.
---@return boolean done
function Run:speculate()
  local inlinable, log = self.inlinable, self.journal
  local one = inlinable and inlinable[1]
  if not one or self.speculation_disabled then return false end
  if self.effects.uncertain or #inlinable ~= log.open_count then return false end
  if self.effects.speculated >= SPECULATED_A_TURN or not has_time(self) then return false end
  table.remove(inlinable, 1)
  local result = compute(self, one)
  sandbox.enter(self.bundle, self)
  if not result then return false end
  log:speculate(one.operation, result, self.clock_ms)
  return true
end

return Run
