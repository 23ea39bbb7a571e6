-- The branches of one run: coroutines, one of which runs at a time until it waits. When all of them wait, the run
-- delivers one outcome, or starts one step, and they go on.
--
-- Invariant: the outcomes that were delivered decide which branches run, and in which order. Branches that can run do
-- so in the order in which they became able to.
--
-- A branch waits for futures: operations (settled when their outcome is delivered) and branches (settled when they have
-- ended). It suspends by a yield of PARK, which no pcall of the author can catch.

local call_site = require "weir.base.call_site"
local failure = require "weir.base.failure"
local PARK = require "weir.base.park"
local returned = require "weir.engine.returned"

local branches = {}
branches.__index = branches

local create, resume, status, yield = coroutine.create, coroutine.resume, coroutine.status, coroutine.yield
local isyieldable = coroutine.isyieldable

---@class weir.Branches
---@field journal weir.Journal
---@field created integer
---@field settled integer how many futures have settled
---@field live table<integer, weir.Branch> those that have not ended, by their order
---@field live_count integer
---@field runnable table<integer, weir.Branch> those that can go on, from `first` to `last`
---@field first integer
---@field last integer
---@field steps weir.Wait[] that end when the effects sent so far are recorded, in order: a step runs, or a graph begins
---more nodes
---@field current weir.Branch? that runs
---@field dry boolean whether no step may run

---@class weir.Branch
---@field scope string
---@field order integer of its creation
---@field ctx weir.Context that the function which runs was given: its own one, or that of a ctx:scope
---@field co thread
---@field waits weir.Wait[] those that wait for its end
---@field wait weir.Wait? its own
---@field raised table? the failure that ends its wait, or that it gets before it begins
---@field settled integer? when it ended, among all that settled
---@field ok boolean? whether it returned
---@field value any the result or the failure
---@field raced boolean? it took part in a race and lost
---@field dropped boolean? it was ended early
---@field interrupted boolean? a failure from outside was raised in it: of a cancel, or because it was ended early
---@field group weir.Group? that it is a member of

---@class weir.Group branches whose ends the branch that spawned them takes one by one; and its wait for the next end
---@field branch weir.Branch that takes them
---@field members table<weir.Branch, true> those that have not been taken
---@field ended weir.Branch[] those that have ended and have not been taken, from `first` to `last`
---@field first integer
---@field last integer

---@class weir.Wait a list of the futures that are waited for
---@field branch weir.Branch that waits
---@field check? fun(future: weir.Operation|weir.Branch): boolean whether the wait ends as this future settles
---@field step weir.Operation? the step that the branch is about to run
---@field paused weir.Operation? the step that waits for its next try
---@field came weir.Operation? the operation that ended the wait for one of many
---@field [integer] weir.Operation|weir.Branch

---@param journal weir.Journal
---@return weir.Branches
function branches.new(journal)
  return setmetatable({
    journal = journal, created = 0, settled = 0, live = {}, live_count = 0, runnable = {}, first = 1, last = 0,
    steps = {}, current = nil, dry = false,
  }, branches)
end

---The failure of the author's code, with the place where it was raised. A message handler.
---@param raised any
---@return weir.Failure
function branches.traced(raised)
  if failure.is_failure(raised) and raised.traceback then return raised end
  return failure.from(raised, call_site.traceback())
end

-- Notes how the function of a branch ended.
local function note_end(branch, what, name, ok, value, ...)
  local fault = ok and returned.surplus(what, name, ...)
  if fault then ok, value = false, fault end
  if not ok then value = failure.from(value) end -- `traced` itself may have had no stack left
  branch.ok, branch.value = ok, value
end

