-- manual_page: prints weir.1, made of the tables from which `weir help` is made.
--
-- lua5.4 host/packaging/manual_page.lua "weir VERSION"

local commands = require "weir.cli.commands"
local flags = require "weir.cli.flags"
local help = require "weir.cli.help"

local function out(...) io.write(..., "\n") end

-- Text as roff shows it: a dot or a quote at the beginning of a line would be a request.
local function escape(text)
  return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("'", "\\(aq"):gsub("^%.", "\\&."):gsub("\n%.", "\n\\&."))
end

local function lines(text)
  for line in text:gmatch "[^\n]+" do out(escape(line)) end
end

local function verbatim(text)
  out ".nf"
  for line in (text:gsub("\n+$", "") .. "\n"):gmatch "([^\n]*)\n" do out(line == "" and ".sp" or escape(line)) end
  out ".fi"
end

local function write_flag(flag, command)
  out(".TP")
  local argument = flag.argument and ([[ \fI%s\fR]]):format(escape(flag.argument)) or ""
  out(([[\fB\-\-%s\fR%s]]):format(escape(flag.name), argument))
  lines((flag.help_of and flag.help_of[command.name] or flag.help)
    .. (flag.default and (" (default %s)"):format(flag.default) or ""))
end

local function write_command(command)
  out(([[.SS "weir %s%s"]]):format(command.name, command.arguments ~= "" and " " .. command.arguments or ""))
  lines(command.summary .. ".")
  if command.about then
    out ".PP"
    lines(command.about)
  end
  if command.example then
    out ".PP"
    verbatim(command.example)
  end
  for _, flag in ipairs(flags.rows) do
    if flag.commands[command.name] then write_flag(flag, command) end
  end
end

out(([[.TH WEIR 1 "" "%s"]]):format(arg[1]))
out [[
.SH NAME
weir \- runs durable workflows written in Lua, with their state in Redis
.SH SYNOPSIS
.B weir
.I COMMAND
.RI [ ARGUMENTS ]
.RI [ FLAGS ]
.SH DESCRIPTION
A workflow is a Lua function that survives crashes, waits for days without using a thread, and continues where it was.
.B weir serve
runs workflows on a Redis; the other commands start runs, show them and act on them.
.SH COMMANDS]]
for _, command in ipairs(commands.rows) do
  if command.summary then write_command(command) end
end

out ".SH STATES"
verbatim(help.of_topic "states")
out ".SH DURATIONS"
verbatim(help.of_topic "durations")
out '.SH "EXIT STATUS"'
verbatim(help.of_topic "statuses")
out [[
.SH ENVIRONMENT
A setting is a flag that has a variable, too: \-\-lua\-path is WEIR_LUA_PATH.
Flags win over variables, variables over the file that \-\-config names.]]
for _, flag in ipairs(flags.rows) do
  if not flag.once and next(flag.commands) then
    out ".TP"
    out(([[.B %s]]):format(escape(flags.variable(flag))))
    out(([[\-\-%s]]):format(escape(flag.name)))
  end
end
out [[
.SH SIGNALS
.TP
.B SIGTERM, SIGINT
A host takes no more runs, lets running Lua reach its next yield, gives back its runs and exits 0.
A second one ends it at once.
.TP
.B SIGHUP
A host reads its workflow folders again.
.TP
.B SIGUSR1
A host logs what its workers and runs are doing.]]
