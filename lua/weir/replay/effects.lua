-- What a run tells the store: effects, in order, in turns of a bounded size.
--
-- Invariant: what stands on outcomes that are foreseen goes in the turn that says so, and what says how the run goes on
-- is the last of its turn. What was joined goes together.

local outbox = {}
outbox.__index = outbox

---@class weir.Outbox
---@field effects table what the store must be told, flat
---@field foreseen boolean whether it stands on outcomes that are not recorded yet
---@field uncertain boolean whether it brings outcomes whose numbers the store decides
---@field takes integer how often effects were taken
---@field part_of integer the same, when that began to be told of which the last turn told a part

---@return weir.Outbox
function outbox.new()
  return setmetatable({
    effects = {},
    marks = {}, -- where in `effects` each of them begins
    payloads = {}, -- how many bytes of payload each of them brings, if any
    bytes = 0, -- of all those not taken yet
    taken = 0, -- how many of them were told in turns before
    inseparable = 0, -- how many of them go in one turn: up to the last whose outcome was foreseen
    joining = false, -- whether what is told goes with the one before
    joined = {}, -- marks of those that go with the one before them
    foreseen = false,
    uncertain = false,
    closed = false, -- whether the last of them says how the run goes on
    takes = 0,
    part_of = 0,
  }, outbox)
end

local SHORT = 14

---Tell the store something, when this turn ends.
---@return integer first where it begins in `effects`
function outbox:tell(...)
  local effects, marks, count = self.effects, self.marks, select("#", ...)
  local first = #effects + 1
  marks[#marks + 1] = first
  if self.joining then self.joined[#marks] = true end
  if count > SHORT then
    table.move({ ... }, 1, count, first, effects)
  else -- without a table in between
    effects[first], effects[first + 1], effects[first + 2], effects[first + 3], effects[first + 4],
    effects[first + 5], effects[first + 6], effects[first + 7], effects[first + 8], effects[first + 9],
    effects[first + 10], effects[first + 11], effects[first + 12], effects[first + 13] = ...
  end
  return first
end

---What is told from now on goes in the same turn as what was told last …
function outbox:join() self.joining = true end

---… up to here.
function outbox:separate() self.joining = false end

---Take back what was told last, in this turn.
---@param effect string what that must be; it brings nothing
function outbox:take_back(effect)
  local first = table.remove(self.marks)
  assert(self.effects[first] == effect and #self.effects == first, effect)
  self.effects[first] = nil
end

---Take back all that was told in this turn.
---@return boolean done false: a part of it went in a turn before
function outbox:clear()
  if self.taken > 0 then return false end
  self.effects, self.marks, self.payloads, self.joined, self.bytes = {}, {}, {}, {}, 0
  self.foreseen, self.uncertain, self.inseparable, self.joining = false, false, 0, false
  return true
end

---A payload of so many bytes was told with the last effect.
function outbox:weigh(bytes)
  local last = #self.marks
  self.payloads[last] = (self.payloads[last] or 0) + bytes
  self.bytes = self.bytes + bytes
end

---Tell how the run goes on. It is the last of the turn: nothing may follow it.
function outbox:close(...)
  self:tell(...)
  self.closed = true
end

-- What a turn carries, for the store does it in one go while others wait: an effect costs it about as much as EACH
-- arguments, and each argument a little more.
local LARGEST, EACH, LARGEST_BYTES = 1250, 8, 2 * 1024 * 1024

---Whether there is more to tell than one turn should carry. Then it is not closed: the reply to the
---first part brings the next turn.
function outbox:overflows()
  local waiting = #self.marks - self.taken
  if waiting < 2 then return false end
  local arguments = #self.effects - self.marks[self.taken + 1] + 1
  return arguments + EACH * waiting > LARGEST or self.bytes > LARGEST_BYTES
end

---What this turn tells: everything, or as much as one turn should carry.
---@return table effects
---@return boolean all
function outbox:take()
  local effects, marks, taken = self.effects, self.marks, self.taken
  local overflows = not self.closed and self:overflows()
  local inseparable = self.inseparable
  if taken == 0 then self.part_of = self.takes end
  self.takes, self.closed = self.takes + 1, false
  self.foreseen, self.uncertain, self.inseparable = false, overflows, 0 -- what is left over may bring outcomes too
  local last = overflows and self:part(inseparable) or #marks
  local from, to = marks[taken + 1] or 1, (marks[last + 1] or #effects + 1) - 1
  if last < #marks then
    self.taken = last
  else
    self.effects, self.marks, self.payloads, self.joined, self.bytes, self.taken = {}, {}, {}, {}, 0, 0
  end
  if from > 1 or last < #marks then effects = table.move(effects, from, to, 1, {}) end
  return effects, last == #marks
end

-- The last effect that goes with this turn: one goes always, however large, and those that stand on what was foreseen.
function outbox:part(inseparable)
  local marks, payloads, taken = self.marks, self.payloads, self.taken
  local first, last, bytes = marks[taken + 1], taken, 0
  repeat
    last = last + 1
    bytes = bytes + (payloads[last] or 0)
    local arguments = (marks[last + 2] or #self.effects + 1) - first
    local next_bytes = bytes + (payloads[last + 1] or 0)
    local full = arguments + EACH * (last + 1 - taken) > LARGEST or next_bytes > LARGEST_BYTES
  until last == #marks or full and last >= inseparable and not self.joined[last + 1]
  self.bytes = self.bytes - bytes
  return last
end

---What is told stands on one more outcome that is foreseen: it takes the number after `known`.
---@param known integer
---@param at integer when it is taken to have been recorded
---@param mark integer the effect that brings it
function outbox:foresee(known, at, mark)
  local effects, marks = self.effects, self.marks
  if not self.foreseen then
    self.foreseen = true
    table.move(effects, 1, #effects, 5)
    effects[1], effects[2], effects[3], effects[4] = "foresee", known, at, 0
    for i = 2, #marks do marks[i] = marks[i] + 4 end
  end
  effects[4] = effects[4] + 1
  self.inseparable = mark
end

return outbox
