-- The coroutine library of workflow code. A `ctx` call inside a coroutine of the author's own suspends the whole
-- branch: the innermost coroutine yields PARK, every `resume` around it passes PARK outwards, and the values that
-- resume the branch go in again the same way. Authors cannot reach the coroutines of weir (branches): they can neither
-- resume, close nor yield them.

local PARK = require "weir.base.park"

local create, resume, yield = coroutine.create, coroutine.resume, coroutine.yield
local running, status, close = coroutine.running, coroutine.status, coroutine.close

-- The state of the author's own coroutines: "free"; "parked" while a `ctx` call inside them waits (such a coroutine is
-- suspended to Lua, but the author sees it as running); "in step" while it runs the body of a step, which a yield would
-- leave before its end.
local own = setmetatable({}, { __mode = "k" })

-- Apart, because it takes any number of values.
local function unparked(co, ...)
  own[co] = "free"
  return ...
end

local function passed_on(co, ok, first, ...)
  if ok and first == PARK then
    own[co] = "parked"
    return passed_on(co, resume(co, unparked(co, yield(first, ...))))
  end
  return ok, first, ...
end

local function check(co, verb)
  if type(co) ~= "thread" then
    error(("bad argument #1 to '%s' (coroutine expected)"):format(verb), 3)
  end
end

local function resume_own(co, ...)
  if own[co] ~= "free" then return false, "cannot resume non-suspended coroutine" end
  return passed_on(co, resume(co, ...))
end

-- As coroutine.wrap of plain Lua: it closes the dead coroutine, and puts the caller's position before an error text.
local function unwrapped(co, ok, ...)
  if ok then return ... end
  if status(co) == "dead" then close(co) end
  error(..., 2)
end

local library = {}

function library.create(body)
  local co = create(body)
  own[co] = "free"
  return co
end

function library.resume(co, ...)
  check(co, "resume")
  return resume_own(co, ...)
end

function library.wrap(body)
  local co = library.create(body)
  return function(...) return unwrapped(co, resume_own(co, ...)) end
end

function library.yield(...)
  local state = own[running()]
  if state == "in step" then
    error("coroutine.yield would leave the ctx:step that runs: yield in a coroutine that the step makes", 2)
  elseif not state then
    error("coroutine.yield outside of a coroutine of the workflow's own; to wait, use ctx:sleep", 2)
  end
  return yield(...)
end

function library.isyieldable(co)
  if co ~= nil then check(co, "isyieldable") end
  local state = own[co or running()]
  return state ~= nil and state ~= "in step" and coroutine.isyieldable(co or running())
end

function library.running()
  local co = running()
  return co, own[co] == nil
end

function library.status(co)
  check(co, "status")
  local state = status(co)
  if state == "suspended" and own[co] ~= "free" then return "normal" end
  return state
end

function library.close(co)
  check(co, "close")
  local state = library.status(co)
  if not own[co] or state == "normal" or state == "running" then
    error(("cannot close a %s coroutine"):format(state), 2)
  end
  return close(co)
end

local coroutines = { library = library }

---The body of a step begins in the running coroutine, which cannot yield until `end_step`.
---@return thread co
function coroutines.begin_step()
  local co = running()
  if own[co] then own[co] = "in step" end
  return co
end

---@param co thread that `begin_step` returned
function coroutines.end_step(co)
  if own[co] then own[co] = "free" end
end

return coroutines
