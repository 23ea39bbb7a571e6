-- The journal of one run in memory: the replay cursor. It knows which operations are recorded, which outcomes have
-- come, which was delivered last, and which effects Redis must get. Only this module and its parts (children, timers)
-- know about determinism.
--
--   begin    compares an operation that the journal holds; one that it does not hold is new and becomes an effect
--   place    checks that the code asked again for all that this attempt, or an automatic one before it, began by then
--   learn    takes outcomes from Redis, each with its number
--   deliver  when every branch waits, gives out the lowest-numbered outcome that a branch awaits, one at a time
--
-- Every number up to `known` is known here, so "the lowest" is the same live and in a replay. Every branch counts as
-- awaiting a cancel. A cancel holds back outcomes with higher numbers until the children have ended.

local redo_set = require "weir.reset.redo_set"
local call_site = require "weir.base.call_site"
local children = require "weir.replay.children"
local entry = require "weir.record.entry"
local failure = require "weir.base.failure"
local reset = require "weir.reset.select"
local heap = require "weir.base.heap"
local kinds = require "weir.record.kinds"
local effects = require "weir.replay.effects"
local record = require "weir.record.record"
local run_id = require "weir.base.run_id"
local scope = require "weir.base.scope"
local timers = require "weir.replay.timers"

---@class weir.Journal
---@field fields table<string, string> the record of the run
---@field effects weir.Effects
---@field now_ms integer when the last outcome that was delivered was recorded
---@field poisoned weir.Failure? the code takes another way than the journal: no attempt can go on
---@field cancel weir.Outcome? recorded: cancelled or expired
---@field termination weir.Outcome? recorded: a cancel without clean-up
---@field lost weir.Outcome? recorded: the run crashed too many workers
---@field cancel_delivered boolean?
---@field grace_ends_at integer? when the clean-up after a cancel has to be over
local journal = {}
journal.__index = journal

for _, methods in ipairs { children, timers } do
  for name, method in pairs(methods) do journal[name] = method end
end

---@class weir.Operation
---@field id string full, scopes included
---@field kind string
---@field subject string
---@field line string
---@field asked_at integer the run's own time when its code began it: the same in each replay
---@field started_at integer? nil until the store has told
---@field scope string? which branches are around it; nil: none
---@field outcome weir.Outcome? once known
---@field settled boolean whether the outcome was delivered
---@field waits table[] who awaits it
---@field awaited integer how many of them wait now
---@field after integer number of the last outcome delivered before it began
---@field attempt integer of the run, in which it began
---@field arguments string? JSON, of one that the journal holds
---@field recorded boolean whether Redis has its entry
---@field node integer? of a graph
---@field timeout_ms integer?
---@field on_timeout "cancel"|"abandon"|nil of an invoke
---@field decode? fun(text: string): any of an invoke
---@field child string? run id
---@field other_child string? the child's id in the next generation: which of the two it is, the outcome tells
---@field open boolean? whether the run waits for its child to end
---@field handle integer? of its invoke in the effects of this turn
---@field sent_turn integer? the turn that sent its invoke, as effects count them
---@field cancel_sent boolean? whether its child was told to end
---@field lost string? why the branch that awaited it was ended early
---@field raced boolean?
---@field dropped boolean? whether it was ended early
---@field said boolean? whether people were warned of its failure
---@field ok boolean? once it was read: whether it completed
---@field value any its result or failure
---@field info weir.Info?

local ENDS_THE_RUN = { cancelled = true, expired = true }

---@param fields table<string, string> the run's record
---@param attempt integer
function journal.new(fields, attempt)
  local self = setmetatable({
    fields = fields,
    attempt = attempt,
    recorded = {}, -- id -> text of the entry
    generations = {}, -- id -> which generation of its child is meant, if not the first
    forgotten = {}, -- id -> { generation, restart } of an invoke that is to be done again
    came = {}, -- id -> outcome that came before the code asked for the operation
    begun = {}, -- id -> the line where this attempt began it
    operations = {}, -- id -> operation begun whose outcome is not known
    known = 0, -- the highest number known
    restored = 0, -- the highest that its record told: what was delivered before, and what came since
    progress = nil, -- the driver's, if it has one: the code has come past something that the record holds
    delivered = 0, -- the number last delivered
    replay_until = 0, -- the code had come this far before
    deliverable = heap.new(), -- operations both known and awaited, by number
    timers = heap.new(), -- operations with a time, by that time
    young = {}, -- timers begun in this turn: when they began, the store will say
    open = {}, -- children that have not ended: id of the operation -> operation
    open_count = 0,
    opened = 0, -- how many there ever were
    effects = effects.new(), -- what must be told
    furthest = 0, -- the highest number delivered
    children_ended_at = 0, -- when the last outcome of an invoke begun so far was recorded
    replay_last = 0, -- recorded operations that began after `replay_until` and are not begun again yet
    attempts_before = math.tointeger(tonumber(fields.attempts_before or 0)), -- attempts before the last retry by hand
    owed = 0, -- recorded operations of this attempt that its code has not asked for yet
    owed_before = 0, -- those of automatic attempts before
    places = {}, -- number after which they began -> id -> attempt
    fresh = {}, -- what began anew and is not compared with those yet
    dry = false, -- whether a mere look is taken whether the code could go on
    saw_attempt = false, -- whether the code may depend on which attempt it is
    now_ms = math.tointeger(tonumber(fields.started_at or fields.created_at or 0)),
    scope = "", -- of the branch that runs
    redo_set = nil, -- what led to nothing, once there is any
    taking_over = false, -- what begins is no doing of the code
    begins_again = false, -- whether this is the first turn of an attempt that forgets what is to be done again
  }, journal)
  return self
