-- Keeps a run and its descendants up to date. It reads a run that has ended once, and the others again when Redis has
-- changed. It reads at most a given number of runs, first those that have not ended; below a graph only the nodes.

local record = require "weir.record.record"
local redis = require "weir.client.redis"

local subtree = {}
subtree.__index = subtree

---@class weir.Subtree
---@field root string
---@field runs table<string, weir.Record> by id; runs past the limit are absent
---@field now integer Redis' clock, ms
---@field at_most integer runs
---@field unread integer runs past the limit, as far as they are known
---@field commit integer? of the last reading

---@param root string
---@param at_most integer runs that are read
---@return weir.Subtree
function subtree.new(root, at_most)
  return setmetatable({ root = root, at_most = at_most, runs = {}, now = 0, unread = 0 }, subtree)
end

local function has_ended(run)
  return run ~= nil and record.ENDED[run.state]
end

-- The children of these runs, those that have not ended first.
local function children_of(runs)
  local open, ended = {}, {}
  for _, run in ipairs(runs) do
    for _, operation in ipairs(run.operations) do
      -- a pending node is no run yet, and a run that an invoke shares is another run's child
      if operation.run and operation.started_at and not operation.shared then
        local list = operation.finished_at and ended or open
        list[#list + 1] = operation.run
      end
    end
  end
  return table.move(ended, 1, #ended, #open + 1, open)
end

-- Reads the runs of one level that may have changed. Returns all runs of the level that were read so far.
local function read_level(self, ids)
  local changeable, runs = {}, {}
  for _, id in ipairs(ids) do
    if not has_ended(self.runs[id]) then changeable[#changeable + 1] = id end
  end
  for id, run in pairs((redis.inspect(changeable))) do self.runs[id] = run end
  for _, id in ipairs(ids) do runs[#runs + 1] = self.runs[id] end
  return runs
end

---Reads the runs that may have changed. Reads nothing if Redis has not changed since the last refresh.
---@return boolean changed
function subtree:refresh()
  local _, now, commit = redis.call()
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
    level = children_of(read_level(self, level))
  end
  return true
end

return subtree
