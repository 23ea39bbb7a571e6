-- Waiting for the end of a run. The outcome itself ends the wait; what is shown meanwhile, a tree or a
-- graph that moves on a terminal with a bar below it, or lines that tell of changes, is read only when
-- something was written. A run of many operations is only counted: there is a bar and no more.

local bar = require "weir.view.bar"
local client = require "weir.native.client"
local family = require "weir.client.subtree"
local graph = require "weir.view.graph_view"
local output = require "weir.cli.output"
local picture = require "weir.view.graph_text"
local record = require "weir.record.record"
local store = require "weir.client.redis"
local tally = require "weir.client.progress_count"
local terminal = require "weir.view.terminal"
local tree = require "weir.view.tree"

local wait = {}

local GRACE_MS = 120 -- a run that is over sooner shows no tree that moves
local FRAME_MS, LINES_MS = 100, 250
local LOOK_MS = 3000 -- the message that a run has ended may be lost on its way
local RELATION = 10 -- looking may take a tenth of the time
local WATCHED, REMEMBERED = 120, 1000 -- runs looked at, while it goes on and at the end
local MANY = 1000 -- operations; a run of more is counted, not read
local FINAL_ROWS = 200
local LINES = 20 -- told at once
local COUNTED_MS = 1000 -- between lines that tell how far it has come

-- ------------------------------------------------------------------------------------------------
-- A tree that moves

-- Every line is wiped behind its text, so that a shorter one leaves nothing of the one before.
local function show(lines)
  client.show(table.concat(lines, "\27[K\n") .. "\27[K\n")
end

local function is_large(self) return math.max(self.tally.nodes or 0, self.tally.size) > MANY end

-- The graph may have begun since it was counted.
local function read_family(self)
  self.family:refresh()
  local run = self.family.runs[self.id]
  if run.graph then self.tally.nodes = #run.graph.nodes end
end

-- Of a graph its nodes, of any other run its children so far.
local function counts_of(self)
  if is_large(self) then return self.tally:counts() end
  local run = self.family.runs[self.id]
  local counts = { noun = run.graph and "node" or "child", total = 0, running = 0, completed = 0, failed = 0,
                   cancelled = 0 }
  for _, operation in ipairs(run.operations) do
    if operation.kind == "invoke" then
      counts.total = counts.total + 1
      if counts[operation.state] then counts[operation.state] = counts[operation.state] + 1 end
    end
  end
  return counts
end

-- What of the run is drawn is thought out anew only when it changed; its clocks go on all the same.
local function draw_run(self, style, now, changed)
  local run, rows = self.family.runs[self.id], math.max(1, style.rows - 4)
  if run.graph then
    return picture.live(graph.view(run, now, self.family.runs), { style = style, now = now, rows = rows })
  end
  if changed or style.rows ~= self.rows then
    self.rows = style.rows
    self.pruned = tree.prune(tree.plant(self.id, self.family.runs), rows)
  end
  return tree.draw(self.pruned, { style = style, now = now })
end

