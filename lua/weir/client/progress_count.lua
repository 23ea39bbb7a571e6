-- Counts the outcomes of a run without reading its journal: each refresh asks Redis only for the outcomes that came
-- since the last one.

local json = require "weir.json"
local redis = require "weir.client.redis"
local transport = require "weir.client.transport"

local progress_count = {}
progress_count.__index = progress_count

local BUDGET_MS = 50 -- of one refresh; the next one goes on

---@class weir.ProgressCount
---@field id string
---@field state string of the run
---@field now integer Redis' clock, ms
---@field begins_at integer
---@field size integer operations, roughly
---@field completed integer
---@field failed integer
---@field cancelled integer
---@field began integer?
---@field nodes integer? of a graph
---@field behind boolean? outcomes are left to be counted
---@field counted integer the number of the last outcome counted
---@field commit integer?

---@param id string
---@return weir.ProgressCount
function progress_count.new(id)
  return setmetatable({ id = id, state = "", now = 0, begins_at = 0, size = 0, completed = 0, failed = 0, cancelled = 0,
                        counted = 0 }, progress_count)
end

local function count_nodes(text)
  local shape = json.try_decode(text)
  return type(shape) == "table" and type(shape.nodes) == "table" and #shape.nodes or nil
end

-- The number of nodes stands in the shape of the graph, which is recorded with the first node.
local function read_more(self)
  local wants_shape = not self.nodes and self.counted == 0 and 1 or ""
  local replies, now, commit = redis.call({ "progress", self.id, self.counted, wants_shape })
  local reply = replies[1]
  if reply[1] == "missing" then redis.raise_not_found(self.id) end
  self.now, self.commit = now, commit
  self.state, self.begins_at, self.counted = reply[2], math.tointeger(tonumber(reply[3])), reply[5]
  self.completed, self.failed = self.completed + reply[6], self.failed + reply[7]
  self.cancelled = self.cancelled + reply[8]
  self.size, self.began = reply[9], math.tointeger(reply[10])
  self.nodes = self.nodes or count_nodes(reply[11])
  self.behind = self.counted < reply[4]
end

---Counts the outcomes that came since the last refresh.
---@return boolean changed
function progress_count:refresh()
  local behind, commit, deadline = self.behind, self.commit, transport.now_ms() + BUDGET_MS
  repeat read_more(self) until not self.behind or transport.now_ms() >= deadline
  return behind or self.commit ~= commit
end

---@return weir.BarCounts
function progress_count:counts()
  local ended = self.completed + self.failed + self.cancelled
  return {
    noun = self.nodes and "node" or "operation", total = self.nodes,
    running = self.began and math.max(0, self.began - ended), completed = self.completed, failed = self.failed,
    cancelled = self.cancelled,
  }
end

return progress_count
