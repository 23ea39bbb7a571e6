-- Waiting for the end of a run. The outcome itself ends the wait; what is shown meanwhile, a tree that
-- moves on a terminal or lines that tell of changes, looks at Redis only when something was written.

local client = require "weir.native.client"
local family = require "weir.cli.family"
local output = require "weir.cli.output"
local record = require "weir.record"
local store = require "weir.cli.store"
local terminal = require "weir.terminal"
local tree = require "weir.cli.tree"

local wait = {}

local GRACE_MS = 120 -- a run that is over sooner shows no tree that moves
local FRAME_MS, LINES_MS = 100, 250
local RELATION = 10 -- looking may take a tenth of the time
local WATCHED, REMEMBERED = 120, 1000 -- runs looked at, while it goes on and at the end
local FINAL_ROWS = 200
local LINES = 20 -- told at once

-- ------------------------------------------------------------------------------------------------
-- A tree that moves

-- "5 children: 2 completed, 3 running"; nothing where the tree itself says as much.
local function summary_of(root)
  local counts, n = {}, 0
  for _, row in ipairs(root.rows) do
    if row.is_run then
      n = n + 1
      counts[row.state] = (counts[row.state] or 0) + 1
    end
  end
  return n > 1 and ("%d children: %s"):format(n, tree.counted(counts)) or nil
end

-- Every line is wiped behind its text, so that a shorter one leaves nothing of the one before.
local function show(lines)
  client.show(table.concat(lines, "\27[K\n") .. "\27[K\n")
end

local function draw_live(self, changed)
  local style = output.style_of_messages()
  if changed or style.rows ~= self.rows then
    local root = tree.plant(self.id, self.family.runs)
    self.rows, self.summary = style.rows, summary_of(root)
    self.pruned = tree.prune(root, math.max(1, style.rows - 3))
  end
  local now = self.family.now + client.now_ms() - self.looked_at
  local lines = tree.draw(self.pruned, { style = style, now = now })
  if self.summary then
    lines[#lines + 1] = terminal.paint(style, "dim", terminal.clip(self.summary, style.columns - 1))
  end
  show(lines)
end

-- ------------------------------------------------------------------------------------------------
-- Lines that tell of changes

-- Rows that were not there before, or in another state: the run's own, and those of all runs below.
local function changes(self, root)
  local rows = {}
  local function look(row, path)
    if self.told[path] ~= row.state then
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

local function tell_changes(self)
  local style = output.style_of_messages()
  local root = tree.plant(self.id, self.family.runs)
  local rows, lines = changes(self, root), {}
  for i = 1, math.min(#rows, LINES) do
    local path, row = rows[i].path, rows[i].row
    local took = row.ended and row.began and " in " .. terminal.span(row.ended - row.began) or ""
    lines[i] = ("%s %s  %s%s"):format(tree.mark(style, row.state), terminal.plain(path), row.state, took)
  end
  if #rows > LINES then lines[LINES + 1] = ("… and %d more"):format(#rows - LINES) end
  local elapsed = terminal.pad(terminal.span(self.family.now - root.began), 7, true)
  for _, line in ipairs(lines) do output.say(elapsed .. "  " .. line) end
end

-- ------------------------------------------------------------------------------------------------
-- The wait

-- Shows how it goes; the clocks of a tree go on also while looking would cost too much. Says whether the
-- run is seen to be over.
local function look(self)
  local began, changed = client.now_ms(), false
  if began >= self.look_again_at then
    changed = self.family:refresh()
    self.looked_at = client.now_ms()
    if not self.family.runs[self.id] then store.no_such_run(self.id) end
  end
  if self.how == "tree" then
    draw_live(self, changed)
    self.shown = true
  elseif changed then
    tell_changes(self)
  end
  if self.looked_at >= began then self.look_again_at = began + RELATION * (client.now_ms() - began) end
  return record.ENDED[self.family.runs[self.id].state]
end

local function is_over(id)
  local reply = store.call({ "watch", id })[1]
  if reply[1] == "missing" then store.no_such_run(id) end
  return reply[1] == "ended"
end

local function await(self, deadline)
  client.listen("ended:" .. self.id)
  local pause = self.how and GRACE_MS
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
local function show_final(self, most)
  local all = family.new(self.id, REMEMBERED)
  all:refresh()
  local style = output.style_of_messages()
  local root = tree.prune(tree.plant(self.id, all.runs), most or math.max(1, style.rows - 3))
  local lines = tree.draw(root, { style = style, now = all.now })
  if output.is_live() then
    show(lines)
    client.show()
  else
    output.say(table.concat(lines, "\n"))
  end
end

---@class weir.WaitOptions
---@field timeout_ms integer?
---@field tells boolean? without a terminal, tells of changes by lines; shows the tree at the end in any case

---Waits until a run ended.
---@param id string
---@param options weir.WaitOptions
---@return weir.Record? run nil: the time was over first
function wait.until_over(id, options)
  local self = { id = id, family = family.new(id, WATCHED), told = {}, shown = false,
                 looked_at = 0, look_again_at = 0 }
  self.how = output.is_live() and "tree" or options.tells and "lines" or nil
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

return wait
