-- A run and what it invoked, kept up to date: what has ended is read once, what goes on is read again
-- when something in Redis has changed. Reads no more runs than it was told to; those that go on come
-- first. Of a graph its nodes are read, and nothing below them.

local record = require "weir.record.record"
local store = require "weir.client.redis"

local family = {}
family.__index = family

---@class weir.Family
---@field root string
---@field runs table<string, weir.Record> by id; of those past the limit nothing is known
---@field now integer the store's clock, ms
---@field at_most integer runs
---@field unread integer runs past that, as far as they are known of
---@field commit integer? of the last reading

---@param root string
---@param at_most integer runs to know about
---@return weir.Family
function family.new(root, at_most)
  return setmetatable({ root = root, at_most = at_most, runs = {}, now = 0, unread = 0 }, family)
end

local function is_over(run)
  return run ~= nil and record.ENDED[run.state]
end

-- Children of these runs, those that go on before those that ended.
local function children_of(runs)
  local open, over = {}, {}
  for _, run in ipairs(runs) do
    for _, operation in ipairs(run.operations) do
      -- A node that is pending is no run yet, and one that stands for a child is no child.
      if operation.run and operation.started_at and not operation.shared then
        local into = operation.finished_at and over or open
        into[#into + 1] = operation.run
      end
    end
  end
  return table.move(over, 1, #over, #open + 1, open)
end

---Reads what may have changed. Nothing is read while nothing at all was written.
---@return boolean changed
function family:refresh()
  local _, now, commit = store.call()
  self.now = now
  if commit == self.commit then return false end
  self.commit = commit
  local level, left, depth = { self.root }, self.at_most, 0
  self.unread = 0
  while #level > 0 and left > 0 and not (depth > 1 and self.runs[self.root].graph) do
    depth = depth + 1
    self.unread = self.unread + math.max(0, #level - left)
    level = table.move(level, 1, math.min(#level, left), 1, {})
    left = left - #level
    local wanted = {}
    for _, id in ipairs(level) do
      if not is_over(self.runs[id]) then wanted[#wanted + 1] = id end
    end
    for id, run in pairs((store.inspect(wanted))) do self.runs[id] = run end
    local known = {}
    for _, id in ipairs(level) do known[#known + 1] = self.runs[id] end
    level = children_of(known)
  end
  return true
end

return family
