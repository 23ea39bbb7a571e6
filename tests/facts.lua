-- facts: what Redis holds of a dataset, asked for directly, so that looking costs no process and
-- tells the truth while the binary is being killed.
--
-- It speaks as a client does, through the scripts of this source tree; it changes nothing but by
-- `start` and `cancel`.

local entry = require "weir.record.entry"
local json = require "weir.json"
local record = require "weir.record.record"
local resp = require "resp"
local scripts = require "tests.scripts"
local support = require "tests.support"

local facts = {}

---@class Facts
---@field key string what its keys begin with
local Facts = {}
Facts.__index = Facts

---@param redis Redis
---@param prefix string?
---@return Facts
function facts.of(redis, prefix)
  return setmetatable({ redis = redis, key = (prefix or "weir") .. ":{0}:" }, Facts)
end

local function connect(self)
  self.connection = resp.connect(self.redis.socket)
  self.script = assert(self.connection:call("SCRIPT", "LOAD", scripts.joined()))
end

---A command of Redis.
---@param ... string|integer
function Facts:call(...)
  if not self.connection then connect(self) end
  local ok, reply, message = pcall(self.connection.call, self.connection, ...)
  if not ok then -- Redis went away and has come back
    connect(self)
    reply, message = self.connection:call(...)
  end
  if reply == nil then error(message, 2) end
  return reply
end

---The answer to one verb of a client.
---@param verb string
---@param ... string|integer
---@return table answer
function Facts:say(verb, ...)
  if not self.script then connect(self) end
  local loaded = self:call("SCRIPT", "EXISTS", self.script)[1] == 1
  if not loaded then connect(self) end
  local none = self.key .. "none" -- the second key of every call
  local reply = self:call("EVALSHA", self.script, 2, self.key, none, "", 0, 0, verb, select("#", ...), ...)
  local answer = reply[4][1]
  if answer[1] == "error" then error(answer[2], 2) end
  return answer
end

---Starts a run, whether or not anybody knows its workflow yet.
---@param id string
---@param workflow string
---@param data any
function Facts:start(id, workflow, data)
  local text = json.encode(data == nil and {} or data)
  local answer = self:say("start", id, workflow, text, 7, "1", 0)
  assert(answer[1] == "started", answer[1])
end

---@param id string
---@return string? state
function Facts:state(id)
  return self:call("HGET", self.key .. "r:" .. id, "state") or nil
end

---@param id string
---@return weir.Record?
function Facts:run(id)
  local list, cursor = {}, "0"
  repeat
    local answer = self:say("inspect", id, cursor)
    if answer[1] ~= "run" then return nil end
    cursor = answer[2]
    table.move(answer, 4, #answer, #list + 1, list)
  until cursor == ""
  return record.read(id, list)
end

---Ids of all runs, or of those whose id begins so.
---@param beginning string?
---@return string[]
function Facts:ids(beginning)
  local ids, before = {}, #self.key + #"r:" + 1
  local keys = self:call("KEYS", ("%sr:%s*"):format(self.key, beginning or ""))
  for i, key in ipairs(keys) do ids[i] = key:sub(before) end
  table.sort(ids)
  return ids
end

---The findings of `weir doctor`, and counts that are wrong.
---@return string[]
function Facts:faults()
  local faults = scripts.faults(function(...) return self:say(...) end)
  local miscounts = scripts.miscounts(function(...) return self:call(...) end, self.key)
  return table.move(miscounts, 1, #miscounts, #faults + 1, faults)
end

---Waits for a run to end, and returns it.
---@param id string
---@return weir.Record
function Facts:ended(id)
  support.wait_until(id .. " to end", function() return record.ENDED[self:state(id)] end)
  return self:run(id)
end

---Waits until a run is in a state.
---@param id string
---@param state string
function Facts:becomes(id, state)
  support.wait_until(("%s to be %s"):format(id, state), function() return self:state(id) == state end)
end

---Outcomes recorded in a run: "<operation>" -> state.
---@param id string
---@return table<string, string>
function Facts:outcomes(id)
  local states = {}
  local list = self:call("HGETALL", self.key .. "r:" .. id)
  for i = 1, #list, 2 do
    if list[i]:find "^%d+$" then
      local text = list[i + 1]
      if text == "\1" then text = self:call("HGET", self.key .. "v:" .. id, list[i]) end
      local outcome = entry.read_outcome(math.tointeger(tonumber(list[i])), text)
      states[outcome.operation] = outcome.state
    end
  end
  return states
end

---How often Redis has run a command since the last `CONFIG RESETSTAT`.
---@param command string
---@return integer
function Facts:calls(command)
  local text = self:call("INFO", "commandstats")
  return math.tointeger(tonumber(text:match("cmdstat_" .. command .. ":calls=(%d+)") or 0))
end

function Facts:close()
  if self.connection then self.connection:close() end
  self.connection, self.script = nil, nil
end

return facts