local function draw_live(self, changed)
  local style = output.style_of_messages()
  local now = self.tally.now + client.now_ms() - self.looked_at
  local lines = is_large(self) and {} or draw_run(self, style, now, changed)
  local counts = counts_of(self)
  if is_large(self) or counts.total > 1 then
    lines[#lines + 1] = bar.draw(style, counts, now - self.tally.begins_at)
  end
  show(lines)
end

-- ------------------------------------------------------------------------------------------------
-- Lines that tell of changes

-- Rows that were not there before, or in another state: the run's own, and those of all runs below.
local function changes(self, root)
  local rows = {}
  local function look(row, path)
    if row.state ~= "pending" and self.told[path] ~= row.state then
      self.told[path] = row.state
      rows[#rows + 1] = { path = path, row = row }
    end
    for _, below in ipairs(row.rows) do
      if row == root or below.is_run then look(below, path .. "/" .. below.name) end
    end
  end
  look(root, root.name)
  return rows
end

local function tell_count(self)
  if client.now_ms() < self.tell_at then return end
  self.tell_at = client.now_ms() + COUNTED_MS
  local elapsed = terminal.span(self.tally.now - self.tally.begins_at)
  output.say(("%s  %s"):format(terminal.pad(elapsed, 7, true), bar.text(self.tally:counts())))
end

local function tell_changes(self)
  if is_large(self) then return tell_count(self) end
  local style = output.style_of_messages()
  local root = tree.plant(self.id, self.family.runs)
  local rows, lines = changes(self, root), {}
  for i = 1, math.min(#rows, LINES) do
    local path, row = rows[i].path, rows[i].row
    local took = row.ended and row.began and " in " .. terminal.span(row.ended - row.began) or ""
    lines[i] = ("%s %s  %s%s"):format(tree.mark(style, row.state), terminal.plain(path), row.state, took)
  end
  if #rows > LINES then lines[LINES + 1] = ("… and %s more"):format(terminal.number(#rows - LINES)) end
  local elapsed = terminal.pad(terminal.span(self.tally.now - root.began), 7, true)
  for _, line in ipairs(lines) do output.say(elapsed .. "  " .. line) end
end

-- ------------------------------------------------------------------------------------------------
-- The wait

-- Shows how it goes; the clocks of a tree go on also while looking would cost too much. Says whether the
-- run is seen to be over.
local function look(self)
  local began, changed = client.now_ms(), false
  if began >= self.look_again_at then
    changed = self.tally:refresh()
    if changed and not is_large(self) then read_family(self) end
    self.looked_at = client.now_ms()
  end
  if self.how == "tree" then
    draw_live(self, changed)
    self.shown = true
  elseif changed then
    tell_changes(self)
  end
  if self.looked_at >= began then self.look_again_at = began + RELATION * (client.now_ms() - began) end
  return record.ENDED[self.tally.state] and not self.tally.behind
end

local function is_over(id)
  local reply = store.call({ "watch", id })[1]
  if reply[1] == "missing" then store.no_such_run(id) end
  return reply[1] == "ended"
end

local function await(self, deadline)
  client.listen("ended:" .. self.id)
  local pause = self.how and GRACE_MS or LOOK_MS
  while not is_over(self.id) do
    repeat
      local rest = deadline and deadline - client.now_ms()
      if rest and rest <= 0 then return false end
      if pause and (not rest or pause < rest) then rest = pause end
      local told, over = client.message(rest), false
      if not told and self.how then
        over = look(self)
        pause = self.how == "tree" and FRAME_MS or LINES_MS
      end
    until told or over or not self.how
  end
  return true
end

-- The whole run as it ended, below everything that was said before.
local function final_lines(self, style, most)
  if is_large(self) then return { bar.draw(style, self.tally:counts(), self.tally.now - self.tally.begins_at) } end
  local all = family.new(self.id, REMEMBERED)
  all:refresh()
  local rows, run = most or math.max(1, style.rows - 3), all.runs[self.id]
  if run.graph then
    return picture.live(graph.view(run, all.now, all.runs), { style = style, now = all.now, rows = rows })
  end
  return tree.draw(tree.prune(tree.plant(self.id, all.runs), rows), { style = style, now = all.now })
end

local function show_final(self, most)
  repeat self.tally:refresh() until not self.tally.behind
  local lines = final_lines(self, output.style_of_messages(), most)
  if output.is_live() then
    show(lines)
    client.show()
  else
    output.say(table.concat(lines, "\n"))
  end
end

local function new(id, how)
  return { id = id, family = family.new(id, WATCHED), tally = tally.new(id), told = {}, shown = false, looked_at = 0,
           look_again_at = 0, tell_at = 0, how = how }
end

---@class weir.WaitOptions
---@field timeout_ms integer?
---@field tells boolean? without a terminal, tells of changes by lines; shows the tree at the end in any case

---Waits until a run ended.
---@param id string
---@param options weir.WaitOptions
---@return weir.Record? run nil: the time was over first
function wait.until_over(id, options)
  local self = new(id, output.is_live() and "tree" or options.tells and "lines" or nil)
  local deadline = options.timeout_ms and client.now_ms() + options.timeout_ms
  local over = await(self, deadline)
  if over and (self.shown or options.tells) then
    show_final(self, options.tells and FINAL_ROWS or nil)
  elseif self.shown then
    client.show()
  end
  if not over then return nil end
  return (store.run(id))
end

---Shows how a run goes until it has ended, and takes away what it showed.
---@param id string
function wait.watch(id)
  local self = new(id, "tree")
  await(self)
  if not self.shown then return end
  client.show("")
  client.show()
end

return wait
