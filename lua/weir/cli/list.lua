-- `weir list`: the newest runs first, as a table or as a line of JSON each; with `--group error` their errors, the most
-- frequent first.

local exit_status = require "weir.cli.exit_status"
local json = require "weir.json"
local list = require "weir.client.list"
local native = require "weir.native.client"
local output = require "weir.cli.output"
local progress = require "weir.cli.progress"
local progress_text = require "weir.view.progress_text"
local record = require "weir.record.record"
local redis = require "weir.client.redis"
local selection = require "weir.cli.selection"
local selector = require "weir.client.selector"
local strings = require "weir.base.strings"
local terminal = require "weir.view.terminal"

local list_command = {}

local LISTED = 50 -- lines, without a --limit
local WHOLE = 40 -- columns: longer ids are cut where other columns need the room
local SHORTEST = 8 -- columns: a shorter message says nothing

-- Cuts the messages in the last column to the rest of the line. Long ids leave them `least` columns and are not cut, so
-- that users can copy them.
local function clip_messages(rows, room, ids, least)
  local widths, used = {}, 0
  for _, row in ipairs(rows) do
    for i = 1, #row - 1 do widths[i] = math.max(widths[i] or 0, terminal.width(row[i])) end
  end
  widths[ids] = math.min(widths[ids], WHOLE)
  for _, width in ipairs(widths) do used = used + width + 2 end
  local left = math.max(room - used, least)
  for _, row in ipairs(rows) do row[#row] = left < SHORTEST and "" or terminal.clip(row[#row], left) end
end

-- Prints rows below their heads, as wide as the terminal. Without a terminal it cuts nothing.
local function print_rows(rows, ids, least, spare, paint)
  local style = output.style()
  local room = native.is_terminal(1) and style.columns - 1 or math.maxinteger
  clip_messages(rows, room, ids, least * style.columns // 1)
  for n, row in ipairs(terminal.columns(rows, room, ids, spare, WHOLE)) do
    for i = 1, #row do
      row[i] = terminal.paint(style, n == 1 and "dim" or paint and paint(i, rows[n]) or nil, row[i])
    end
    output.print(strings.trim_end(table.concat(row, "  ")))
  end
end

-- ------------------------------------------------------------------------------------------------
-- Runs

local function row_of(run, now, sorted_by)
  local began = run.started_at or run.created_at
  local took = run.state == "scheduled" and "" or terminal.span((run.finished_at or now) - began)
  local message = run.state == "failed" and run.error and tostring(list.root_cause(run.error).message)
    or not record.ENDED[run.state] and progress_text.line(run.progress) or ""
  return {
    run.state, terminal.plain(run.id), terminal.plain(run.workflow),
    terminal.span(now - (run[sorted_by] or run.created_at)) .. " ago", took, terminal.plain(message),
  }
end

local STATE, RUN, SINCE, TOOK = 1, 2, 4, 5
local COLOURS = { completed = "green", failed = "red", cancelled = "yellow", retrying = "yellow" }

-- Failed runs come in the order in which they ended, all others in the order in which they were created. The table
-- shows the instant by which it is sorted.
local function print_table(selected, runs, now)
  if #runs == 0 then return end
  local sorted_by = selected.state == "failed" and "finished_at" or "created_at"
  local rows = { { "STATE", "RUN", "WORKFLOW", sorted_by == "finished_at" and "FAILED" or "CREATED", "TOOK", "" } }
  for i, run in ipairs(runs) do rows[i + 1] = row_of(run, now, sorted_by) end
  print_rows(rows, RUN, 0, { TOOK, SINCE }, function(i, row) return i == STATE and COLOURS[row[STATE]] or nil end)
end

-- A run that cannot be read does not hide the others.
local function print_json(runs)
  for _, status in ipairs(runs) do
    local ok, text = pcall(function()
      local run = redis.inspect({ status.id })[status.id]
      return run and record.json(run)
    end)
    if not ok and exit_status.is_fault(text) then error(text, 0) end
    if not ok then
      output.warn("the record of run %s cannot be read: %s", status.id, tostring(text))
    elseif text then
      output.print(text)
    end
  end
end

-- Programs (--json) are warned of a misspelt name as well.
local function say_none(selected)
  local misspelt = selector.misspelt(selected)
  if misspelt then return output.warn("%s", misspelt) end
  output.remark(selected.narrowed and "no such runs" or "no runs")
end

local function print_runs(selected, as_json)
  local most, line = selected.limit or LISTED, progress.new()
  local runs, now = list.runs(selected, most, function(chosen, seen)
    line:say("looking: %s of %s", terminal.number(chosen), terminal.count(seen, "run"))
  end)
  line:clear()
  if as_json then print_json(runs) else print_table(selected, runs, now) end
  if #runs == 0 then say_none(selected) end
  if #runs < most then return end
  output.say(terminal.paint(output.style_of_messages(), "dim",
    ("these are the %s %s; for more: --limit N, or --after %s"):format(selected.after and "next" or "first",
      terminal.number(#runs), terminal.plain(runs[#runs].id))))
end

-- ------------------------------------------------------------------------------------------------
-- Groups of errors

local NEWEST = 3 -- the column of ids

local function print_groups(selected, as_json)
  local most, line = selected.limit or LISTED, progress.new()
  selected.state, selected.narrowed = selected.state or "failed", true
  local groups = list.error_groups(selected, function(seen) line:say("looking: %s", terminal.count(seen, "run")) end)
  line:clear()
  local rows = { { "COUNT", "CODE", "NEWEST", "MESSAGE" } }
  for i = 1, math.min(most, #groups) do
    local group = groups[i]
    if as_json then
      output.print(json.encode { count = group.count, code = group.code, message = group.message, run = group.run,
                                 created_at = group.created_at })
    else
      rows[i + 1] = { terminal.number(group.count), terminal.plain(group.code), terminal.plain(group.run),
                      terminal.plain(group.message) }
    end
  end
  if #rows > 1 then print_rows(rows, NEWEST, 1 / 3, {}) end
  if #groups == 0 then say_none(selected) end
end

---Prints the selected runs, or the errors with which they failed.
---@param options table
function list_command.main(options)
  local selected = selection.read(options)
  if options.group then return print_groups(selected, options.json) end
  print_runs(selected, options.json)
end

return list_command
