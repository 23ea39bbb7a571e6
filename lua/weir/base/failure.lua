-- Failures: the error objects of weir, and their conversion to JSON and back. Every value that the author's code raises
-- becomes a failure, and every failure can be encoded: details that JSON cannot hold are shown as text, and long texts
-- are cut. This module neither decides on retries nor logs.

local duration = require "weir.base.duration"
local json = require "weir.json"
local strings = require "weir.base.strings"

local failure = {}

---@class weir.Failure
---@field code string
---@field message string
---@field details any added by the code that raised it; JSON
---@field run string? the run that failed
---@field operation string? the operation whose outcome this is
---@field workflow string? the workflow of `run`
---@field traceback string?
---@field retryable boolean? false: another attempt would fail in the same way
---@field retry_after_ms integer? the least pause before the next attempt
---@field cause weir.Failure? the child's own failure
---@field omitted integer? the number of causes that were left out between this one and `cause`

---Codes that only weir itself uses; an author cannot make a failure with one of them.
---@type table<string, true>
failure.RESERVED = {
  interrupted = true, child_failed = true, timeout = true, cancelled = true, expired = true,
  unknown_workflow = true, invalid_data = true, duplicate_id = true, replay_mismatch = true,
  payload_too_large = true, payload_invalid = true, cycle = true, too_deep = true, too_many_failures = true,
  all_failed = true,
  cpu_limit = true, memory_limit = true, crash_loop = true,
}

-- The sandbox hides debug from authors, and the metatable is locked, so authors cannot forge a failure.
local raw_metatable = debug.getmetatable
local methods = {}
local metatable = {
  __index = methods,
  __metatable = "weir.failure",
  __name = "weir.failure",
  __tostring = function(self) return tostring(self.message) end,
  __concat = function(a, b) return tostring(a) .. tostring(b) end,
}

-- tostring() of any value. The author's __tostring may raise. The address of a value without __tostring is left out, as
-- the same failure must read the same in every process.
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
  local self = {
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
    omitted = fields.omitted,
  }
  self.message = text_of(self.message == nil and self.code or self.message)
  if fields.retry_after ~= nil then
    local ms, message = duration.ms(fields.retry_after)
    self.retry_after_ms = ms or error("retry_after: " .. message, 2)
  end
  return setmetatable(self, metatable)
end

---@param value any
---@return boolean
function failure.is_failure(value)
  return raw_metatable(value) == metatable
end

---Converts a raised value to a failure. A failure is returned as it is; if it has no traceback, a copy gets one,
---because the raised object may be a constant that other runs raise as well.
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

-- ------------------------------------------------------------------------------------------------
-- As JSON. Each run above a failed run keeps the failure twice. So its size is bounded, and the middle of a long chain
-- of causes is left out; `weir show` of the runs in between has those causes.

local KIB = 1024

---@class weir.FailureBounds bytes of each text; `details` as JSON
local OWN = {
  code = 512, message = 64 * KIB, run = 4 * KIB, operation = 4 * KIB, workflow = 512, traceback = 16 * KIB,
  details = 64 * KIB,
}
-- Bounds of a cause between other causes: its message repeats the message of its own cause.
local BETWEEN = {
  code = 512, message = 256, run = KIB, operation = KIB, workflow = 512, traceback = KIB, details = 4 * KIB,
}
local TEXTS = { "code", "message", "run", "operation", "workflow", "traceback" }
local CAUSES_BYTES = 64 * KIB -- of all causes together

local UPPER, LOWER = 3, 5 -- links that are kept of a long chain: the failure and two causes, and the innermost ones
local NESTING = 480 -- of details, so that a record with the chain around them is not too deep to be read

local function bounded(value, most)
  local kept = strings.readable(strings.first(value, most))
  if #value <= most and #kept <= most then return kept end
  return ("%s… (cut: %d bytes in all)"):format(strings.first(kept, most), #value)
end

-- Details unchanged if JSON can hold them, otherwise as text.
local function bounded_details(details, most)
  local text = json.try_encode(details, NESTING)
  if text and #text <= most then return details end
  return bounded(text or text_of(details), most)
end

-- A plain table that JSON can hold. Every field is checked, because authors can write to the fields of a failure.
local function plain(link, bounds, share)
  local copy = {}
  for _, field in ipairs(TEXTS) do
    local value = rawget(link, field)
    if value ~= nil then copy[field] = bounded(text_of(value), bounds[field] // share) end
  end
  if link.details ~= nil then copy.details = bounded_details(link.details, bounds.details // share) end
  if type(link.retryable) == "boolean" then copy.retryable = link.retryable end
  copy.retry_after_ms = math.tointeger(link.retry_after_ms)
  copy.omitted = math.tointeger(link.omitted)
  return copy
end

-- The failure and its causes, the outermost first, and the number of causes that were left out after the third.
local function links_of(value)
  local links, seen = {}, {}
  local link = value
  while link ~= nil and not seen[link] do
    if link == link then seen[link] = true end
    links[#links + 1] = failure.from(link)
    link = links[#links].cause
  end
  local omitted = #links - UPPER - LOWER
  if omitted <= 0 then return links, nil end
  for i = UPPER, UPPER + omitted do omitted = omitted + (math.tointeger(links[i].omitted) or 0) end
  local kept = table.move(links, 1, UPPER, 1, {})
  return table.move(links, #links - LOWER + 1, #links, UPPER + 1, kept), omitted
end

-- Returns the text, and the length of the causes in it.
local function written(links, omitted, share)
  local inner
  for i = #links, 2, -1 do
    local between = i > 2 and i < #links
    local copy = plain(links[i], between and BETWEEN or OWN, share)
    copy.cause = inner
    if omitted and i == UPPER then copy.omitted = omitted end
    inner = copy
  end
  local whole = plain(links[1], OWN, 1)
  whole.cause = inner
  local text = json.encode(whole, json.DEEPEST)
  if #text <= CAUSES_BYTES or not inner then return text, 0 end
  return text, #json.encode(inner, json.DEEPEST)
end

---@param value weir.Failure
---@return string text JSON
function failure.encode(value)
  local links, omitted = links_of(value)
  local share = 1 -- the causes get half of what they had, until they fit
  local text, causes = written(links, omitted, share)
  while causes > CAUSES_BYTES and share < KIB do
    share = share * 2
    text, causes = written(links, omitted, share)
  end
  return text
end

---@param top table a failure as decoded JSON
---@return weir.Failure
function failure.restore(top)
  local link = top
  while link.cause do
    link.cause = failure.new(link.cause)
    link = link.cause
  end
  return failure.new(top)
end

---@param text string from `failure.encode`
---@return weir.Failure
function failure.decode(text)
  return failure.restore(json.decode(text))
end

json.setup(function(message) return failure.new { code = "payload_invalid", message = message } end)

return failure
