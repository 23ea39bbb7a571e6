-- The journal of one run in memory: the replay cursor. It knows which operations are recorded, which outcomes have
-- come, which of them was delivered last, and which effects Redis must get. Only this module and its parts (children,
-- timers) check that the code is deterministic.
--
--   begin    compares an operation that the journal holds; one that it does not hold is new and becomes an effect
--   place    checks that the code began again all operations that this attempt, or an earlier automatic one, had begun
--            by then
--   learn    takes outcomes from Redis, each with its number
--   deliver  when every branch waits, gives out the lowest-numbered outcome that a branch awaits, one at a time
--
-- Every number up to `known` is known here, so "the lowest" is the same live and in a replay. Every branch counts as
-- awaiting a cancel. A cancel holds back outcomes with higher numbers until the children have ended.

local apply_reset = require "weir.reset.apply"
local call_site = require "weir.base.call_site"
local children = require "weir.replay.children"
local entry = require "weir.record.entry"
local failure = require "weir.base.failure"
local select_reset = require "weir.reset.select"
local heap = require "weir.base.heap"
local kinds = require "weir.record.kinds"
local mismatch = require "weir.replay.mismatch"
local effects = require "weir.replay.effects"
local redo_set = require "weir.reset.redo_set"
local run_id = require "weir.base.run_id"
local scope = require "weir.base.scope"
local timers = require "weir.replay.timers"

---@class weir.Journal
---@field fields table<string, string> the record of the run
---@field run string its id
---@field divergence string? where `poisoned` tells of a mismatch: both places, without advice
---@field attempt integer of the run
---@field attempts_before integer attempts before the last retry by hand
---@field recorded table<string, string> id -> entry, of operations that this attempt has not begun
---@field generations table<string, integer> id -> generation of its child, if not the first
---@field reset_children table<string, { generation: integer, restart: boolean }> id -> of an invoke that was reset and
---not begun since
---@field came table<string, weir.Outcome> id -> outcome that came before the code began the operation
---@field begun table<string, string> id -> the line where this attempt began it
---@field operations table<string, weir.Operation> id -> operation that has begun and whose outcome is not known
---@field known integer every outcome up to this number is known
---@field restored integer the highest number in the record that this attempt was restored from
---@field delivered integer the number of the outcome that was delivered last
---@field furthest integer the highest number delivered
---@field replay_until integer the number after which the last recorded operation began
---@field replay_last integer recorded operations that began after `replay_until` and have not begun again
---@field owed integer recorded operations of this attempt that its code has not begun again
---@field owed_before integer the same of earlier automatic attempts
---@field places table<integer, table<string, integer>> number after which they began -> id -> attempt, of both kinds
---@field fresh { id: string, line: string, scope: string }[] new operations that are not compared with those yet
---@field deliverable weir.Heap operations that are known and awaited, by number
---@field timers weir.Heap by instant
---@field young table[] timers that began in this turn: the reply tells when they began
---@field open table<string, weir.Operation> id -> operation whose child has not ended
---@field open_count integer
---@field opened integer how many children there ever were
---@field children_ended_at integer when the last outcome of an invoke was recorded, ms
---@field effects weir.Effects
---@field now_ms integer when the last outcome that was delivered was recorded
---@field scope string of the branch that runs
---@field progress fun()? tells the driver that the code has come past an operation or outcome of the record
---@field poisoned weir.Failure? the code does not follow its journal: no attempt can go on
---@field cancel weir.Outcome? recorded: cancelled or expired
---@field termination weir.Outcome? recorded: a cancel without clean-up
---@field crash_loop weir.Outcome? recorded: the run crashed too many workers
---@field cancel_delivered boolean?
---@field grace_ends_at integer? when the clean-up after a cancel has to be over
---@field redo_set weir.RedoSet? unhandled failures, if there are any
---@field taking_over boolean the run begins operations of earlier attempts; its code did not ask for them
---@field begins_again boolean whether this is the first turn after a retry by hand
---@field saw_attempt boolean whether the code may depend on the number of its attempt
---@field undoing boolean? whether the undos of the run have begun
---@field dry boolean whether the code is only checked against the journal
local journal = {}
journal.__index = journal

for _, methods in ipairs { children, timers } do
  for name, method in pairs(methods) do journal[name] = method end
end