---Makes a branch, which runs after those that can run already.
---@param scope string
---@param body fun(): any
---@param ctx weir.Context of the body
---@param what string? "workflow" or "branch", for messages
---@param name string? for messages
---@return weir.Branch
function branches:spawn(scope, body, ctx, what, name)
  local order = self.created + 1
  local branch = { scope = scope, order = order, ctx = ctx, waits = {} }
  branch.co = create(function()
    if branch.raised then -- ended before it began
      branch.ok, branch.value = false, branch.raised
      return
    end
    note_end(branch, what, name, xpcall(body, branches.traced))
  end)
  self.created = order
  self.live[order] = branch
  self.live_count = self.live_count + 1
  self:ready(branch)
  return branch
end

function branches:ready(branch)
  self.last = self.last + 1
  self.runnable[self.last] = branch
end

local function ended(self, branch)
  self.live[branch.order] = nil
  self.live_count = self.live_count - 1
  self:settle(branch)
  local group = branch.group
  if not group then return end
  group.last = group.last + 1
  group.ended[group.last] = branch
  self:wake(group)
end

---Runs branches until all of them wait.
function branches:run()
  while self.first <= self.last do
    local branch = self.runnable[self.first]
    self.runnable[self.first] = nil
    self.first = self.first + 1
    self.current = branch
    self.journal.scope = branch.scope
    local ok, what = resume(branch.co)
    self.current = nil
    if status(branch.co) == "dead" then
      if not ok then branch.ok, branch.value = false, failure.from(what) end
      ended(self, branch)
    else
      assert(what == PARK, "a branch yielded past weir")
    end
  end
end

-- ------------------------------------------------------------------------------------------------
-- Waiting

local function park(branch, verb)
  if not isyieldable() then
    branch.wait = nil
    error(failure.new {
      retryable = false,
      message = ("ctx:%s cannot wait here: Lua cannot suspend inside a sort comparator, a gsub callback, "
        .. "a metamethod of tostring or a require"):format(verb),
    }, 0)
  end
  yield(PARK)
  local raised = branch.raised
  if raised then
    branch.raised = nil
    error(raised, 0)
  end
end

local function remove(waits, wait)
  for i = #waits, 1, -1 do
    if waits[i] == wait then return table.remove(waits, i) end
  end
end

