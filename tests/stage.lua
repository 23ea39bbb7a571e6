-- stage: where a story about hosts takes place: a Redis, hosts on it, and a folder with a gate that steps of
-- tests/fixtures/ wait for and with the notes that they leave.

local facts = require "tests.facts"
local support = require "tests.support"

local stage = {}

---@class Stage
---@field folders string[] of workflows
---@field folder string
---@field hosts Host[]
---@field redis Redis
---@field store Facts
local Stage = {}
Stage.__index = Stage

---@param ... string folders of workflows
---@return Stage
function stage.new(...)
  return setmetatable({ folders = { ... }, folder = support.folder(), hosts = {} }, Stage)
end

---Starts its Redis.
---@param settings string[]? of Redis
---@param movable boolean? the clock of Redis can be set
---@return Redis
---@return Facts
function Stage:begin(settings, movable)
  self.redis = support.redis(settings, movable)
  self.store = facts.of(self.redis)
  return self.redis, self.store
end

---Starts a host of two workers, unless the flags say another number.
---@param node string
---@param flags string[]?
---@return Host
function Stage:host(node, flags)
  local all = { "--workers", "2", "--node", node, table.unpack(flags or {}) }
  local host = support.host(self.folders, { redis = self.redis, flags = all })
  self.hosts[#self.hosts + 1] = host
  return host
end

---Data of a workflow that waits for the gate and leaves notes.
---@param more table?
---@return table
function Stage:data(more)
  local fields = { gate = self.folder .. "/gate", notes = self.folder .. "/notes" }
  for name, value in pairs(more or {}) do fields[name] = value end
  return fields
end

function Stage:open_gate() support.write(self.folder .. "/gate", "") end

---@return string
function Stage:notes() return support.read(self.folder .. "/notes") or "" end

---Ends all that goes on here. Hosts that stand still go on first, and steps at the gate as well.
function Stage:stop()
  self:open_gate()
  for _, host in ipairs(self.hosts) do
    if host:is_there() then host.process:signal "CONT" end
    host:stop()
  end
  self.store:close()
  self.redis:stop()
  support.remove(self.folder)
end

return stage
