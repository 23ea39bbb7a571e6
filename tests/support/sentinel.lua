-- sentinel: a primary, replicas of it and three Sentinels, all on the loopback interface and each with a folder of its
-- own. Sentinel knows addresses of TCP only.

local socket = require "socket"
local support = require "tests.support"
local system = require "system"

local NAME = "main"
local DOWN_MS = 500 -- a Redis that does not answer for so long is down

---@class Sentinels
---@field url string for weir
---@field nodes Redis[] the first one begins as the primary
---@field sentinels Redis[]
local Sentinels = {}
Sentinels.__index = Sentinels

local function address(node) return ("127.0.0.1:%d"):format(node.port) end

local function new_node(settings)
  local port = support.free_port()
  local words = { "--bind", "127.0.0.1", "--port", port, "--repl-diskless-sync-delay", "0", "--repl-timeout", "5" }
  local node = support.redis(table.move(settings, 1, #settings, #words + 1, words))
  node.port = port
  return node
end

---@class SentinelOptions
---@field replicas integer? one, unless another number is given
---@field settings string[]? of each Redis

---@param options SentinelOptions?
---@return Sentinels
function Sentinels.start(options)
  options = options or {}
  local self = setmetatable({ nodes = {}, sentinels = {} }, Sentinels)
  local settings = options.settings or {}
  self.nodes[1] = new_node(settings)
  for i = 1, options.replicas or 1 do
    local more = { "--replicaof", "127.0.0.1 " .. self.nodes[1].port }
    self.nodes[1 + i] = new_node(table.move(settings, 1, #settings, #more + 1, more))
  end
  local addresses = {}
  for i = 1, 3 do
    local folder, port = support.folder(), support.free_port()
    local lines = {
      "bind 127.0.0.1", "port " .. port, "dir " .. folder, "unixsocket " .. folder .. "/redis.sock",
      ("sentinel monitor %s 127.0.0.1 %d 2"):format(NAME, self.nodes[1].port),
      ("sentinel down-after-milliseconds %s %d"):format(NAME, DOWN_MS),
      ("sentinel failover-timeout %s 3000"):format(NAME),
    }
    support.write(folder .. "/sentinel.conf", table.concat(lines, "\n") .. "\n")
    self.sentinels[i] = support.redis_in(folder, { "redis-server", folder .. "/sentinel.conf", "--sentinel" })
    self.sentinels[i].port = port
    addresses[i] = address(self.sentinels[i])
  end
  self.url = ("redis+sentinel://%s/%s"):format(table.concat(addresses, ","), NAME)
  self:wait_until_whole()
  return self
end

-- A sentinel's view of the primary: names and values.
local function master_of(sentinel)
  local view, name = {}, nil
  for line in sentinel:call("SENTINEL", "MASTER", NAME):gmatch "[^\n]+" do
    if name then view[name], name = line, nil else name = line end
  end
  return view
end

---Waits until every Redis follows the primary, and the Sentinels see each other and them.
function Sentinels:wait_until_whole()
  support.wait_until("the Sentinels to see everything", function()
    local primary = self:primary()
    if not primary then return false end
    local _, online = primary:call("INFO", "replication"):gsub("state=online", "")
    for _, sentinel in ipairs(self.sentinels) do
      local view = master_of(sentinel)
      if view["num-other-sentinels"] ~= "2" or tonumber(view["num-slaves"]) < #self.nodes - 1
        or view.flags ~= "master" or tonumber(view.port) ~= primary.port then return false end
    end
    return online == #self.nodes - 1
  end, 60) -- Sentinel gives a Redis that comes back ten seconds before it makes it a replica
end

---The Redis that the Sentinels agree is the primary.
---@return Redis?
function Sentinels:primary()
  local agreed
  for _, sentinel in ipairs(self.sentinels) do
    local port = tonumber(sentinel:call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME):match "\n(%d+)")
    if not port or agreed and agreed ~= port then return nil end
    agreed = port
  end
  for _, node in ipairs(self.nodes) do
    if node.port == agreed then return node end
  end
end

---Waits until the Sentinels have made another Redis the primary.
---@param old Redis
---@return Redis
function Sentinels:wait_for_failover(old)
  return support.wait_until("another primary", function()
    local primary = self:primary()
    return primary and primary ~= old and primary:call("ROLE"):find "^master" and primary
  end)
end

---Subscribes to the instants at which a Sentinel tells of another primary.
---@return { wait: fun(self: table): number, close: fun(self: table) } by system.monotime
function Sentinels:watch()
  local connection = assert(socket.connect("127.0.0.1", self.sentinels[1].port))
  assert(connection:send "SUBSCRIBE +switch-master\r\n")
  local watch = {}
  function watch.wait()
    connection:settimeout(60)
    repeat local line = assert(connection:receive "*l") until line:find("^" .. NAME .. " ")
    return system.monotime()
  end
  function watch.close() connection:close() end
  return watch
end

function Sentinels:stop()
  for _, one in ipairs(self.sentinels) do one:stop() end
  for _, one in ipairs(self.nodes) do one:stop() end
end

return Sentinels