---@class weir.Operation an operation that this attempt has begun
---@field id string with the scope in front
---@field kind string
---@field subject string the workflow of an invoke
---@field line string of the author's code
---@field scope string? the branches around it; nil: none
---@field after integer number of the last outcome delivered before it began
---@field attempt integer of the run, in which it began
---@field asked_at integer the run's own time when its code began it: the same in each replay
---@field started_at integer? nil until Redis has recorded it
---@field arguments string? JSON, of an operation that the journal holds
---@field recorded boolean whether Redis has its entry
---@field outcome weir.Outcome? once known
---@field settled boolean|integer whether the outcome was delivered; then when, among all that settled
---@field waits weir.Wait[] those that wait for it
---@field awaited integer how many of them wait now
---@field ok boolean? once a branch has read the outcome: whether it is a result
---@field value any the result or the failure
---@field info weir.Info? about the child
---@field timeout_ms integer?
---@field on_timeout "cancel"|"abandon"|nil of an invoke
---@field decode? fun(text: string): any of an invoke
---@field child string? run id
---@field other_child string? the child's id in the next generation; the outcome tells which of the two runs
---@field node integer? of a graph
---@field open boolean? whether the run waits for its child to end
---@field handle integer? of its invoke in the effects of this turn
---@field sent_turn integer? the turn that sent its invoke, as effects count them
---@field cancel_sent boolean? whether its child was told to end
---@field raced boolean? it took part in a race and lost
---@field dropped boolean? it was ended early
---@field dropped_because string? why the branch that waited for it was ended early
---@field warned boolean? whether a line of the log warned of its failure
---@field files weir.StepFiles? of a step that runs

local ENDS_THE_RUN = { cancelled = true, expired = true }

---@param fields table<string, string> the run's record
---@param attempt integer
---@param run string? its id
function journal.new(fields, attempt, run)
  return setmetatable({
    fields = fields, run = run or "RUN",
    attempt = attempt, attempts_before = math.tointeger(tonumber(fields.attempts_before or 0)),
    recorded = {}, generations = {}, reset_children = {}, came = {}, begun = {}, operations = {},
    known = 0, restored = 0, delivered = 0, furthest = 0, replay_until = 0, replay_last = 0,
    owed = 0, owed_before = 0, places = {}, fresh = {},
    deliverable = heap.new(), timers = heap.new(), young = {},
    open = {}, open_count = 0, opened = 0, children_ended_at = 0,
    effects = effects.new(), now_ms = math.tointeger(tonumber(fields.started_at or fields.created_at or 0)), scope = "",
    dry = false, saw_attempt = false, taking_over = false, begins_again = false,
  }, journal)
end

local learn

---The run begins again after a retry by hand: resets its record before `restore` reads it.
---@param fields table<string, string> the record
function journal:begin_again(fields)
  apply_reset.begin_again(fields, self.effects)
  self.begins_again = true
end

-- Counts an operation that was recorded in this attempt, or in an earlier automatic one: the code must begin it again.
-- It need not begin again an operation from before a retry by hand.
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

-- The code had come as far as the place where the last recorded operation began.
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
    local before = self.reset_children[id]
    self.reset_children[id] = { generation = self.generations[id] or before and before.generation or 1, restart = true }
    self.recorded[id], self.came[id], self.generations[id] = nil, nil, nil
  end
  self.effects:add("reset_done")
  self.replay_until, self.replay_last = 0, 0
  self.owed, self.owed_before, self.places = 0, 0, {}
  for id, text in next, self.recorded do note_recorded(self, id, text) end
end

---Reads the record of a run that has no coroutine here.
function journal:restore(fields)
  self.known = math.tointeger(tonumber(fields.last_number or 0)) -- those that are missing were reset
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
        self.reset_children[id] = { generation = math.tointeger(tonumber(generation)), restart = mark == "restart" }
      end
    end
  end
end

-- ------------------------------------------------------------------------------------------------
-- Begin

-- The bundle that served an attempt when an operation began in it.
function journal:bundle_of(attempt, started_at)
  local moved_in, moved_at, before = (self.fields.moved or ""):match "^(%d+)\t(%d+)\t(.*)$"
  if tonumber(moved_in) == attempt and started_at and started_at <= tonumber(moved_at) then
    return before ~= "" and before or nil
  end
  return self.fields["bundle@" .. attempt] or self.fields.bundle
end

local function place_of(self, held)
  return { line = held.line, bundle = self:bundle_of(held.attempt, held.started_at) }
end

-- The place in the code that runs.
local function place_now(self, line)
  return { line = line or call_site.line(), bundle = self:bundle_of(self.attempt) }
end

-- No attempt can go on. The first mismatch is the one that people are told of.
local function poison(self, id, facts, was, now, is_changed)
  local fault = mismatch.failure(self.run, id, facts, was, now, is_changed)
  if not self.poisoned then self.poisoned, self.divergence = fault, facts end
  return fault
end

-- The code asks for another operation under this id than the journal holds.
function journal:mismatch(id, held, kind, subject, line, detail)
  local was, now = place_of(self, held), place_now(self, line)
  local facts = ('operation "%s" was %s at %s, now %s at %s'):format(id,
    kinds[held.kind].describe(held.subject) .. (detail and " " .. detail.was or ""), mismatch.at(was),
    kinds[kind].describe(subject) .. (detail and " " .. detail.now or ""), mismatch.at(now))
  return poison(self, id, facts, was, now, true)
end

-- The code has begun a recorded operation again.
local function note_asked(self, id, after, attempt)
  local place = self.places[after]
  if self.taking_over or not place or not place[id] then return end
  place[id] = nil
  if attempt == self.attempt then self.owed = self.owed - 1 else self.owed_before = self.owed_before - 1 end
