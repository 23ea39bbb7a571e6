-- A transport (weir.client.transport) whose calls block the thread until their reply has come. The command line and the
-- preflight of a host use it; the client functions leave that choice to their callers.

local host = require "weir.native.host"
local native = require "weir.native.client"

local blocking = {}

-- The names of the faults that C raises, by the exit status that they carry.
local NAMES = { [69] = "unreachable", [70] = "redis_error", [77] = "not_permitted", [130] = "interrupted" }

local function checked(ok, ...)
  if ok then return ... end
  local raised = ...
  local name = type(raised) == "table" and NAMES[raised.status]
  if name then raised.fault = name end
  error(raised, 0)
end

function blocking.call(...) return checked(pcall(native.call, ...)) end

function blocking.ask(...) return checked(pcall(native.ask, ...)) end

-- There is one connection, so one pipeline at a time.
local pipeline = {
  send = function(_, ...) checked(pcall(native.send, ...)) end,
  receive = function() return checked(pcall(native.receive)) end,
}

function blocking.pipeline() return pipeline end

-- A new subscription replaces the one before. It ends with the Lua state.
local subscription = {
  next = function(_, timeout_ms) return checked(pcall(native.message, timeout_ms)) ~= nil end,
  close = function() end,
}

function blocking.subscribe(...)
  checked(pcall(native.listen, ...))
  return subscription
end

function blocking.now_ms() return native.now_ms() end

function blocking.pause(ms) return native.pause(ms) end

function blocking.random() return host.seed() end

return blocking
