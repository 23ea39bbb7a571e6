-- `weir wait`, and the waits of other commands. On a terminal it draws the tree or the graph of the run in place, with
-- a progress bar below it. Elsewhere it prints a line for each change. For a run of many operations it reads only
-- counts, and shows the bar without a tree.

local bar = require "weir.view.bar"
local graph_text = require "weir.view.graph_text"
local graph_view = require "weir.view.graph_view"
local kinds = require "weir.record.kinds"
local native = require "weir.native.client"
local output = require "weir.cli.output"
local progress_count = require "weir.client.progress_count"
local record = require "weir.record.record"
local redis = require "weir.client.redis"
local subtree = require "weir.client.subtree"
local terminal = require "weir.view.terminal"
local tree = require "weir.view.tree"
local wait = require "weir.client.wait"

local wait_command = {}

local GRACE_MS = 120 -- for a run that ends sooner nothing is drawn
local FRAME_MS, LINES_MS = 100, 250
local RELATION = 10 -- a tenth of the time at most is spent on reading
local WATCHED, REMEMBERED = 120, 1000 -- runs that are read, during the wait and at its end
local MANY = 1000 -- operations; a larger run is counted, not read
local FINAL_ROWS = 200
local LINES = 20 -- printed at once
local COUNTED_MS = 1000 -- between lines of a large run

---@class weir.Watch
---@field id string
---@field subtree weir.Subtree
---@field count weir.ProgressCount
---@field how "tree"|"lines"|nil how the run is shown; nil: not at all
---@field told table<string, string> the last state that a line printed, by path
---@field shown boolean something stands at the foot of the terminal
---@field read_at integer when Redis was asked last, ms
---@field read_again_at integer
---@field tell_at integer when the next line about a large run is to be printed

-- ------------------------------------------------------------------------------------------------
-- A tree that is drawn in place

-- The rest of each line is cleared, so that a shorter line leaves nothing of the one before.
local function show(lines)
  native.show(table.concat(lines, "\27[K\n") .. "\27[K\n")
end

local function is_large(self) return math.max(self.count.nodes or 0, self.count.size) > MANY end

-- The shape of a graph may have been recorded after the count had begun.
local function read_runs(self)
  self.subtree:refresh()
  local run = self.subtree.runs[self.id]
  if run.graph then self.count.nodes = #run.graph.nodes end
end

-- Counts the nodes of a graph, or the children that any other run has so far.
local function counts_of(self)
  if is_large(self) then return self.count:counts() end
  local run = self.subtree.runs[self.id]
  local counts = { noun = run.graph and "node" or "child", total = 0, running = 0, completed = 0, failed = 0,
                   cancelled = 0 }
  for _, operation in ipairs(run.operations) do
    if kinds[operation.kind].owns_child then
      counts.total = counts.total + 1
      if counts[operation.state] then counts[operation.state] = counts[operation.state] + 1 end
    end
  end
  return counts
end

-- The rows are chosen again only when the run has changed; the times in them go on.
local function draw_run(self, style, now, changed)
  local run, rows = self.subtree.runs[self.id], math.max(1, style.rows - 4)
  if run.graph then
    return graph_text.live(graph_view.view(run, now, self.subtree.runs), { style = style, now = now, rows = rows })
  end
  if changed or style.rows ~= self.rows then
    self.rows = style.rows
    self.pruned = tree.prune(tree.plant(self.id, self.subtree.runs), rows)
  end
  return tree.draw(self.pruned, { style = style, now = now })
end