end

-- The first recorded operation, at one place or at any, that the code has not begun again. It is one of this attempt;
-- or one of an earlier attempt in the branch in which `asked` began, as newer code may have renamed it or put an
-- operation before it. Harmless operations (sleeps) of earlier attempts do not count.
local function first_owed(self, place, asked)
  local list = {}
  for _, owed in pairs(place and { place } or self.places) do
    for id, attempt in pairs(owed) do
      local held = self.recorded[id] and entry.read(self.recorded[id], id)
      local is_meant = held and attempt == self.attempt
      local may_differ = held and asked and not is_meant and not kinds[held.kind].is_harmless
      if may_differ and scope.is_within(held.scope, asked.scope) then
        is_meant = not self.saw_attempt or self:bundle_of(attempt, held.started_at) ~= self:bundle_of(self.attempt)
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

-- The code has not begun again an operation that was recorded at this place or earlier. No attempt can go on.
local function misplaced(self, held, asked)
  local was, now = place_of(self, held), asked and place_now(self, asked.line)
  local facts = ('the journal holds operation "%s", %s at %s, which was not asked for again'):format(held.id,
    kinds[held.kind].describe(held.subject), mismatch.at(was))
  if asked then
    facts = ('%s; the code asked for operation "%s" at %s'):format(facts, asked.id, mismatch.at(now))
  end
  return poison(self, held.id, facts, was, now, false)
end

---Checks an operation that is new and is recorded when it begins. All such operations were recorded in the order in
---which they began. So if one of this attempt is recorded that the code has not begun again, the code takes another way
---than before. Raises `replay_mismatch` then.
function journal:check_new(id, line)
  if self.owed > 0 and not self.dry then
    error(misplaced(self, first_owed(self), { id = id, line = line, scope = self.scope }), 0)
  end
end

---Called when every branch waits. Poisons the journal if the code takes another way than before.
---@param number integer? of the last outcome delivered, if the next one is known; nil: the replay is over
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

---Begins an operation. If the journal holds it, its entry and outcome are used; otherwise it is new.
---@param kind string
---@param id string
---@param subject string
---@param line string? of the author's code; nil: it is looked for, if the operation is new
---@param arguments string? JSON; compared if `strict`
---@param strict boolean? the author gave no id: the arguments must be the same, too
---@return weir.Operation operation
---@return boolean new the caller adds the effect that records it
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

---The unhandled failures of this run.
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
  if operations[1] then self:failures().latest = select_reset.latest(operations) end
  table.sort(ids)
  return ids
end

---Recorded operations that the code has not begun again, for people.
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

---The list for a retry by the rule, now that the run ends: see `redo_set`.
---@return string
function journal:redo_text()
  local came = {}
  for id, outcome in pairs(self.came) do
    came[id] = { outcome = outcome, scope = entry.read(self.recorded[id], id).scope }
  end
  return self:failures():text(came)
end

---The entry of an operation that begins, or begins another try.
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

-- Takes one outcome.
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
        self.redo_set:remove(operation) -- the run had counted it as failed
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

---Takes outcomes from Redis. It sends those that were speculated as well; they are known already.
---@param outcomes string[]
function journal:learn(outcomes)
  for i = 1, #outcomes do
    local text = outcomes[i]
    local number, from = text:match("^(%d+)\t()")
    number = math.tointeger(tonumber(number))
    if number > self.known then learn(self, entry.read_outcome(number, text, from)) end
  end
end

---Gives the outcome of an inlined child the next number, before Redis has recorded it. The effects tell Redis that this
---turn depends on that number.
---@param value string JSON
---@param at integer the instant at which it counts as ended
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

---Whether the code repeats what it did before: operations that it has yet to begin are recorded.
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

---A branch begins to wait for this operation.
---@param operation weir.Operation
---@param wait weir.Wait
function journal:await(operation, wait)
  operation.waits[#operation.waits + 1] = wait
  operation.awaited = operation.awaited + 1
  if operation.outcome and operation.awaited == 1 then
    self.deliverable:push(operation.outcome.number, operation)
  end
end

---A branch no longer waits for this operation.
function journal.unawait(_, operation)
  operation.awaited = operation.awaited - 1
end

---Chooses what is delivered next, when every branch waits: an operation or the cancel; nil if nothing can be delivered
---yet. An outcome that was recorded after the grace of a cancel had ended is never delivered, so that a replay ends
---where the run ended.
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

---Records an outcome that the run itself decides: of a step that returned, or of a timer.
---@param operation weir.Operation
---@param state "completed"|"failed"
---@param attempts integer
---@param value string JSON
---@param entry_text string? of an operation that is not recorded yet
function journal:resolve(operation, state, attempts, value, entry_text)
  self.effects:add("resolve",
    { operation = operation.id, state = state, attempts = attempts, value = value, entry = entry_text })
  if state ~= "completed" then self:failures():add(operation) end -- the run may end in this turn
  self.effects.uncertain = true
end

return journal
