-- The preflight of a host: replays runs in flight on the new bundle of a folder that has changed, before the bundle
-- goes live. C calls `look` on a thread of its own (host/serve/preflight.c).

local changed = require "weir.preflight.changed"
local engine = require "weir.engine.run"
local preflight = require "weir.preflight"
local transport = require "weir.client.transport"

local change = {}

local LONGEST_MS, SAY_EVERY_MS = 30000, 2000

---@class weir.ChangeFound
---@field text string? a line for the log; nil: no run is in flight
---@field faults integer runs that would not go on
---@field line string? where the first of them would not
---@field first string? which run that is, and why

---@param blocking weir.Transport
---@param name string of the new bundle
---@param before table<string, string> path -> source
---@param now table<string, string>
---@param memory_bytes integer that a run may take
---@param cpu_ms integer that a run may take
---@param is_stopped fun(): boolean whether the files have changed again; what is found then counts no longer
---@return weir.ChangeFound
function change.look(blocking, name, before, now, memory_bytes, cpu_ms, is_stopped)
  transport.use(blocking)
  local said_at = transport.now_ms()
  local host = engine.host
  local options = {
    ms = LONGEST_MS, cpu_ms = math.min(cpu_ms, LONGEST_MS), memory_bytes = memory_bytes, limits = engine.limits,
    host = host, is_stopped = is_stopped,
    on_progress = function(looked, chosen)
      if transport.now_ms() - said_at < SAY_EVERY_MS then return end
      said_at = transport.now_ms()
      host.log("info", nil, ("preflight of bundle %s: %d of %d runs replayed"):format(name:sub(1, 16), looked, chosen))
    end,
  }
  if not next(changed.files(before, now)) or not preflight.has_runs() then return { faults = 0 } end
  local loaded = preflight.load(options, name, now)
  if not loaded then return { faults = 0 } end -- the host finds the same when it loads the bundle, and refuses it
  local result = preflight.look(loaded, changed.workflows(loaded, before, now), options)
  local first = result.faults[1]
  return { text = preflight.sentence(result), faults = #result.faults, line = first and first.line,
           first = first and ("run %s: %s"):format(first.run, first.message) }
end

return change
