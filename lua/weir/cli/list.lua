-- `weir list`: runs, newest first, as a table or a line of JSON each; and `--group error`: what goes wrong, how often.

local client = require "weir.native.client"
local json = require "weir.json"
local output = require "weir.cli.output"
local progress = require "weir.cli.progress"
local record = require "weir.record.record"
local selector = require "weir.client.selector"
local store = require "weir.client.redis"
local strings = require "weir.base.strings"
local terminal = require "weir.view.terminal"

local list = {}

local LISTED = 50 -- lines, without a --limit
local WHOLE = 40 -- columns: ids that are longer are cut where others lack them
local SHORTEST = 8 -- columns of a message that still says something

-- What is at the bottom of a failure says most.
local function bottom_of(text)
  local failure = store.table_of(text)
  while type(failure.cause) == "table" and failure.cause ~= json.null do failure = failure.cause end
  return failure
end

-- Messages, in the last column, take what is left of the line: ids that are cut can no longer be copied. `least` they
-- keep in any case.
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

-- Rows below their heads, as wide as the terminal; programs get all of them.
local function print_rows(rows, ids, least, spare, paint)
  local style = output.style()
  local room = client.is_terminal(1) and style.columns - 1 or math.maxinteger
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

local function row_of(glance, now)
  local began = glance.started_at or glance.created_at
  local took = glance.state == "scheduled" and "" or terminal.span((glance.finished_at or now) - began)
  local message = glance.state == "failed" and glance.error and tostring(bottom_of(glance.error).message) or ""
  return {
    glance.state, terminal.plain(glance.id), terminal.plain(glance.workflow),
    terminal.span(now - glance.created_at) .. " ago", took, terminal.plain(message),
  }
end

local STATE, RUN, CREATED, TOOK = 1, 2, 4, 5
local COLOURS = { completed = "green", failed = "red", cancelled = "yellow", retrying = "yellow" }

local function print_table(glances, now)
  if #glances == 0 then return end
  local rows = { { "STATE", "RUN", "WORKFLOW", "CREATED", "TOOK", "" } }
  for i, glance in ipairs(glances) do rows[i + 1] = row_of(glance, now) end
  print_rows(rows, RUN, 0, { TOOK, CREATED }, function(i, row) return i == STATE and COLOURS[row[STATE]] or nil end)
end

-- One that cannot be read hides no others.
local function print_json(glances)
  for _, glance in ipairs(glances) do
    local ok, text = pcall(function()
      local run = store.inspect({ glance.id })[glance.id]
      return run and record.json(run)
    end)
    if not ok and store.is_fault(text) then error(text, 0) end
    if not ok then
      output.warn("the record of run %s cannot be read: %s", glance.id, tostring(text))
    elseif text then
      output.print(text)
    end
  end
end

-- Those that the walk finds first.
local function collect(selection, most)
  local chosen, now, line = {}, 0, progress.new()
  selector.walk(selection, function(page, seen, at)
    table.move(page, 1, math.min(#page, most - #chosen), #chosen + 1, chosen)
    now = at
    line:say("looking: %s of %s", terminal.number(#chosen), terminal.count(seen, "run"))
    return #chosen >= most
  end)
  line:over()
  return chosen, now
end

-- A mistyped name is told to programs as well.
local function say_none(selection)
  local misspelt = selector.misspelt(selection)
  if misspelt then return output.warn("%s", misspelt) end
  output.remark(selection.narrowed and "no such runs" or "no runs")
end

local function print_runs(selection, as_json)
  local most = selection.limit or LISTED
  local chosen, now = collect(selection, most)
  if as_json then print_json(chosen) else print_table(chosen, now) end
  if #chosen == 0 then say_none(selection) end
  if #chosen < most then return end
  output.say(terminal.paint(output.style_of_messages(), "dim",
    ("these are the %s %s; for more: --limit N, or --after %s"):format(selection.after and "next" or "first",
      terminal.number(#chosen), terminal.plain(chosen[#chosen].id))))
end

-- ------------------------------------------------------------------------------------------------
-- Groups of errors

---A message without what differs from run to run: its numbers.
---@param message string
---@return string
function list.folded(message)
  return (message:gsub("%d+", "N"))
end

---@class weir.ErrorGroup
---@field count integer
---@field code string
---@field message string folded
---@field run string the newest
---@field created_at integer its

local function add(groups, glance)
  local failure = bottom_of(glance.error)
  local code, message = tostring(failure.code or "error"), list.folded(tostring(failure.message))
  local key = code .. "\0" .. message
  local group = groups[key]
  if not group then
    group = { count = 0, code = code, message = message, created_at = -1 }
    groups[key], groups[#groups + 1] = group, group
  end
  group.count = group.count + 1
  if glance.created_at > group.created_at then group.run, group.created_at = glance.id, glance.created_at end
end

---The kinds of errors of those runs, the most frequent first. What a run failed of is what is at the bottom of it, so a
---child and all above it that failed by it count as one kind.
---@param selection weir.Selection
---@return weir.ErrorGroup[]
function list.groups(selection)
  local groups, line = {}, progress.new()
  selector.walk(selection, function(page, seen)
    for _, glance in ipairs(page) do
      if glance.error then add(groups, glance) end
    end
    line:say("looking: %s", terminal.count(seen, "run"))
  end)
  line:over()
  table.sort(groups, function(a, b)
    if a.count ~= b.count then return a.count > b.count end
    if a.created_at ~= b.created_at then return a.created_at > b.created_at end
    return a.run < b.run
  end)
  return groups
end

local NEWEST = 3 -- the column of ids

local function print_groups(selection, as_json)
  local most = selection.limit or LISTED
  selection.state, selection.narrowed = selection.state or "failed", true
  local groups = list.groups(selection)
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
  if #groups == 0 then say_none(selection) end
end

---Prints runs that are meant, or the kinds of errors that they failed of.
---@param options table
function list.print(options)
  local selection = selector.read(options)
  if options.group then return print_groups(selection, options.json) end
  print_runs(selection, options.json)
end

return list
