-- `weir stats`: how much there is, as a few lines. With --watch again and again: on a terminal in place, elsewhere one
-- below the other.

local json = require "weir.json"
local native = require "weir.native.client"
local output = require "weir.cli.output"
local stats = require "weir.client.stats"
local stats_view = require "weir.view.stats_view"

local stats_command = {}

local WATCHED = 2000 -- runs that are looked at each time
local SHORTEST_MS = 100 -- between two readings

local function print_once(values, as_json)
  if as_json then return output.print(json.encode(values)) end
  output.print(table.concat(stats_view.lines(values, output.style()), "\n"))
end

-- Lines past the foot of the terminal are left out.
local function draw(values)
  local style = output.style_of_messages()
  local lines = stats_view.lines(values, style, true)
  local most = math.max(1, style.rows - 1)
  for i = #lines, most + 1, -1 do lines[i] = nil end
  native.show(table.concat(lines, "\27[K\n") .. "\27[K\n")
end

---@param options { json: boolean, watch: boolean, every_ms: integer }
function stats_command.main(options)
  if not options.watch then return print_once(stats.read(), options.json) end
  local draws = not options.json and native.is_terminal(1) and output.is_live()
  native.heed_interrupts()
  local shown = 0
  repeat
    local values = stats.read(WATCHED)
    if draws then
      draw(values)
    else
      if shown > 0 and not options.json then output.print "" end
      print_once(values, options.json)
    end
    shown = shown + 1
  until native.pause(math.max(SHORTEST_MS, options.every_ms))
  if draws then native.show() end
end

return stats_command
