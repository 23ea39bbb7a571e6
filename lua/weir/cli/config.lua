-- `weir config` prints the settings that `weir serve` would have here, and the origin of each.

local flags = require "weir.cli.flags"
local json = require "weir.json"
local output = require "weir.cli.output"
local terminal = require "weir.view.terminal"

local config = {}

---@class weir.Setting
---@field key string as in the config file
---@field value string? as a user would write it; nil: not set
---@field from string "--workers", "WEIR_WORKERS", the path of the config file, or "default"

-- The URL of Redis comes from C, which has taken the password out.
local function value_of(setting, options)
  return setting.key == flags.key(flags.find "redis") and options.redis or setting.value
end

---@param options table `settings` among them
function config.main(options)
  if options.json then
    local all = {}
    for _, setting in ipairs(options.settings) do
      all[setting.key] = { value = value_of(setting, options) or json.null, from = setting.from }
    end
    return output.print(json.encode(all))
  end
  local rows, widths = {}, { 0, 0 }
  for i, setting in ipairs(options.settings) do
    local value = terminal.plain(value_of(setting, options) or "(not set)")
    rows[i] = { setting.key, value, terminal.plain(setting.from) }
    for column = 1, 2 do widths[column] = math.max(widths[column], terminal.width(rows[i][column])) end
  end
  for _, row in ipairs(rows) do
    output.print(("%s  %s  %s"):format(terminal.pad(row[1], widths[1]), terminal.pad(row[2], widths[2]), row[3]))
  end
end

return config
