-- completions: prints the completions of weir for a shell, made of the tables from which `weir help` is made.
--
-- lua5.4 host/packaging/completions.lua bash|zsh|fish

local commands = require "weir.cli.commands"
local flags = require "weir.cli.flags"

local FILE_ARGUMENT <const> = "FILE"
local FOLDER_ARGUMENT <const> = "DIR"

local function out(form, ...) io.write(select("#", ...) > 0 and form:format(...) or form, "\n") end

local function quote(text) return "'" .. text:gsub("'", [['\'']]) .. "'" end

local function first_line(text) return text:match "[^\n]*" end

local function offered()
  local rows = {}
  for _, command in ipairs(commands.rows) do
    if command.summary then rows[#rows + 1] = command end
  end
  return rows
end

local function flags_of(command)
  local rows = {}
  for _, flag in ipairs(flags.rows) do
    if flag.commands[command.name] then rows[#rows + 1] = flag end
  end
  return rows
end

local function help_of(flag, command) return first_line(flag.help_of and flag.help_of[command.name] or flag.help) end

-- The words that a flag takes, or nil.
local function words_of(flag)
  return flag.kind == "choice" and (flag.argument:gsub("|", " ")) or nil
end

local function names(rows, prefix)
  local list = {}
  for i, row in ipairs(rows) do list[i] = prefix .. row.name end
  return table.concat(list, " ")
end

local shells = {}

function shells.bash()
  out "# Completions of weir for bash."
  out "_weir() {"
  out "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} words="
  out "  if [ \"$COMP_CWORD\" -eq 1 ]; then"
  out("    words=%s", quote(names(offered(), "")))
  out "  else"
  out "    case $before in"
  for _, flag in ipairs(flags.rows) do
    if words_of(flag) then out("      --%s) words=%s ;;", flag.name, quote(words_of(flag))) end
  end
  out "      *)"
  out "        case $command in"
  for _, command in ipairs(offered()) do
    local rows = flags_of(command)
    if rows[1] then out("          %s) words=%s ;;", command.name, quote(names(rows, "--"))) end
  end
  out("          help) words=%s ;;", quote(names(offered(), "") .. " states durations"))
  out "        esac"
  out "        case $word in -*) ;; *) [ \"$command\" = help ] || words= ;; esac ;;"
  out "    esac"
  out "  fi"
  out "  COMPREPLY=()"
  out "  if [ -n \"$words\" ]; then mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\"); fi"
  out "}"
  out "complete -o default -F _weir weir"
end

-- A colon separates name and help, brackets enclose help.
local function plain(text) return (text:gsub("[%[%]:\\]", "\\%0")) end

local function zsh_action(flag)
  if not flag.argument then return "" end
  local action = words_of(flag) and ("(%s)"):format(words_of(flag))
    or flag.argument:find(FOLDER_ARGUMENT, 1, true) and "_files -/"
    or flag.argument:find(FILE_ARGUMENT, 1, true) and "_files" or ""
  return (":%s:%s"):format(plain(flag.argument), action)
end

function shells.zsh()
  out "#compdef weir"
  out "# Completions of weir for zsh."
  out "local -a commands"
  out "commands=("
  for _, command in ipairs(offered()) do out("  %s", quote(command.name .. ":" .. plain(command.summary))) end
  out ")"
  out "if (( CURRENT == 2 )); then"
  out "  _describe command commands"
  out "  return"
  out "fi"
  out "case $words[2] in"
  for _, command in ipairs(offered()) do
    out("  %s)", command.name)
    local parts = { "    _arguments '*:argument:_files'" }
    for _, flag in ipairs(flags_of(command)) do
      local text = plain(help_of(flag, command))
      parts[#parts + 1] = "      " .. quote(("--%s[%s]%s"):format(flag.name, text, zsh_action(flag)))
    end
    out("%s", table.concat(parts, " \\\n"))
    out "    ;;"
  end
  out "esac"
end

function shells.fish()
  out "# Completions of weir for fish."
  for _, command in ipairs(offered()) do
    out("complete -c weir -n __fish_use_subcommand -f -a %s -d %s", command.name, quote(command.summary))
  end
  for _, command in ipairs(offered()) do
    for _, flag in ipairs(flags_of(command)) do
      local value = not flag.argument and "" or words_of(flag) and (" -x -a %s"):format(quote(words_of(flag))) or " -r"
      out("complete -c weir -n '__fish_seen_subcommand_from %s' -l %s%s -d %s", command.name, flag.name, value,
        quote(help_of(flag, command)))
    end
  end
end

local shell = shells[arg[1]]
if not shell then
  io.stderr:write "completions: completions.lua bash|zsh|fish\n"
  os.exit(64)
end
shell()
