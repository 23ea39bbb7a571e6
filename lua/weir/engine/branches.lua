-- The coroutines within one run. A branch runs until it waits for something; then the next one does.
-- When all wait, the run delivers one outcome, or starts one step, and they run again.
--
-- Invariant: which branch runs, and in what order, is a function of what was delivered. Branches that
-- can run do so in the order in which they became able to.
--
-- A wait is a list of futures: operations (settled when their outcome is delivered) and branches (settled
-- when they have ended). Suspension is a yield of PARK, never an error that a pcall could catch.

local call_site = require "weir.base.call_site"
local failure = require "weir.base.failure"
local PARK = require "weir.base.park"
local returned = require "weir.engine.returned"
local scopes = require "weir.base.scope"

local branches = {}
branches.__index = branches

local create, resume, status, yield = coroutine.create, coroutine.resume, coroutine.status, coroutine.yield
local isyieldable = coroutine.isyieldable

---@class weir.Branch
---@field scope string
---@field order integer of its creation
---@field wait table? what it waits for
---@field settled integer? when it ended, among all that settled
---@field ok boolean?
---@field value any what it returned or the failure

---@param journal table
function branches.new(journal)
  return setmetatable({
    journal = journal,
    created = 0,
    settled = 0, -- how many futures have been settled
    live = {}, -- order -> branch
    live_count = 0,
    runnable = {}, first = 1, last = 0, -- branches that can go on, in order
    steps = {}, -- waits for what was told to be recorded, in order: a step runs then, a graph begins more
    current = nil,
    dry = false, -- whether no step may run
  }, branches)
end

local function traced(raised)
  if failure.is_failure(raised) and raised.traceback then return raised end
  return failure.from(raised, call_site.traceback())
end

-- How the body of a branch ended.
local function came_to(branch, what, name, ok, value, ...)
  local fault = ok and returned.surplus(what, name, ...)
  if fault then ok, value = false, fault end
  if not ok then value = failure.from(value) end -- where `traced` itself had no stack left
  branch.ok, branch.value = ok, value
end

---A new branch; it runs when its turn comes.
---@param scope string
---@param body fun(): any
---@param ctx weir.Context what the body was given
---@param what string? whose code it is, for messages
---@param name string?
---@return weir.Branch
function branches:spawn(scope, body, ctx, what, name)
  local order = self.created + 1
  local branch = { scope = scope, order = order, ctx = ctx, waits = {} }
  branch.co = create(function()
    if branch.raised then -- ended before it began
      branch.ok, branch.value = false, branch.raised
      return
    end
    came_to(branch, what, name, xpcall(body, traced))
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
end

---Let branches run until all wait.
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

local function forget(waits, wait)
  for i = #waits, 1, -1 do
    if waits[i] == wait then return table.remove(waits, i) end
  end
end

local function enlist(self, future, wait)
  if future.kind then
    self.journal:await(future, wait)
  else
    future.waits[#future.waits + 1] = wait
  end
end

---Wait in the current branch until `check`, asked once for each future as it settles, says yes.
---@param verb string who waits, for messages
---@param futures table[] those not settled are waited for; one and the same may stand there twice: it settles once
---@param check fun(future: table): boolean
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
    for _, future in ipairs(wait) do enlist(self, future, wait) end
  end
  park(branch, verb)
end

local function always() return true end

---Wait in the current branch until this one, which is not settled, does.
---@param verb string
---@param future table
function branches:await_one(verb, future)
  local branch = self.current
  local wait = { future, branch = branch, check = always }
  branch.wait = wait
  if isyieldable() then enlist(self, future, wait) end
  park(branch, verb)
end

---A wait of the current branch for many operations, each of which awaits it from its beginning to its end. To wait
---again costs the same for one as for 100,000: nothing is put anywhere, nothing taken away.
---@return table wait
function branches:begin_watch()
  local wait = { branch = self.current }
  function wait.check(operation)
    wait.came = operation
    return true
  end
  return wait
end

---Wait for the next of them to settle; with `more` to begin, or until what was told is recorded.
---@return weir.Operation? settled
function branches:await_next(verb, wait, more)
  wait.came = nil
  wait.branch.wait = wait
  if more then self.steps[#self.steps + 1] = wait end
  park(wait.branch, verb)
  if more then forget(self.steps, wait) end
  return wait.came
end

---Wait until this branch may run its step.
function branches:await_step(operation)
  local branch = self.current
  local wait = { branch = branch, step = operation }
  branch.wait = wait
  self.steps[#self.steps + 1] = wait
  park(branch, "step")
end

---Wait for a time that is not recorded: a step that backs off. `wake` of the wait ends it.
---@return table wait
function branches:begin_pause()
  local wait = { branch = self.current }
  self.current.wait = wait
  return wait
end

function branches:pause()
  park(self.current, "step")
end

---End a wait: the branch goes on, with `raised` if that is given.
function branches:wake(wait, raised)
  local branch = wait.branch
  if branch.wait ~= wait then return end
  branch.wait, branch.raised = nil, raised
  for _, future in ipairs(wait) do
    if not future.settled then
      if future.kind then self.journal:unawait(future) end
      forget(future.waits, wait) -- a long wait that many short ones race would keep them all
    end
  end
  self:ready(branch)
end

---The wait of the next step to run, if any.
function branches:next_step()
  while self.steps[1] do
    local wait = table.remove(self.steps, 1)
    if wait.branch.wait == wait and not (wait.step and self.dry) then return wait end
  end
end

local function by_branch(a, b) return a.branch.order < b.branch.order end

---A future has its outcome: those who waited for it go on, in the order they were created.
function branches:settle(future)
  self.settled = self.settled + 1
  future.settled = self.settled
  local waits = future.waits
  if #waits > 1 then table.sort(waits, by_branch) end
  for _, wait in ipairs(waits) do
    if wait.branch.wait == wait and wait.check(future) then self:wake(wait) end
  end
end

---The operations that branches in this scope wait for.
---@param scope string
---@return weir.Operation[]
function branches:awaited_in(scope)
  local operations = {}
  for _, branch in pairs(self.live) do
    if branch.wait and scopes.is_within(branch.scope, scope) then
      for _, future in ipairs(branch.wait) do
        if future.kind then operations[#operations + 1] = future end
      end
    end
  end
  return operations
end

---Raise in every other branch in this scope. One that is about to go on, or to begin, gets
---this in place of what it waited for.
---@param scope string
---@param raised table
function branches:raise(scope, raised)
  local orders = {}
  for order, branch in pairs(self.live) do
    if branch ~= self.current and scopes.is_within(branch.scope, scope) then orders[#orders + 1] = order end
  end
  table.sort(orders)
  for _, order in ipairs(orders) do
    local branch = self.live[order]
    if branch.wait then
      self:wake(branch.wait, raised)
    else
      branch.raised = branch.raised or raised
    end
  end
end

---Forget every branch. A suspended coroutine that is dropped runs nothing any more.
function branches:drop()
  for _, branch in pairs(self.live) do branch.wait = nil end -- so that its outcome wakes no branch
  self.live, self.live_count = {}, 0
  self.runnable, self.first, self.last = {}, 1, 0
  self.steps = {}
end

return branches
