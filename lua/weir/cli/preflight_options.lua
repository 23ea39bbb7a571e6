-- How commands replay runs: with the limits that their flags set, and their progress on a terminal.

local engine = require "weir.engine.run"
local progress = require "weir.cli.progress"
local terminal = require "weir.view.terminal"

local preflight_options = {}

---@param options table of a command that has --max-cpu and --max-memory
---@return weir.PreflightOptions
---@return fun() clear removes the progress
function preflight_options.of(options)
  local line = progress.new()
  return {
    cpu_ms = options.max_cpu_ms, memory_bytes = options.max_memory, limits = engine.limits, host = engine.host,
    on_progress = function(looked, chosen)
      line:say("replayed %s of %s", terminal.number(looked), terminal.count(chosen, "run"))
    end,
  }, function() line:clear() end
end

return preflight_options
