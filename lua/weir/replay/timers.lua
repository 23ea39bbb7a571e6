-- The timers of a journal: methods of weir.Journal. A timer counts from the instant at which Redis recorded its
-- operation; one that begins in this turn gets that instant with the reply.

---@class weir.Journal
local methods = {}

---Arms a timer for `span_ms` after this operation began, or after the last try of a step failed.
---@param act fun(operation: weir.Operation)
function methods:arm(operation, span_ms, act)
  local timer = { operation = operation, span_ms = span_ms, act = act }
  if operation.started_at then
    self.timers:push(operation.started_at + span_ms, timer)
  else
    self.young[#self.young + 1] = timer
  end
end

---Arms a timer for an instant.
function methods:arm_at(operation, instant, act)
  self.timers:push(instant, { operation = operation, act = act })
end

---Redis recorded the effects of the last turn at this instant.
function methods:recorded_at(instant)
  if not self.young[1] then return end
  for _, timer in ipairs(self.young) do
    local operation = timer.operation
    operation.started_at = operation.started_at or instant
    self.timers:push(operation.started_at + timer.span_ms, timer)
  end
  self.young = {}
end

---Runs the timers that are due. Called when every branch waits, also in the turn that replays a run: a timer that came
---due meanwhile must not wait for the next turn, which may be a replay as well.
---@return boolean acted
function methods:due(now)
  local timers, acted = self.timers, false
  local timer, at = timers:peek()
  while timer and (at <= now or timer.operation.outcome or timer.operation.dropped) do
    timers:pop()
    if not timer.operation.outcome and not timer.operation.dropped then
      timer.act(timer.operation)
      acted = true
    end
    timer, at = timers:peek()
  end
  return acted
end

---When Redis should wake the run: an instant, and for operations that begin in this turn a span.
---@return integer? wake_at
---@return integer? wake_in
function methods:wake()
  local timers = self.timers
  local timer, at = timers:peek()
  while timer and (timer.operation.outcome or timer.operation.dropped) do
    timers:pop()
    timer, at = timers:peek()
  end
  local span
  for _, young in ipairs(self.young) do
    local operation = young.operation
    if not operation.dropped and not operation.outcome and (not span or young.span_ms < span) then
      span = young.span_ms
    end
  end
  return at, span
end

return methods
