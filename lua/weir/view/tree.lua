-- A run as a tree: a line for the run, one for each operation, and the operations of a child below its invoke. Four
-- pure functions:
--
--   plant    turns runs into a tree of rows
--   gather   replaces rows that repeat each other by one
--   prune    replaces rows that do not fit by their number; running and failed ones stay
--   draw     turns rows into lines, as wide as the terminal

local duration = require "weir.base.duration"
local json = require "weir.json"
local kinds = require "weir.record.kinds"
local progress_text = require "weir.view.progress_text"
local record = require "weir.record.record"
local scopes = require "weir.base.scope"
local strings = require "weir.base.strings"
local terminal = require "weir.view.terminal"

local tree = {}

---@class weir.TreeRow
---@field state string of the operation, or of its child while that has not ended
---@field name string
---@field about string the workflow, or the kind of operation
---@field note string? about its attempts, its timeout or its cancel
---@field failed string? the message of its error
---@field began integer?
---@field ended integer? nil: it has not ended
---@field is_run boolean? whether it is an invoke
---@field is_group boolean? whether it stands for the branches of a ctx:parallel or a ctx:map
---@field rows weir.TreeRow[] below this one
---@field hidden table<string, integer>? of a row that replaces others: their number by state

local MARKS = {
  completed = { "✓", "green" }, failed = { "✗", "red" }, cancelled = { "⊘", "yellow" },
  running = { "●", "cyan" }, waiting = { "◌", "cyan" }, ready = { "○" }, scheduled = { "◷" },
  pending = { "·", "dim" }, retrying = { "↻", "yellow" }, missing = { "?" }, hidden = { "…", "dim" },
}

---The sign of a state, in its colour.
---@param style weir.Style
---@param state string
---@return string
function tree.mark(style, state)
  local mark = MARKS[state] or MARKS.missing
  return terminal.paint(style, mark[2], mark[1])
end

-- ------------------------------------------------------------------------------------------------
-- Plant

local function arguments_of(operation)
  return operation.arguments and json.decode(operation.arguments) or {}
end

local function message_of(failure)
  return failure and (failure.cause and failure.cause.message or failure.message)
end

local function note_of(operation, child)
  if child and child.attempt > 1 then return "attempt " .. child.attempt end
  local said = child and not record.ENDED[child.state] and progress_text.line(child.progress)
  if said then return said end
  if operation.finished_at then
    return operation.attempts > 1 and operation.attempts .. " attempts" or nil
  end
  if operation.arguments and kinds[operation.kind].tries(operation.arguments) then
    return kinds[operation.kind].tried:format(operation.attempts == 1 and "once" or operation.attempts .. " times")
  end
  local timeout = arguments_of(operation).timeout_ms
  return timeout and "timeout " .. duration.text(timeout) or nil
end

local function row_of_group(run, group)
  local ended = record.ENDED[run.state]
  return {
    name = group.id, about = ("%s %s"):format(group.verb, progress_text.group(group)), is_group = true, rows = {},
    state = group.state == "running" and ended and "cancelled" or group.state,
  }
end

-- When the operations below a group began, and when the last of them ended.
local function time_group(run, group, row)
  for _, below in ipairs(row.rows) do
    if below.began then row.began = math.min(row.began or below.began, below.began) end
    if below.ended then row.ended = math.max(row.ended or below.ended, below.ended) end
  end
  if group.state == "running" and not record.ENDED[run.state] then row.ended = nil end
end

