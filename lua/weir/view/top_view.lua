-- The screen of `weir top`: its state (weir.cli.top.model) as lines, exactly as many as the terminal has rows, each
-- narrower than the terminal. Pure.

local stats_view = require "weir.view.stats_view"
local strings = require "weir.base.strings"
local terminal = require "weir.view.terminal"

local top_view = {}

local plain, span, clip = terminal.plain, terminal.span, terminal.clip

local LOW = 14 -- rows: a lower screen has a head of one line
local LABEL = 7 -- columns
local LEAST_ROWS, LEAST_COLUMNS = 4, 16

-- ------------------------------------------------------------------------------------------------
-- Head and foot

local function labelled(style, label, text)
  return terminal.paint(style, "dim", terminal.pad(label, LABEL)) .. clip(text, style.columns - 1 - LABEL)
end

local function hosts_text(values)
  local counts, words = {}, {}
  for _, host in ipairs(values.hosts) do counts[host.state] = (counts[host.state] or 0) + 1 end
  for _, state in ipairs { "serving", "draining", "late", "gone" } do
    if counts[state] then words[#words + 1] = ("%d %s"):format(counts[state], state) end
  end
  return #words > 0 and table.concat(words, ", ") or "none"
end

-- The name of the program and where its Redis is, and at the end of the line the time.
local function title(self, style)
  local clock = self.values and terminal.instant(self.values.at):sub(-8) or ""
  local room = style.columns - 1 - #clock - 1
  local text = clip("weir top  " .. plain(self.place), room)
  return terminal.paint(style, "bold", terminal.pad(text, room)) .. " " .. terminal.paint(style, "dim", clock)
end

local function tabs(self, style)
  local words = {}
  for i, tab in ipairs { "runs", "workflows", "queues", "hosts" } do
    words[i] = tab == self.tab and ("[%d %s]"):format(i, tab) or (" %d %s "):format(i, tab)
  end
  local text = table.concat(words, " ")
  if self.tab == "runs" then
    local about = {}
    for _, name in ipairs { "state", "workflow", "queue", "text" } do
      local value = self.filter[name]
      if value then about[#about + 1] = ("%s %s"):format(name, name == "text" and ("%q"):format(value) or value) end
    end
    if self.sort ~= "created" or self.reversed then
      about[#about + 1] = ("by %s%s"):format(self.sort, self.reversed and ", reversed" or "")
    end
    if self.note then about[#about + 1] = self.note end
    if #about > 0 then text = text .. "  " .. table.concat(about, ", ") end
  end
  return terminal.paint(style, "cyan", clip(plain(text), style.columns - 1))
end

local function head(self, style)
  local lines, values = { title(self, style) }, self.values
  if style.rows < LOW then return lines end
  if values then
    lines[2] = labelled(style, "runs", stats_view.unfinished(values))
    lines[3] = labelled(style, "ended", stats_view.ended(values) .. (values.sampled and " (estimates)" or ""))
    lines[4] = labelled(style, "rates", stats_view.rates(values))
    lines[5] = labelled(style, "hosts", ("%s; redis %s"):format(hosts_text(values), stats_view.redis(values)))
    lines[6] = labelled(style, "oldest", stats_view.oldest(values) or "none")
  end
  return lines
end

local HINTS = {
  table = "? help  q quit  / filter  f state  s sort  enter open  c cancel  r retry",
  opened = "? help  q quit  esc back  c cancel  r retry  j/k scroll",
  help = "any key: back",
}

local function foot(self, style)
  local room, prompt = style.columns - 1, self.prompt
  if prompt and prompt.kind == "filter" then
    return clip("filter by text: " .. plain(prompt.text) .. "_", room)
  elseif prompt then
    local text = prompt.kind == "cancel" and "cancel %s and all runs below it? y/n" or "retry %s? y/n"
    return terminal.paint(style, "yellow", clip(text:format(plain(prompt.run)), room))
  elseif self.fault then
    return terminal.paint(style, "red", clip(plain(self.fault), room))
  elseif self.message then
    return terminal.paint(style, "yellow", clip(plain(self.message), room))
  end
  local hint = self.helps and HINTS.help or self.opened and HINTS.opened or HINTS.table
  return terminal.paint(style, "dim", clip(hint, room))
end

-- ------------------------------------------------------------------------------------------------
-- Tables

local RUN, WORKFLOW, TOOK, CREATED = 2, 3, 4, 5
local COLOURS = { completed = "green", failed = "red", cancelled = "yellow", retrying = "yellow", running = "cyan" }

local function run_rows(self)
  local rows, now = { { "STATE", "RUN", "WORKFLOW", "TOOK", "CREATED", "" } }, self.values and self.values.at or 0
  for _, run in ipairs(self.runs) do
    local began = run.started_at or run.created_at
    rows[#rows + 1] = {
      run.state, plain(run.id), plain(run.workflow),
      run.state == "scheduled" and "" or span((run.finished_at or now) - began), span(now - run.created_at) .. " ago",
      run.message and plain(run.message) or "",
    }
  end
  return rows
end

local ROWS = {
  runs = run_rows,
  workflows = function(self) return stats_view.workflow_rows(self.values, true) end,
  queues = function(self) return stats_view.queue_rows(self.values) end,
  hosts = function(self) return stats_view.host_rows(self.values) end,
}
local SPARE = {
  runs = { CREATED, TOOK, WORKFLOW }, workflows = { 6, 5, 7, 4 }, queues = { 4, 5, 3 }, hosts = { 8, 7, 6, 5, 3, 4 },
}

-- The rows of the page on which the cursor stands, below their heads.
local function page_of(rows, at, height)
  local most = math.max(1, height - 1)
  local from = (at - 1) // most * most
  local page = { rows[1] }
  table.move(rows, from + 2, math.min(#rows, from + 1 + most), 2, page)
  return page, at - from
end

local function with_cursor(rows, cursor)
  for i, row in ipairs(rows) do
    row[1] = (i == cursor + 1 and "> " or "  ") .. row[1]
  end
  return rows
end

local function draw_row(style, tab, row, n, cursor, columns)
  if n == 1 then return terminal.paint(style, "dim", clip(strings.trim_end(table.concat(row, "  ")), columns)) end
  local text = clip(strings.trim_end(table.concat(row, "  ")), columns)
  if n == cursor + 1 then return terminal.paint(style, "reverse", terminal.pad(text, columns)) end
  local state = tab == "runs" and row[1]:match "%l+"
  return terminal.paint(style, state and COLOURS[state] or nil, text)
end

local function table_lines(self, style, height)
  local lines, columns = {}, style.columns - 1
  if not self.values then return { "reading…" } end
  local rows = ROWS[self.tab](self)
  if #rows == 1 then
    return { terminal.paint(style, "dim", clip(self.tab == "runs" and next(self.filter)
      and "no such runs; esc removes the filters" or "none", columns)) }
  end
  local page, cursor = page_of(rows, self.at[self.tab], height)
  with_cursor(page, cursor)
  local is_runs = self.tab == "runs"
  for n, row in ipairs(terminal.columns(page, columns, is_runs and RUN or 1, SPARE[self.tab], is_runs and 24 or 12)) do
    lines[n] = draw_row(style, self.tab, row, n, cursor, columns)
  end
  return lines
end

-- ------------------------------------------------------------------------------------------------
-- A run, the help, and all together

local HELP = {
  "up down j k      the row above, below; of a run: scroll",
  "page up, page down, home end g G",
  "1 2 3 4 tab      runs, workflows, queues, hosts",
  "enter, right     open the run; the runs of the workflow or queue",
  "esc, left        back; without a run open: remove the filters",
  "/                only runs with this text in id, workflow or error",
  "f F              only runs in the next, the previous state",
  "s S              sort by the next column; reverse",
  "c                cancel the run and all runs below it; asks first",
  "r                retry the run; asks first",
  "ctrl-l ctrl-z    draw anew; suspend",
  "q ctrl-c         quit",
}

local function opened_lines(self, style, height)
  local opened, lines = self.opened, {}
  local scroll = math.min(opened.scroll, math.max(0, #opened.lines - height))
  for i = 1, math.min(height, #opened.lines) do
    lines[i] = terminal.clip_painted(opened.lines[scroll + i], style.columns - 1)
  end
  return lines
end

local function body(self, style, height)
  if self.helps then
    local lines = {}
    for i, line in ipairs(HELP) do lines[i] = clip(line, style.columns - 1) end
    return lines
  end
  if self.opened then return opened_lines(self, style, height) end
  local lines = { tabs(self, style) }
  return table.move(table_lines(self, style, height - 1), 1, height - 1, 2, lines)
end

---The height of the part between head and foot.
---@param self weir.TopModel
---@param style weir.Style
---@return integer
function top_view.height(self, style) return math.max(1, style.rows - #head(self, style) - 1) end

---@param self weir.TopModel
---@param style weir.Style
---@return string[] lines
function top_view.draw(self, style)
  if style.rows < LEAST_ROWS or style.columns < LEAST_COLUMNS then
    local lines = { clip("too small", style.columns - 1) }
    for i = 2, style.rows do lines[i] = "" end
    return lines
  end
  local lines = head(self, style)
  local height = style.rows - #lines - 1
  local middle = body(self, style, height)
  for i = 1, height do lines[#lines + 1] = middle[i] or "" end
  lines[#lines + 1] = foot(self, style)
  return lines
end

return top_view