local function add_wait(self, future, wait)
  if future.kind then
    self.journal:await(future, wait)
  else
    future.waits[#future.waits + 1] = wait
  end
end

---The current branch waits until `check`, which is called once for each future as it settles, returns true.
---@param verb string that waits, for messages
---@param futures (weir.Operation|weir.Branch)[] those that have settled are skipped; a future that is listed twice
---settles once
---@param check fun(future: weir.Operation|weir.Branch): boolean
function branches:await(verb, futures, check)
  local branch = self.current
  local wait, seen = { branch = branch, check = check }, {}
  branch.wait = wait
  for _, future in ipairs(futures) do
    if not future.settled and not seen[future] then
      seen[future] = true
      wait[#wait + 1] = future
    end
  end
  if isyieldable() then
    for _, future in ipairs(wait) do add_wait(self, future, wait) end
  end
  park(branch, verb)
end

local function always() return true end

---The current branch waits until this future, which has not settled, settles.
---@param verb string
---@param future weir.Operation|weir.Branch
function branches:await_one(verb, future)
  local branch = self.current
  local wait = { future, branch = branch, check = always }
  branch.wait = wait
  if isyieldable() then add_wait(self, future, wait) end
  park(branch, verb)
end

---Makes a wait of the current branch for many operations. Each operation holds it from its beginning to its end, so to
---wait again costs the same for 1 as for 100,000 operations: no list changes.
---@return weir.Wait
function branches:begin_watch()
  local wait = { branch = self.current }
  function wait.check(operation)
    wait.came = operation
    return true
  end
  return wait
end

---The current branch waits until the next of them settles. With `more`, because more operations are to begin, the wait
---also ends when the effects sent so far are recorded.
---@return weir.Operation? settled
function branches:await_next(verb, wait, more)
  wait.came = nil
  wait.branch.wait = wait
  if more then self.steps[#self.steps + 1] = wait end
  park(wait.branch, verb)
  if more then remove(self.steps, wait) end
  return wait.came
end

---Makes a group, whose members the current branch will spawn.
---@return weir.Group
function branches:begin_group()
  return { branch = self.current, members = {}, ended = {}, first = 1, last = 0 }
end

---@param group weir.Group
---@param branch weir.Branch that has not run yet
function branches.add_member(_, group, branch)
  branch.group = group
  group.members[branch] = true
end

---The current branch waits until the next member of its group ends, and takes it. Members are taken in the order of
---their ends.
---@param verb string
---@param group weir.Group
---@return weir.Branch member
function branches.await_member(_, verb, group)
  if group.first > group.last then
    group.branch.wait = group
    park(group.branch, verb)
  end
  local member = group.ended[group.first]
  group.ended[group.first], group.members[member] = nil, nil
  group.first = group.first + 1
  return member
end

---The current branch waits until it may run its step.
function branches:await_step(operation)
  local branch = self.current
  local wait = { branch = branch, step = operation }
  branch.wait = wait
  self.steps[#self.steps + 1] = wait
  park(branch, "step")
end

---Makes a wait of the current branch that `wake` ends, for a step that backs off.
---@param operation weir.Operation
---@return weir.Wait
function branches:begin_pause(operation)
  local wait = { branch = self.current, paused = operation }
  self.current.wait = wait
  return wait
end

function branches:pause()
  park(self.current, "step")
end

---Ends a wait: the branch goes on, or gets the failure `raised`.
---@param wait weir.Wait|weir.Group
---@param raised table?
function branches:wake(wait, raised)
  local branch = wait.branch
  if branch.wait ~= wait then return end
  branch.wait, branch.raised = nil, raised
  for _, future in ipairs(wait) do
    if not future.settled then
      if future.kind then self.journal:unawait(future) end
      remove(future.waits, wait) -- a future that loses many races would keep all their waits
    end
  end
  self:ready(branch)
end

---Takes the wait of the next step, if there is one.
---@return weir.Wait?
function branches:next_step()
  while self.steps[1] do
    local wait = table.remove(self.steps, 1)
    if wait.branch.wait == wait and not (wait.step and self.dry) then return wait end
  end
end

local function by_branch(a, b) return a.branch.order < b.branch.order end

---A future has settled: the branches that wait for it go on, in the order in which they were created.
---@param future weir.Operation|weir.Branch
function branches:settle(future)
  self.settled = self.settled + 1
  future.settled = self.settled
  local waits = future.waits
  if #waits > 1 then table.sort(waits, by_branch) end
  for _, wait in ipairs(waits) do
    if wait.branch.wait == wait and wait.check(future) then self:wake(wait) end
  end
end

---The operations for which branches in these scopes wait.
---@param covers fun(scope: string): boolean
---@return weir.Operation[]
function branches:awaited_in(covers)
  local operations = {}
  for _, branch in pairs(self.live) do
    if branch.wait and covers(branch.scope) then
      for _, future in ipairs(branch.wait) do
        if future.kind then operations[#operations + 1] = future end
      end
    end
  end
  return operations
end

---Raises a failure in every other branch in these scopes. A branch that is about to go on, or to begin, gets the
---failure instead of the outcome that it waited for.
---@param covers fun(scope: string): boolean
---@param raised table
function branches:raise(covers, raised)
  local orders = {}
  for order, branch in pairs(self.live) do
    if branch ~= self.current and covers(branch.scope) then orders[#orders + 1] = order end
  end
  table.sort(orders)
  for _, order in ipairs(orders) do
    local branch = self.live[order]
    branch.interrupted = true
    if branch.wait then
      self:wake(branch.wait, raised)
    else
      branch.raised = branch.raised or raised
    end
  end
end

---Drops every branch. The code of a suspended coroutine never runs again.
function branches:drop()
  for _, branch in pairs(self.live) do branch.wait = nil end -- so that no outcome wakes it
  self.live, self.live_count = {}, 0
  self.runnable, self.first, self.last = {}, 1, 0
  self.steps = {}
end

return branches
