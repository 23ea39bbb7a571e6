-- The run of a graph as text: a diagram if it fits, else its nodes by stages, failed and running ones first, as many as
-- there is room for. Below stand the critical path and the errors. No line is wider than the terminal. Pure.

local diagram = require "weir.view.diagram"
local graph_view = require "weir.view.graph_view"
local terminal = require "weir.view.terminal"
local tree = require "weir.view.tree"

local graph_text = {}

local LINES_OF_A_STAGE = 4
local LISTED = 10 -- errors, and nodes with children
local LONGEST_NAME = 30
local GAP = "   "

-- ------------------------------------------------------------------------------------------------
-- Stages

-- The state of a stage whose nodes are all completed or all pending: neighbours of the same state become one entry.
local function quiet_state(stage)
  local state = stage[1].state
  if state ~= "completed" and state ~= "pending" then return nil end
  for _, node in ipairs(stage) do
    if node.state ~= state then return nil end
  end
  return state
end

local function fold(stages)
  local entries = {}
  for i, stage in ipairs(stages) do
    local state, last = quiet_state(stage), entries[#entries]
    if state and last and last.quiet == state then
      last.to = i
      table.move(stage, 1, #stage, #last.nodes + 1, last.nodes)
    else
      entries[#entries + 1] = { from = i, to = i, quiet = state, nodes = table.move(stage, 1, #stage, 1, {}) }
    end
  end
  return entries
end

local function each(stages)
  local entries = {}
  for i, stage in ipairs(stages) do entries[i] = { from = i, to = i, nodes = stage } end
  return entries
end

-- Keeps at most so many entries; the last one counts the stages that were left out.
local function fit(stages, rows)
  if #stages <= rows then return each(stages) end
  local entries = fold(stages)
  if #entries <= rows then return entries end
  local kept, rest, busy = {}, { nodes = {}, stages = 0 }, 0
  for _, entry in ipairs(entries) do busy = busy + (entry.quiet and 0 or 1) end
  local quiet = rows - 1 - busy
  for _, entry in ipairs(entries) do
    if #kept < rows - 1 and (not entry.quiet or quiet > 0) then
      kept[#kept + 1] = entry
      quiet = quiet - (entry.quiet and 1 or 0)
    else
      table.move(entry.nodes, 1, #entry.nodes, #rest.nodes + 1, rest.nodes)
      rest.stages = rest.stages + entry.to - entry.from + 1
    end
  end
  kept[#kept + 1] = rest
  return kept
end

local function title_of(entry)
  if entry.stages then return ("%d other%s"):format(entry.stages, entry.stages == 1 and "" or "s") end
  if entry.from == entry.to then return ("stage %d"):format(entry.from) end
  return ("stages %d–%d"):format(entry.from, entry.to)
end

-- Failed nodes come first, then running ones and those of the critical path, then the others in the order of the graph.
local URGENCY = { failed = 1, cancelled = 3, completed = 5, pending = 6 }
local DECIDED = 4

local function by_urgency(nodes)
  local ranks, places = {}, {}
  for i, node in ipairs(nodes) do
    local urgency = URGENCY[node.state] or 2
    ranks[node], places[node] = node.critical and math.min(urgency, DECIDED) or urgency, i
  end
  local sorted = table.move(nodes, 1, #nodes, 1, {})
  table.sort(sorted, function(a, b)
    if ranks[a] ~= ranks[b] then return ranks[a] < ranks[b] end
    return places[a] < places[b]
  end)
  return sorted
end

local function item_of(style, node, now, columns)
  local span = graph_view.span(node, now)
  local most = math.min(LONGEST_NAME, columns - 2 - (span and 1 + #span or 0))
  local name = terminal.clip(terminal.plain(node.key), math.max(1, most))
  local text = tree.mark(style, node.state) .. " "
    .. terminal.paint(style, node.critical and "bold" or graph_view.COLOURS[node.state], name)
  if span then text = text .. " " .. terminal.paint(style, "dim", span) end
  return text, 2 + terminal.width(name) + (span and 1 + #span or 0)
end

local function hidden_text(hidden) return "… " .. tree.counted(hidden) end

-- Puts the nodes on at most so many lines; the last line counts those that do not fit.
local function fill(style, nodes, lines, columns, now)
  local filled, line, width, shown, hidden = {}, {}, 0, 0, graph_view.counts(nodes)
  for _, node in ipairs(by_urgency(nodes)) do
    local text, own = item_of(style, node, now, columns)
    local with_gap = width > 0 and width + #GAP + own or own
    local is_last = #filled == lines - 1
    if with_gap > columns and not is_last then
      filled[#filled + 1] = table.concat(line, GAP)
      line, width, with_gap, is_last = {}, 0, own, #filled == lines - 1
    end
    local rest = is_last and shown + 1 < #nodes and #GAP + terminal.width(hidden_text(hidden)) or 0
    if with_gap + rest > columns and shown > 0 then break end
    line[#line + 1], width, shown = text, with_gap, shown + 1
    hidden[node.state] = hidden[node.state] > 1 and hidden[node.state] - 1 or nil
  end
  if shown < #nodes then
    local left = width > 0 and columns - width - #GAP or columns
    if left > 0 then line[#line + 1] = terminal.paint(style, "dim", terminal.clip(hidden_text(hidden), left)) end
  end
  filled[#filled + 1] = table.concat(line, GAP)
  return filled
end

local function count_only(style, nodes, columns)
  return { terminal.paint(style, "dim", terminal.clip(hidden_text(graph_view.counts(nodes)), columns)) }
end

---The nodes by stages.
---@param view weir.GraphView
---@param options weir.DiagramOptions
---@return string[] lines
function graph_text.stages(view, options)
  local style, lines, margin = options.style, {}, 0
  local entries = fit(view.stages, options.rows)
  for _, entry in ipairs(entries) do margin = math.max(margin, terminal.width(title_of(entry)) + 2) end
  local share = math.max(1, math.min(LINES_OF_A_STAGE, options.rows // #entries))
  local columns = math.max(8, style.columns - 1 - margin)
  for _, entry in ipairs(entries) do
    local filled = entry.from == entry.to and not entry.stages
      and fill(style, entry.nodes, share, columns, options.now) or count_only(style, entry.nodes, columns)
    for i, text in ipairs(filled) do
      local title = terminal.pad(i == 1 and title_of(entry) or "", margin)
      lines[#lines + 1] = terminal.paint(style, "dim", title) .. text
    end
  end
  return lines
end

-- ------------------------------------------------------------------------------------------------
-- Below the nodes

local ARROW, CRITICAL = " → ", "critical path  "

-- The whole path, or as many names from both of its ends as fit.
local function path_text(names, columns)
  local text = table.concat(names, ARROW)
  if terminal.width(text) <= columns then return text end
  for ends = 1, (#names - 1) // 2 do
    local shorter = table.concat({
      table.concat(names, ARROW, 1, ends), ("… %d more …"):format(#names - 2 * ends),
      table.concat(names, ARROW, #names - ends + 1),
    }, ARROW)
    if ends > 1 and terminal.width(shorter) > columns then break end
    text = shorter
  end
  return terminal.clip(text, columns)
end

---@param style weir.Style
---@param view weir.GraphView
---@return string?
function graph_text.critical(style, view)
  if #view.critical == 0 then return nil end
  local names, span = {}, terminal.span(view.critical_ms)
  for i, node in ipairs(view.critical) do names[i] = terminal.clip(terminal.plain(node.key), LONGEST_NAME) end
  local left = style.columns - 1 - #CRITICAL - 2 - #span
  if left < 1 then return terminal.paint(style, "dim", terminal.clip(CRITICAL .. span, style.columns - 1)) end
  local path = path_text(names, left)
  return terminal.paint(style, "dim", CRITICAL) .. terminal.paint(style, "bold", path) .. "  " .. span
end

-- Keeps the first few lines and adds the number of the others.
local function shorten(lines, noun)
  local more = #lines - LISTED
  if more <= 0 then return lines end
  lines = table.move(lines, 1, LISTED, 1, {})
  lines[LISTED + 1] = ("… and %s more %s"):format(more, noun)
  return lines
end

local function failure_line(style, node)
  local name = terminal.clip(terminal.plain(node.key), LONGEST_NAME)
  local text = node.failed .. (node.optional and " (optional)" or "")
  return tree.mark(style, node.state) .. " "
    .. terminal.paint(style, node.state == "failed" and "red" or "yellow", name) .. "  "
    .. terminal.clip(terminal.plain(text), style.columns - 5 - terminal.width(name))
end

local function children_line(style, node)
  local text = ("%s has %s of its own: weir show %s"):format(node.key,
    node.children == 1 and "a child" or node.children .. " children", node.run)
  return terminal.paint(style, "dim", terminal.clip(terminal.plain(text), style.columns - 1))
end

---One line for each node that failed or was cancelled, failed ones first, and for each that has children of its own.
---@param style weir.Style
---@param view weir.GraphView
---@return string[]
function graph_text.notes(style, view)
  local failures, others, parents = {}, {}, {}
  for _, node in ipairs(view.nodes) do
    local list = node.state == "failed" and failures or others
    if node.failed then list[#list + 1] = failure_line(style, node) end
    if node.children then parents[#parents + 1] = children_line(style, node) end
  end
  local lines = shorten(table.move(others, 1, #others, #failures + 1, failures), "that did not complete")
  parents = shorten(parents, "with children of their own")
  return table.move(parents, 1, #parents, #lines + 1, lines)
end

---@param view weir.GraphView
---@return string "8 nodes: 6 completed, 1 failed, 1 pending"
function graph_text.summary(view)
  return ("%s: %s"):format(terminal.count(#view.nodes, "node"), tree.counted(graph_view.counts(view.nodes)))
end

local function draw_nodes(view, options)
  return diagram.draw(view, options) or graph_text.stages(view, options)
end

---Draws at most so many rows, for a text that is redrawn in place: the nodes, the critical path, and as many errors as
---fit.
---@param view weir.GraphView
---@param options weir.DiagramOptions
---@return string[] lines
function graph_text.live(view, options)
  local style, rows = options.style, options.rows
  local lines = draw_nodes(view, { style = style, now = options.now, rows = math.max(1, rows - 1) })
  lines[#lines + 1] = graph_text.critical(style, view)
  local notes = graph_text.notes(style, view)
  return table.move(notes, 1, math.min(#notes, math.max(0, rows - #lines)), #lines + 1, lines)
end

---@param view weir.GraphView
---@param options weir.DiagramOptions
---@return string[] lines
function graph_text.draw(view, options)
  local style = options.style
  local lines = draw_nodes(view, options)
  lines[#lines + 1] = ""
  lines[#lines + 1] = terminal.paint(style, "dim", terminal.clip(graph_text.summary(view), style.columns - 1))
  lines[#lines + 1] = graph_text.critical(style, view)
  local notes = graph_text.notes(style, view)
  if #notes > 0 then lines[#lines + 1] = "" end
  return table.move(notes, 1, #notes, #lines + 1, lines)
end

return graph_text