-- Puts the operations of branches below rows that stand for their ctx:parallel or ctx:map.
local function group_rows(run, rows)
  local groups = run.progress and run.progress.groups
  if not groups or not groups[1] then return rows end
  local top, made = {}, {}
  local function innermost(text, self)
    local found
    for i, group in ipairs(groups) do
      local prefix = group.id .. ":"
      if i ~= self and text:sub(1, #prefix) == prefix and (not found or #prefix > #groups[found].id + 1) then
        found = i
      end
    end
    return found
  end
  local function place(i)
    if not made[i] then
      made[i] = row_of_group(run, groups[i])
      local outer = innermost(groups[i].id .. ":", i)
      local list = outer and place(outer).rows or top
      list[#list + 1] = made[i]
    end
    return made[i]
  end
  for i, operation in ipairs(run.operations) do
    local own = operation.scope and innermost(scopes.prefix(operation.scope))
    local list = own and place(own).rows or top
    list[#list + 1] = rows[i]
  end
  for i in ipairs(groups) do place(i) end
  for i = #groups, 1, -1 do time_group(run, groups[i], made[i]) end
  return top
end

local function plant_operations(run, runs)
  local rows = {}
  for i, operation in ipairs(run.operations) do
    local child = operation.run and not operation.shared and runs[operation.run]
    rows[i] = {
      name = operation.id, about = kinds[operation.kind].label(operation.workflow, operation.arguments),
      note = note_of(operation, child),
      state = operation.state == "running" and child and not record.ENDED[child.state] and child.state
        or operation.state,
      failed = message_of(operation.error) or child and child.state == "retrying" and message_of(child.error) or nil,
      began = operation.started_at, ended = operation.finished_at or record.ENDED[run.state] and run.finished_at or nil,
      is_run = operation.run ~= nil, rows = child and plant_operations(child, runs) or {},
    }
  end
  return group_rows(run, rows)
end

---@param id string
---@param runs table<string, weir.Record>
---@return weir.TreeRow
function tree.plant(id, runs)
  local run = runs[id]
  if not run then return { state = "missing", name = id, about = "", rows = {} } end
  local note = run.cancel and not record.ENDED[run.state] and "ending: " .. run.cancel.state
    or not record.ENDED[run.state] and progress_text.line(run.progress)
    or run.attempt > 1 and "attempt " .. run.attempt or nil
  return {
    state = run.state, name = id, about = run.workflow, note = note, failed = message_of(run.error),
    began = run.started_at or run.created_at, ended = run.finished_at, rows = plant_operations(run, runs),
  }
end

-- ------------------------------------------------------------------------------------------------
-- Gather

local REPEATED, LONGEST_PERIOD = 5, 3 -- repetitions before rows are gathered, and rows that repeat as a group

local function went_well(row)
  if row.state ~= "completed" or row.note then return false end
  for _, below in ipairs(row.rows) do
    if not went_well(below) then return false end
  end
  return true
end

local function folded(text) return (text:gsub("%d+", "N")) end

-- Rows of equal likeness differ only in numbers. nil: this row is not gathered.
local function likeness(row)
  local ended_alone = (row.state == "failed" or row.state == "cancelled") and not row.note and #row.rows == 0
  if not row.ended or not (ended_alone or went_well(row)) then return nil end
  return ("%s\0%s\0%s\0%s"):format(row.state, folded(row.about), row.is_run and "" or folded(row.name),
    row.failed and folded(row.failed) or "")
end

-- The number of times that the `period` rows from `from` on follow each other.
local function count_repeats(alike, from, period)
  local at = from
  while alike[at] and alike[at] == alike[from + (at - from) % period] do at = at + 1 end
  return (at - from) // period
end

-- The row that replaces every `period`-th of `rows` from `from` on.
local function gathered(rows, from, period, count)
  local first, last = rows[from], rows[from + (count - 1) * period]
  local name, least, most = folded(first.name), math.maxinteger, 0
  for i = from, from + (count - 1) * period, period do
    local row = rows[i]
    local took = row.ended - (row.began or row.ended)
    least, most = math.min(least, took), math.max(most, took)
    if folded(row.name) ~= name then name = "…" end
  end
  local times = least == most and terminal.span(least) or terminal.span(least) .. " to " .. terminal.span(most)
  return {
    state = first.state, name = ("%s × %s"):format(terminal.number(count), name), is_run = first.is_run, rows = {},
    about = ("%s, %s each"):format(folded(first.about), times), failed = first.failed, began = first.began,
    ended = last.ended,
  }
end

---Replaces neighbours that repeat each other by one row; so it does with groups of up to three rows that take turns.
---@param row weir.TreeRow
---@return weir.TreeRow
function tree.gather(row)
  local rows, alike, list, at = row.rows, {}, {}, 1
  for i, below in ipairs(rows) do alike[i] = likeness(below) or false end
  while rows[at] do
    local period = 1
    while period < LONGEST_PERIOD and count_repeats(alike, at, period) < REPEATED do period = period + 1 end
    local count = count_repeats(alike, at, period)
    if count >= REPEATED then
      for i = 0, period - 1 do list[#list + 1] = gathered(rows, at + i, period, count) end
      at = at + count * period
    else
      list[#list + 1] = tree.gather(rows[at])
      at = at + 1
    end
  end
  return setmetatable({ rows = list }, { __index = row })
end

-- ------------------------------------------------------------------------------------------------
-- Prune

---The number of rows of a tree, including its own.
---@param row weir.TreeRow
---@return integer
function tree.size(row)
  local size = 1
  for _, below in ipairs(row.rows) do size = size + tree.size(below) end
  return size
end

-- Running rows come first, then failed ones, then those that ended last.
local function urgency(row)
  if row.state == "pending" then return 0 end
  if not row.ended then return row.state == "ready" and 2 or 3 end
  return row.state == "failed" and 1 or 0
end

-- The places of these rows, the most urgent first.
local function rank(rows)
  local places = {}
  for i = 1, #rows do places[i] = i end
  table.sort(places, function(a, b)
    local row, other = rows[a], rows[b]
    if urgency(row) ~= urgency(other) then return urgency(row) > urgency(other) end
    local ended, other_ended = row.ended or 0, other.ended or 0
    if ended ~= other_ended then return ended > other_ended end
    return a < b
  end)
  return places
end

-- The most urgent rows in their order, after a row that counts the others.
local function choose(rows, most, ranks)
  if #rows <= most then return rows end
  ranks[rows] = ranks[rows] or rank(rows)
  local chosen = {}
  for i = 1, most - 1 do chosen[ranks[rows][i]] = true end
  local shown, hidden = { false }, {}
  for i, row in ipairs(rows) do
    if chosen[i] then
      shown[#shown + 1] = row
    else
      hidden[row.state] = (hidden[row.state] or 0) + 1
    end
  end
  shown[1] = { state = "hidden", name = "", about = "", hidden = hidden, rows = {} }
  return shown
end

local function copy_of(row)
  return setmetatable({ rows = {} }, { __index = row })
end

local function cut(row, most, depth, ranks)
  local copy = copy_of(row)
  if depth > 0 then
    for i, below in ipairs(choose(row.rows, most, ranks)) do copy.rows[i] = cut(below, most, depth - 1, ranks) end
  end
  return copy
end

-- Leaves out the rows below completed ones.
local function fold(row)
  local copy = copy_of(row)
  for i, below in ipairs(row.rows) do
    if #below.rows == 0 then
      copy.rows[i] = below
    else
      copy.rows[i] = below.state == "completed" and copy_of(below) or fold(below)
    end
  end
  return copy
end

local WIDTHS = { 200, 100, 50, 30, 20, 15, 12, 10, 8, 7, 6, 5, 4, 3, 2, 1 }
local DEPTHS = { 64, 6, 4, 3, 2, 1 }
local NARROW = 6 -- fewer rows beside each other are shown only in a tree of depth 1

---Shortens a tree to at most so many rows.
---@param row weir.TreeRow
---@param most integer
---@return weir.TreeRow
function tree.prune(row, most)
  if tree.size(row) <= most then return row end
  row = fold(row)
  if tree.size(row) <= most then return row end
  local ranks = {}
  for _, depth in ipairs(DEPTHS) do
    for _, width in ipairs(WIDTHS) do
      if width < NARROW and depth > 1 then break end
      local pruned = cut(row, width, depth, ranks)
      if tree.size(pruned) <= most then return pruned end
    end
  end
  return copy_of(row)
end

-- ------------------------------------------------------------------------------------------------
-- Draw

local ORDER = { "completed", "failed", "cancelled", "running", "waiting", "retrying", "ready", "scheduled",
                "pending" }

---"3 completed, 1 running"
---@param counts table<string, integer>
---@return string
function tree.counted(counts)
  local words = {}
  for _, state in ipairs(ORDER) do
    if counts[state] then words[#words + 1] = terminal.number(counts[state]) .. " " .. state end
  end
  return table.concat(words, ", ")
end

local GAP = "  "
local TIME = 8 -- columns of a time, right-aligned

-- Joins pieces of text, each in its colour, and cuts them at the end of the line.
local function join(style, pieces, columns)
  local parts, left = {}, columns
  for _, piece in ipairs(pieces) do
    local text = terminal.clip(terminal.plain(piece[1]), left)
    left = left - terminal.width(text)
    parts[#parts + 1] = terminal.paint(style, piece[2], text)
    if left <= 0 then break end
  end
  return table.concat(parts) .. (" "):rep(left)
end

local function pieces_of(row, branch, is_root, name_width)
  if row.hidden then
    return { { branch, "dim" }, { "… " .. tree.counted(row.hidden), "dim" } }
  end
  local mark = MARKS[row.state] or MARKS.missing
  local pieces = { { branch, "dim" }, { mark[1], mark[2] }, { " " }, { row.name, is_root and "bold" or nil } }
  local padding = name_width - terminal.width(terminal.plain(row.name))
  pieces[#pieces + 1] = { (" "):rep(padding) .. GAP .. row.about, "dim" }
  local unusual = row.state == "retrying" or row.state == "ready" or row.state == "scheduled"
  if unusual then pieces[#pieces + 1] = { GAP .. row.state } end
  if row.note then pieces[#pieces + 1] = { GAP .. row.note, "yellow" } end
  if row.failed then
    pieces[#pieces + 1] = { GAP .. row.failed, row.state == "failed" and "red" or "yellow" }
  end
  return pieces
end

local function times_of(row, options)
  if not row.began or row.hidden then return "", "" end
  local took = terminal.span((row.ended or options.now) - row.began)
  local offset = options.origin and row.began >= options.origin and "+" .. terminal.span(row.began - options.origin)
  return offset or "", took
end

-- The `about` of siblings stands in one column, unless a name is very long.
local function name_width_of(rows)
  local width = 0
  for _, row in ipairs(rows) do
    local own = terminal.width(terminal.plain(row.name))
    if own <= 28 and own > width then width = own end
  end
  return width
end

---@class weir.DrawOptions
---@field style weir.Style
---@field now integer ms, by the clock of the rows
---@field origin integer? adds a column with the time from this instant to the begin of each row

---@param root weir.TreeRow
---@param options weir.DrawOptions
---@return string[] lines
function tree.draw(root, options)
  local style = options.style
  local times = options.origin and 2 * TIME + 1 or TIME
  local columns = math.max(20, math.min(style.columns, 110) - 1 - times)
  local lines = {}

  local function add(row, branch, is_root, name_width)
    local offset, took = times_of(row, options)
    local line = join(style, pieces_of(row, branch, is_root, name_width), columns)
    local right = options.origin and terminal.pad(offset, TIME, true) .. " " or ""
    right = right .. terminal.pad(took, TIME, true)
    lines[#lines + 1] = strings.trim_end(line .. terminal.paint(style, row.ended and "dim" or nil, right))
  end

  local function add_below(row, indent)
    local name_width = name_width_of(row.rows)
    for i, below in ipairs(row.rows) do
      local is_last = i == #row.rows
      add(below, indent .. (is_last and "└─ " or "├─ "), false, name_width)
      add_below(below, indent .. (is_last and "   " or "│  "))
    end
  end

  add(root, "", true, 0)
  add_below(root, "")
  return lines
end

return tree