local function draw_live(self, changed)
  local style = output.style_of_messages()
  local now = self.count.now + native.now_ms() - self.read_at
  local lines = is_large(self) and {} or draw_run(self, style, now, changed)
  local counts = counts_of(self)
  if is_large(self) or counts.total > 1 then
    lines[#lines + 1] = bar.draw(style, counts, now - self.count.begins_at)
  end
  show(lines)
end

-- ------------------------------------------------------------------------------------------------
-- A line for each change

-- The rows that are new or whose state has changed: those of the run, and those of all runs below it.
local function changes(self, root)
  local rows = {}
  -- `base`: the path of the run that the row is in; `whole`: whether it is the run that is waited for.
  local function visit(row, path, base, whole)
    if row.state ~= "pending" and self.told[path] ~= row.state then
      self.told[path] = row.state
      rows[#rows + 1] = { path = path, row = row }
    end
    base = row.is_group and base or path
    for _, below in ipairs(row.rows) do
      local inner = whole and (row == root or row.is_group)
      if inner or below.is_run or below.is_group then visit(below, base .. "/" .. below.name, base, inner) end
    end
  end
  visit(root, root.name, root.name, true)
  return rows
end

local function tell_count(self)
  if native.now_ms() < self.tell_at then return end
  self.tell_at = native.now_ms() + COUNTED_MS
  local elapsed = terminal.span(self.count.now - self.count.begins_at)
  output.say(("%s  %s"):format(terminal.pad(elapsed, 7, true), bar.text(self.count:counts())))
end

local function tell_changes(self)
  if is_large(self) then return tell_count(self) end
  local style = output.style_of_messages()
  local root = tree.plant(self.id, self.subtree.runs)
  local rows, lines = changes(self, root), {}
  for i = 1, math.min(#rows, LINES) do
    local path, row = rows[i].path, rows[i].row
    local took = row.ended and row.began and " in " .. terminal.span(row.ended - row.began) or ""
    lines[i] = ("%s %s  %s%s"):format(tree.mark(style, row.state), terminal.plain(path), row.state, took)
  end
  if #rows > LINES then lines[LINES + 1] = ("… and %s more"):format(terminal.number(#rows - LINES)) end
  local elapsed = terminal.pad(terminal.span(self.count.now - root.began), 7, true)
  for _, line in ipairs(lines) do output.say(elapsed .. "  " .. line) end
end

-- ------------------------------------------------------------------------------------------------
-- The wait

-- Reads the run, or only its counts if reading would take too long, and shows it. Returns whether the run has ended,
-- and when to look again.
local function look(self)
  local began, changed = native.now_ms(), false
  if began >= self.read_again_at then
    changed = self.count:refresh()
    if changed and not is_large(self) then read_runs(self) end
    self.read_at = native.now_ms()
  end
  if self.how == "tree" then
    draw_live(self, changed)
    self.shown = true
  elseif changed then
    tell_changes(self)
  end
  if self.read_at >= began then self.read_again_at = began + RELATION * (native.now_ms() - began) end
  return record.ENDED[self.count.state] and not self.count.behind, self.how == "tree" and FRAME_MS or LINES_MS
end

local function await(self, timeout_ms)
  return wait.for_end(self.id, {
    timeout_ms = timeout_ms, look_ms = GRACE_MS, look = self.how and function() return look(self) end,
  })
end

-- Shows the whole run after its end.
local function final_lines(self, style, most)
  if is_large(self) then return { bar.draw(style, self.count:counts(), self.count.now - self.count.begins_at) } end
  local all = subtree.new(self.id, REMEMBERED)
  all:refresh()
  local rows, run = most or math.max(1, style.rows - 3), all.runs[self.id]
  if run.graph then
    return graph_text.live(graph_view.view(run, all.now, all.runs), { style = style, now = all.now, rows = rows })
  end
  return tree.draw(tree.prune(tree.plant(self.id, all.runs), rows), { style = style, now = all.now })
end

local function show_final(self, most)
  repeat self.count:refresh() until not self.count.behind
  local lines = final_lines(self, output.style_of_messages(), most)
  if output.is_live() then
    show(lines)
    native.show()
  else
    output.say(table.concat(lines, "\n"))
  end
end

---@return weir.Watch
local function new(id, how)
  return { id = id, subtree = subtree.new(id, WATCHED), count = progress_count.new(id), told = {}, shown = false,
           read_at = 0, read_again_at = 0, tell_at = 0, how = how }
end

---@class weir.WaitCommandOptions
---@field timeout_ms integer?
---@field tells boolean? prints a line for each change where there is no terminal; the end shows the tree in any case

---Waits until a run has ended.
---@param id string
---@param options weir.WaitCommandOptions
---@return weir.Record? run nil: the timeout came first
function wait_command.until_ended(id, options)
  local self = new(id, output.is_live() and "tree" or options.tells and "lines" or nil)
  local ended = await(self, options.timeout_ms)
  if ended and (self.shown or options.tells) then
    show_final(self, options.tells and FINAL_ROWS or nil)
  elseif self.shown then
    native.show()
  end
  if not ended then return nil end
  return (redis.run(id))
end

---Shows a run until it has ended, and then clears the drawing.
---@param id string
function wait_command.watch(id)
  local self = new(id, "tree")
  await(self)
  if not self.shown then return end
  native.show("")
  native.show()
end

return wait_command
