-- Failures: the error objects of weir, and their way into JSON and back. Whatever user code raised
-- becomes one, and every failure can be encoded: what JSON cannot hold is shown as text.
-- Never decides whether something is retried, never logs.

local duration = require "weir.duration"
local json = require "weir.json"

local failure = {}

---@class weir.Failure
---@field code string
---@field message string
---@field details any what the raiser added, JSON
---@field run string? the run that failed
---@field operation string? the operation whose outcome this is
---@field workflow string? the workflow of `run`
---@field traceback string?
---@field retryable boolean? false: no attempt would go better
---@field retry_after_ms integer? the least pause before the next attempt
---@field cause weir.Failure? the child's own failure, whole

---Codes that only weir itself gives; authors cannot make failures with them.
---@type table<string, true>
failure.RESERVED = {
  interrupted = true, child_failed = true, timeout = true, cancelled = true, expired = true,
  unknown_workflow = true, invalid_data = true, duplicate_id = true, replay_mismatch = true,
  payload_too_large = true, payload_invalid = true, cycle = true, too_deep = true, too_many_failures = true,
  blocked = true, memory = true, lost = true,
}

local TEXTS = { "code", "message", "run", "operation", "workflow", "traceback" }

-- The sandbox hides debug from authors, and the metatable is locked: nobody can forge a failure.
local raw_metatable = debug.getmetatable
local methods = {}
local metatable = {
  __index = methods,
  __metatable = "weir.failure",
  __name = "weir.failure",
  __tostring = function(self) return tostring(self.message) end,
  __concat = function(a, b) return tostring(a) .. tostring(b) end,
}

-- tostring() of anything: user code may have put a __tostring there that raises. Without the
-- address of what has none: the same failure must read the same in every process.
local function text_of(value)
  if type(value) == "string" then return value end
  local ok, text = pcall(tostring, value)
  return ok and (text:gsub(": 0x%x+$", "")) or type(value)
end

local function message_of(raised)
  if type(raised) == "string" then return raised end
  local message = type(raised) == "table" and rawget(raised, "message")
  if type(message) == "string" then return message end
  local raised_metatable = raw_metatable(raised)
  local speaks = type(raised_metatable) == "table" and rawget(raised_metatable, "__tostring")
  return (speaks and "" or "raised ") .. text_of(raised)
end

-- Lua strings are bytes; a message must survive JSON, so bytes that are no UTF-8 become U+FFFD.
local function readable(text)
  local parts, from = {}, 1
  local _, bad = utf8.len(text)
  while bad do
    parts[#parts + 1] = text:sub(from, bad - 1)
    from = bad + 1
    _, bad = utf8.len(text, from)
  end
  parts[#parts + 1] = text:sub(from)
  return table.concat(parts, "\u{FFFD}")
end

---Whether this failure, or one that caused it, has that code.
---@param code string
---@return boolean
function methods:is(code)
  local link, seen = self, {}
  while failure.is_failure(link) and not seen[link] do
    if link.code == code then return true end
    seen[link] = true
    link = link.cause
  end
  return false
end

---@param fields table those of weir.Failure; `retry_after` is `retry_after_ms` as a duration
---@return weir.Failure
function failure.new(fields)
  local made = {
    code = fields.code or "error",
    message = fields.message,
    details = fields.details,
    run = fields.run,
    operation = fields.operation,
    workflow = fields.workflow,
    traceback = fields.traceback,
    retryable = fields.retryable,
    retry_after_ms = fields.retry_after_ms,
    cause = fields.cause,
  }
  made.message = text_of(made.message == nil and made.code or made.message)
  if fields.retry_after ~= nil then
    local ms, message = duration.ms(fields.retry_after)
    made.retry_after_ms = ms or error("retry_after: " .. message, 2)
  end
  return setmetatable(made, metatable)
end

---@param value any
---@return boolean
function failure.is_failure(value)
  return raw_metatable(value) == metatable
end

---The failure that a raised value stands for. A failure stays itself; only where it has no
---traceback yet is it copied, as the one raised may be a constant that other runs raise too.
---@param raised any
---@param traceback string?
---@return weir.Failure
function failure.from(raised, traceback)
  if failure.is_failure(raised) then
    if raised.traceback or not traceback then return raised end
    local copy = failure.new(raised)
    copy.traceback = traceback
    return copy
  end
  return failure.new {
    message = message_of(raised),
    details = type(raised) == "table" and raised or nil,
    traceback = traceback,
  }
end

-- Ways to show details, from the faithful to the one that always fits.
local SHOWN = {
  function(details) return details end,
  function(details) return json.try_encode(details) and details or readable(text_of(details)) end,
  function(details) return readable(json.try_encode(details) or text_of(details)) end,
}

-- A plain table of what JSON can hold. Authors can write to a failure's fields: nothing is trusted.
local function plain(link, shown, seen)
  local copy = {}
  for _, field in ipairs(TEXTS) do
    local value = rawget(link, field)
    if value ~= nil then copy[field] = readable(text_of(value)) end
  end
  if link.details ~= nil then copy.details = shown(link.details) end
  if type(link.retryable) == "boolean" then copy.retryable = link.retryable end
  copy.retry_after_ms = math.tointeger(link.retry_after_ms)
  seen[link] = true
  if link.cause ~= nil and not seen[link.cause] then
    copy.cause = plain(failure.from(link.cause), shown, seen)
  end
  return copy
end

---@param value weir.Failure
---@return string text JSON
function failure.encode(value)
  for _, shown in ipairs(SHOWN) do
    local text = json.try_encode(plain(value, shown, {}))
    if text then return text end
  end
  local alone = plain(value, SHOWN[3], {})
  alone.cause = nil -- a chain longer than JSON may be deep
  return json.encode(alone)
end

---@param top table what a failure is as JSON
---@return weir.Failure
function failure.restore(top)
  local link = top
  while link.cause do
    link.cause = failure.new(link.cause)
    link = link.cause
  end
  return failure.new(top)
end

---@param text string what `failure.encode` made
---@return weir.Failure
function failure.decode(text)
  return failure.restore(json.decode(text))
end

return failure
