-- How far a run has come, kept up to date at little cost: an outcome is counted once, when it has come, and no
-- journal is read.

local client = require "weir.native.client"
local json = require "weir.json"
local store = require "weir.client.redis"

local tally = {}
tally.__index = tally

local BUDGET_MS = 50 -- of one catching up; a tally that is behind goes on with the next

---@class weir.Tally
---@field id string
---@field state string of the run
---@field now integer the store's clock, ms
---@field begins_at integer
---@field size integer operations, about
---@field completed integer
---@field failed integer
---@field cancelled integer
---@field began integer?
---@field nodes integer? of a graph
---@field behind boolean? there is more to be counted
---@field counted integer the last outcome counted
---@field commit integer?

---@param id string
---@return weir.Tally
function tally.new(id)
  return setmetatable({ id = id, state = "", now = 0, begins_at = 0, size = 0, completed = 0, failed = 0, cancelled = 0,
                        counted = 0 }, tally)
end

local function count_nodes(text)
  local shape = json.try_decode(text)
  return type(shape) == "table" and type(shape.nodes) == "table" and #shape.nodes or nil
end

-- Only the shape of a graph says how many nodes there are. It is recorded with the first of them.
local function ask(self)
  local wanted = not self.nodes and self.counted == 0 and 1 or ""
  local replies, now, commit = store.call({ "progress", self.id, self.counted, wanted })
  local reply = replies[1]
  if reply[1] == "missing" then store.no_such_run(self.id) end
  self.now, self.commit = now, commit
  self.state, self.begins_at, self.counted = reply[2], math.tointeger(tonumber(reply[3])), reply[5]
  self.completed, self.failed = self.completed + reply[6], self.failed + reply[7]
  self.cancelled = self.cancelled + reply[8]
  self.size, self.began = reply[9], math.tointeger(reply[10])
  self.nodes = self.nodes or count_nodes(reply[11])
  self.behind = self.counted < reply[4]
end

---Counts what has come since.
---@return boolean changed
function tally:refresh()
  local behind, before, deadline = self.behind, self.commit, client.now_ms() + BUDGET_MS
  repeat ask(self) until not self.behind or client.now_ms() >= deadline
  return behind or self.commit ~= before
end

---@return weir.BarCounts
function tally:counts()
  local ended = self.completed + self.failed + self.cancelled
  return {
    noun = self.nodes and "node" or "operation", total = self.nodes,
    running = self.began and math.max(0, self.began - ended), completed = self.completed, failed = self.failed,
    cancelled = self.cancelled,
  }
end

return tally
