-- `weir help` explains weir, one of its commands, or a topic.

local commands = require "weir.cli.commands"
local flags = require "weir.cli.flags"

local help = {}

local INDENT <const> = (" "):rep(37) -- of the second line of a flag's help

local SETTINGS <const> = [[

A setting may also stand in a variable (--lua-path: WEIR_LUA_PATH) or in the --config
file (lua_path = ...): flags win over variables, variables over the file.
]]

local TOPICS <const> = {
  states = [[
A run is in one of these states (weir list --state STATE):

  scheduled  it starts later (--delay)
  ready      it stands in its queue until a worker takes it
  running    a worker runs its Lua
  waiting    for a child, a sleep or the next try of a step; it costs nothing meanwhile
  retrying   an attempt failed, and the next begins later
  completed  it ended with a result
  failed     it ended with an error: weir retry RUN
  cancelled  it was cancelled: weir cancel RUN

An operation of a run is pending (a node of a graph that has not begun), running, completed,
failed or cancelled.
]],
  durations = [[
A duration is a number with a unit, or several: 250ms, 30s, 5m, 2h, 1d, 1h30m. In Lua a number
alone is seconds. --since and --until take one as that long ago, or an instant: 2026-11-21,
"2026-11-21 12:00" (the clock here), 2026-11-21T12:00:00Z.
]],
  statuses = [[
weir exits with one of these statuses:

   0  done
   1  the run failed or was cancelled; faults were found; the run is in no state for the command
  64  wrong usage, or bad input
  66  no such run, workflow or file
  69  Redis cannot be reached, or cannot serve
  70  a fault of weir itself
  74  the output could not be written
  75  waiting took too long; or the lease of this host was taken, and a restart mends that
  77  Redis refused the login, or a right is missing
  78  bad configuration or workflow folder, or another host with this --node is alive
  80  the settings of Redis may lose or evict runs: change the one that the log names
  81  Redis has lost changes that it had acknowledged: restore them, or --accept-loss
 130  interrupted

A supervisor should not restart a host after 64, 78, 80 and 81.
]],
}

local function line_of(flag, command)
  local text = flag.help_of and flag.help_of[command.name] or flag.help
  local form = ("--%s %s"):format(flag.name, flag.argument or "")
  local default = flag.default and (" (default %s)"):format(flag.default) or ""
  return ("  %-34s %s%s\n"):format(form, text:gsub("\n", "\n" .. INDENT), default)
end

---The help of a command.
---@param command weir.Command
---@return string text
function help.of_command(command)
  local arguments = command.arguments ~= "" and " " .. command.arguments or ""
  local parts = { ("usage: weir %s%s [FLAGS]\n\n%s\n"):format(command.name, arguments, command.summary) }
  local function add(text) parts[#parts + 1] = text end
  if command.example then add(("\nexample: %s\n"):format(command.example)) end
  local has_flags, has_settings = false, false
  for _, flag in ipairs(flags.rows) do
    if flag.commands[command.name] then
      if not has_flags then add "\n" end
      add(line_of(flag, command))
      has_flags, has_settings = true, has_settings or not flag.once
    end
  end
  if has_settings then add(SETTINGS) end
  if command.about then add("\n" .. command.about) end
  return table.concat(parts)
end

---The help of weir: all commands.
---@return string text
function help.of_weir()
  local parts = { "usage: weir COMMAND [ARGUMENTS] [FLAGS]\n\n" }
  for _, command in ipairs(commands.rows) do
    if command.summary then
      parts[#parts + 1] = ("  %-8s %-15s %s\n"):format(command.name, command.arguments, command.summary)
    end
  end
  parts[#parts + 1] = "\nweir help COMMAND shows its flags and an example; weir help states, durations, statuses.\n"
  return table.concat(parts)
end

---The help of a topic that is no command.
---@param name string
---@return string? text nil: there is no such topic
function help.of_topic(name) return TOPICS[name] end

return help
