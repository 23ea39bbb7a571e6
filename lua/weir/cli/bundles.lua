-- `weir bundles`: a line for each bundle in use, the newest first.

local bundles = require "weir.client.bundles"
local json = require "weir.json"
local output = require "weir.cli.output"
local strings = require "weir.base.strings"
local terminal = require "weir.view.terminal"

local command = {}

local SHOWN = 16 -- characters of a bundle, as in the log of a host
local NAMED = 3 -- workflows in a line

local function names(list)
  local shown = table.concat(list, " ", 1, math.min(#list, NAMED))
  return #list > NAMED and ("%s +%d"):format(shown, #list - NAMED) or shown
end

local function print_json(list)
  for _, found in ipairs(list) do
    output.print(json.encode {
      bundle = found.bundle, version = found.version or json.null, announced_at = found.announced_at or json.null,
      attempts = found.attempts, workflows = json.array(found.workflows), hosts = json.array(found.hosts),
    })
  end
end

---@param options { json: boolean? }
function command.main(options)
  local list, now = bundles.list()
  if options.json then return print_json(list) end
  if not list[1] then return output.remark "no code is in use: no host has announced any" end
  local rows = { { "BUNDLE", "NEWEST", "UNFINISHED", "HOSTS", "WORKFLOWS" } }
  for _, found in ipairs(list) do
    rows[#rows + 1] = {
      found.bundle:sub(1, SHOWN), found.announced_at and terminal.span(now - found.announced_at) .. " ago" or "",
      terminal.number(found.attempts), table.concat(found.hosts, " "), names(found.workflows),
    }
  end
  for _, row in ipairs(terminal.columns(rows, math.maxinteger, #rows[1])) do
    output.print(strings.trim_end(table.concat(row, "  ")))
  end
end

return command