end

local learn

-- An operation of a run that ended, as weir.reset.select takes it.
local function read_ended(id, text, fields)
  local held = entry.read(text, id)
  if held.number then
    local state = entry.read_outcome(held.number, fields[tostring(held.number)]).state
    held.failed, held.ended_early = state ~= "completed", state == "cancelled" or state == "refused"
  end
  return held
end

---The run begins again: it resets operations in its record, here and in the store, before anything else. It resets the
---cancel, expiry or crash loop that had ended it, too; one that was recorded since then holds.
function journal:reset(fields)
  local operations, ended = {}, tonumber(fields.reset_number or fields.last_number)
  for field, value in pairs(fields) do
    if field:find("^o:") then
      operations[#operations + 1] = read_ended(field:sub(3), value, fields)
    elseif field:find("^%d") and value:byte() == 9 and tonumber(field) <= ended then
      self.effects:add("reset", { mark = field })
      fields[field] = nil
    end
  end
  entry.sort(operations)
  local numbers = {}
  for _, operation in ipairs(operations) do numbers[operation.id] = operation.number end

  local marks, ids = reset.choose(
    { operations = operations, redo = fields.redo, graph = record.shape(fields) }, fields.reset)
  for _, id in ipairs(ids) do
    self.effects:add("reset", { operation = id, mark = marks[id] })
    if marks[id] ~= "drop" then -- as the store does it
      local generation = fields["c:" .. id]
      local before = not generation and fields["x:" .. id] or ""
      local mark = before:match("\trestart$") and "restart" or marks[id]
      fields["x:" .. id] = (generation or before:match("^%d+") or "1") .. "\t" .. mark
    end
    fields["o:" .. id], fields["c:" .. id] = nil, nil
    if numbers[id] then fields[tostring(numbers[id])] = nil end
  end
  self.effects:add("reset_done")
  self.begins_again = true
end

-- Recorded in this attempt, or in an automatic one before. What a retry by hand takes over may be asked for or not.
local function note_place(self, id, after, attempt)
  if attempt <= self.attempts_before then return end
  local place = self.places[after]
  if not place then
    place = {}
    self.places[after] = place
  end
  place[id] = attempt
  if attempt == self.attempt then self.owed = self.owed + 1 else self.owed_before = self.owed_before + 1 end
end

-- How far the code had come is where the last of what is recorded began.
local function note_recorded(self, id, text)
  local after, attempt = entry.place(text)
  note_place(self, id, after, attempt)
  if after > self.replay_until then self.replay_until, self.replay_last = after, 0 end
  if after == self.replay_until then self.replay_last = self.replay_last + 1 end
end

---The graph's code changed: resets further nodes before any node starts. Their `reset` effects must precede
---`reset_done`, which marks the reset as complete; an attempt interrupted before that repeats the reset.
---@param ids string[]
function journal:reset_more(ids)
  if not ids[1] then return end
  self.effects:take_back("reset_done")
  for _, id in ipairs(ids) do
    self.effects:add("reset", { operation = id, mark = "restart" })
    local before = self.forgotten[id]
    self.forgotten[id] = { generation = self.generations[id] or before and before.generation or 1, restart = true }
    self.recorded[id], self.came[id], self.generations[id] = nil, nil, nil
  end
  self.effects:add("reset_done")
  self.replay_until, self.replay_last = 0, 0
  self.owed, self.owed_before, self.places = 0, 0, {}
  for id, text in next, self.recorded do note_recorded(self, id, text) end
end

---Take over what a cold run's record holds.
function journal:restore(fields)
  self.known = math.tointeger(tonumber(fields.last_number or 0)) -- those that are not there were reset
  self.restored = self.known
  for field, value in next, fields do
    local first = field:byte()
    if first <= 57 then -- a digit
      learn(self, entry.read_outcome(math.tointeger(tonumber(field)), value))
    elseif field:byte(2) == 58 then -- ":"
      local id = field:sub(3)
      if first == 111 then -- "o:"
        self.recorded[id] = value
        note_recorded(self, id, value)
      elseif first == 99 then -- "c:"
        self.generations[id] = math.tointeger(tonumber(value))
      elseif first == 120 then -- "x:"
        local generation, mark = value:match("^(%d+)\t(%a+)$")
        self.forgotten[id] = { generation = math.tointeger(tonumber(generation)), restart = mark == "restart" }
      end
    end
  end
end

-- ------------------------------------------------------------------------------------------------
-- Begin

-- Names the bundle that serves an attempt, for messages to people.
function journal:bundle_of(attempt)
  local bundle = self.fields["bundle@" .. attempt] or self.fields.bundle
  return bundle and (" (bundle %s)"):format(bundle:sub(1, 8)) or ""
end

-- The code asks for another operation under this id than the journal holds: no attempt can go on.
function journal:mismatch(id, held, kind, subject, line, detail)
  local was = kinds[held.kind].describe(held.subject) .. (detail and " " .. detail.was or "")
  local now = kinds[kind].describe(subject) .. (detail and " " .. detail.now or "")
  local made = failure.new {
    code = "replay_mismatch", operation = id, retryable = false,
    message = ('operation "%s" was %s at %s%s, now %s at %s%s'):format(id, was, held.line,
      self:bundle_of(held.attempt), now, line or call_site.line(), self:bundle_of(self.attempt)),
  }
  self.poisoned = self.poisoned or made
  return made
end

-- Asked for by the code, no longer owed.
local function note_asked(self, id, after, attempt)
  local place = self.places[after]
  if self.taking_over or not place or not place[id] then return end
  place[id] = nil
  if attempt == self.attempt then self.owed = self.owed - 1 else self.owed_before = self.owed_before - 1 end
end

-- Of what is owed, at one place or at any, what began first; of this attempt, or of those before in a branch in which
-- `asked` began: newer code has renamed it, or does something before it. To sleep there does nothing twice.
local function first_owed(self, place, asked)
  local list = {}
  for _, owed in pairs(place and { place } or self.places) do
    for id, attempt in pairs(owed) do
      local held = self.recorded[id] and entry.read(self.recorded[id], id)
      local is_meant = held and attempt == self.attempt
      local may_differ = held and asked and not is_meant and not kinds[held.kind].is_harmless
      if may_differ and scope.is_within(held.scope, asked.scope) then
        is_meant = not self.saw_attempt or self:bundle_of(attempt) ~= self:bundle_of(self.attempt)
      end
      if is_meant then
        held.id = id
        list[#list + 1] = held
      end
    end
  end
  entry.sort(list)
  return list[1]
end

-- The code has not asked again for what was recorded at this place, or before. No attempt can go on.
local function misplaced(self, held, asked)
  local text = ('the journal holds operation "%s", %s at %s%s, which was not asked for again'):format(held.id,
    kinds[held.kind].describe(held.subject), held.line, self:bundle_of(held.attempt))
  if asked then
    text = ('%s; the code asked for operation "%s" at %s%s'):format(text, asked.id, asked.line,
      self:bundle_of(self.attempt))
  end
  self.poisoned = self.poisoned or failure.new {
    code = "replay_mismatch", operation = held.id, retryable = false, message = text,
  }
  return self.poisoned
end

---What is told as it begins was recorded before all that began after it. So as long as something of this attempt is
---recorded that was not asked for yet, its code takes another way than it did. Raises that.
function journal:check_new(id, line)
  if self.owed > 0 and not self.dry then
    error(misplaced(self, first_owed(self), { id = id, line = line, scope = self.scope }), 0)
  end
end

---Every branch waits. Poisons the journal if the code takes another way than it did.
---@param number integer? of the outcome delivered before the next, which is there; nil: none is, the replay is over
---@return boolean
function journal:is_misplaced(number)
  if self.owed == 0 and self.owed_before == 0 or self.dry or self.poisoned then return false end
  local place = number and self.places[number]
  if number and not place then return false end
  local held, asked
  for _, fresh in ipairs(self.fresh) do
    asked = fresh
    held = first_owed(self, place, asked)
    if held then break end
  end
  held = held or first_owed(self, place)
  if not number then self.fresh = {} end
  if held then misplaced(self, held, asked) end
  return held ~= nil
end

---Begin an operation: one that the journal holds is taken from it, any other is new.
---@param kind string
---@param id string
---@param subject string
---@param line string? where; nil: where the author's code stands, which is looked for only when it is new
---@param arguments string? JSON; compared when `strict`
---@param strict boolean? the id was not given by the author: the arguments must be the same too
---@return weir.Operation operation
---@return boolean new the caller tells the store
function journal:begin(kind, id, subject, line, arguments, strict)
  if self.begun[id] then
    error(failure.new {
      code = "duplicate_id", retryable = false, operation = id,
      message = ('operation "%s" is there already, from %s; give each its own id'):format(id, self.begun[id]),
    }, 0)
  end
  local text = self.recorded[id]
  local after, attempt, started_at, held_arguments = self.delivered, self.attempt, nil, nil
  if not text then
    line = line or call_site.line()
    if kinds[kind].is_recorded_first then self:check_new(id, line) end
    if not kinds[kind].is_harmless and (self.owed_before > 0 or self.owed > 0) then
      self.fresh[#self.fresh + 1] = { id = id, line = line, scope = self.scope }
    end
  else
    local _, held_kind, held_line, held_subject
    _, started_at, held_kind, after, attempt, held_line, held_subject, held_arguments = entry.split(text)
    if held_kind ~= kind or held_subject ~= subject then
      error(self:mismatch(id, entry.read(text), kind, subject, line), 0)
    end
    if strict and held_arguments ~= (arguments or "") then
      error(self:mismatch(id, entry.read(text), kind, subject, line,
        { was = held_arguments, now = arguments or "" }), 0)
    end
    line = held_line
    note_asked(self, id, after, attempt)
    self.recorded[id] = nil
    if after == self.replay_until then self.replay_last = self.replay_last - 1 end
    if self.progress then self.progress() end
  end
  local operation = {
    id = id, kind = kind, subject = subject, line = line, after = after, attempt = attempt,
    asked_at = self.now_ms, started_at = started_at, arguments = held_arguments, recorded = text ~= nil,
    waits = {}, awaited = 0, settled = false,
  }
  self.begun[id] = line
  if self.redo_set and not self.taking_over then self.redo_set:mark_handled(self.scope) end
  if (self.cancel_delivered or self.undoing) and not self.taking_over then self:failures():add_clean_up(id) end
  local outcome = self.came[id]
  if outcome then
    self.came[id] = nil
    operation.outcome = outcome
    if outcome.state ~= "completed" then self:failures():add(operation) end
    self:note_end(operation)
  else
    self.operations[id] = operation
  end
  return operation, not text
end

---What of this run led to nothing yet.
---@return weir.RedoSet
function journal:failures()
  self.redo_set = self.redo_set or redo_set.new()
  return self.redo_set
end

---The code has ended. Entries that were not asked for were written by an earlier attempt that got further. Failures
---which that attempt reacted to count as handled.
---@return string[] ids in order
function journal:left_over()
  local ids, operations = {}, {}
  for id, text in pairs(self.recorded) do
    local held = entry.read(text, id)
    ids[#ids + 1], operations[#operations + 1] = id, held
  end
  if operations[1] then self:failures().latest = reset.latest(operations) end
  table.sort(ids)
  return ids
end

---What is recorded and was not asked for, as people are told of it.
---@return string[] lines
function journal:left_over_lines()
  local list = {}
  for id, text in next, self.recorded do
    local held = entry.read(text)
    held.id = id
    list[#list + 1] = held
  end
  entry.sort(list)
  for i, held in ipairs(list) do list[i] = ('"%s" at %s'):format(held.id, held.line) end
  return list
end

---What a retry forgets by the rule, now that the run ends: see `redo_set`.
---@return string
function journal:redo_text()
  local came = {}
  for id, outcome in pairs(self.came) do
    came[id] = { outcome = outcome, scope = entry.read(self.recorded[id], id).scope }
  end
  return self:failures():text(came)
end

---What the store keeps of an operation that begins, or begins another try.
function journal.entry(_, operation, arguments)
  return entry.write(operation.kind, operation.after, operation.attempt, operation.line, operation.subject,
    arguments or "", operation.scope and scope.marks(operation.scope))
end

function journal:note_end(operation)
  local at = operation.outcome.finished_at
  if kinds[operation.kind].owns_child and at > self.children_ended_at then self.children_ended_at = at end
end

-- ------------------------------------------------------------------------------------------------
-- Learn

-- One outcome has come.
function learn(self, outcome)
  local number, id = outcome.number, outcome.operation
  if number > self.known then self.known = number end
  if id == "" then
    if ENDS_THE_RUN[outcome.state] then
      self.cancel = self.cancel or outcome
    elseif outcome.state == "terminated" then
      self.termination = outcome
    else
      self.crash_loop = outcome
    end
  else
    local operation = self.operations[id]
    if operation then
      self.operations[id] = nil
      operation.outcome = outcome
      self:note_end(operation)
      self:close_child(operation)
      if outcome.state ~= "completed" then
        self:failures():add(operation)
      elseif self.redo_set then
        self.redo_set:remove(operation) -- this run thought that it had failed
      end
      if outcome.generation and operation.child ~= nil then
        operation.child = run_id.in_generation(operation.child, outcome.generation)
      end
      operation.other_child = nil
      if operation.awaited > 0 then self.deliverable:push(number, operation) end
    else
      self.came[id] = outcome
    end
  end
end

---Outcomes have come from the store. Those that were speculated come, too: they are known.
---@param outcomes string[]
function journal:learn(outcomes)
  for i = 1, #outcomes do
    local text = outcomes[i]
    local number, from = text:match("^(%d+)\t()")
    number = math.tointeger(tonumber(number))
    if number > self.known then learn(self, entry.read_outcome(number, text, from)) end
  end
end

---The outcome of a child that was run already takes the next number, if nothing else comes before it. The store is told
---that this turn stands on that.
---@param value string JSON
---@param at integer when it is taken to have ended
function journal:speculate(operation, value, at)
  self.effects:speculate(self.known, at, operation.handle)
  local number = self.known + 1
  self.known = number
  self.operations[operation.id] = nil
  operation.started_at = at
  operation.outcome = {
    number = number, operation = operation.id, state = "completed", finished_at = at, attempts = 1, value = value,
  }
  self:note_end(operation)
  self:close_child(operation)
  if operation.awaited > 0 then self.deliverable:push(number, operation) end
end

---Whether what the code does now was done before: it will still begin what is recorded.
function journal:replaying()
  return self.furthest < self.replay_until
    or self.furthest == self.replay_until and self.replay_last > 0
end

---Whether a cancel is recorded and not yet delivered.
function journal:cancelling()
  return self.cancel ~= nil and not self.cancel_delivered
end

-- ------------------------------------------------------------------------------------------------
-- Deliver

---A branch waits for this operation.
function journal:await(operation, wait)
  operation.waits[#operation.waits + 1] = wait
  operation.awaited = operation.awaited + 1
  if operation.outcome and operation.awaited == 1 then
    self.deliverable:push(operation.outcome.number, operation)
  end
end

---…and does so no longer.
function journal.unawait(_, operation)
  operation.awaited = operation.awaited - 1
end

---The next to deliver when every branch waits: an operation, "cancel", or nothing yet. What was recorded when
---the grace of a cancel had ended is never delivered, so that a replay ends where the run ended.
---@return weir.Operation|"cancel"|"too late"|nil
function journal:next()
  local deliverable = self.deliverable
  local operation, number = deliverable:peek()
  while operation and (operation.settled or operation.awaited == 0) do
    deliverable:pop()
    operation, number = deliverable:peek()
  end
  if self:cancelling() then
    local cancel = self.cancel
    if not operation or number > cancel.number then
      if self.open_count > 0 then return nil end
      self.cancel_delivered = true
      self:deliver(cancel)
      return "cancel"
    end
  end
  if not operation then return nil end
  if self.grace_ends_at and operation.outcome.finished_at >= self.grace_ends_at then return "too late" end
  deliverable:pop()
  operation.settled = true
  if operation.outcome.state ~= "completed" then self.redo_set:deliver(operation) end
  self:deliver(operation.outcome)
  return operation
end

function journal:deliver(outcome)
  self.delivered = outcome.number
  if outcome.number <= self.restored and self.progress then self.progress() end
  if outcome.number > self.furthest then self.furthest = outcome.number end
  if outcome.finished_at > self.now_ms then self.now_ms = outcome.finished_at end
end

---An operation ends by what the run itself saw: a step that returned, a timer.
---@param operation weir.Operation
---@param state "completed"|"failed"
---@param attempts integer
---@param value string JSON
---@param entry_text string? for one that was not recorded before
function journal:resolve(operation, state, attempts, value, entry_text)
  self.effects:add("resolve",
    { operation = operation.id, state = state, attempts = attempts, value = value, entry = entry_text })
  if state ~= "completed" then self:failures():add(operation) end -- the run may end in this turn
  self.effects.uncertain = true
end

return journal
