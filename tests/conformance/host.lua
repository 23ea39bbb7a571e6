-- Plays the cases on a host with a real Redis: most of them side by side on one host, and each case that kills its
-- host, or holds a step, on a host of its own. The acts of people call the binary.

local account = require "tests.conformance.account"
local facts = require "tests.facts"
local json = require "weir.json"
local play = require "tests.conformance.play"
local side_by_side = require "tests.side_by_side"
local support = require "tests.support"

local AT_ONCE, STAGES = 100, 3

local Side = {}
Side.__index = Side

local function answer_of(reply, answer)
  return reply.status == 0 and answer or play.refusal(reply.stderr)
end

local function line_of(text) return (text:gsub("\n$", "")) end

local OPTIONS = { "delay", "priority", "queue" }

local function flags_of(act)
  local flags = {}
  local function add(flag, value)
    if value then flags[#flags + 1], flags[#flags + 2] = "--" .. flag, tostring(value) end
  end
  for _, option in ipairs(OPTIONS) do add(option, act[option]) end
  for key, value in pairs(act.tags or {}) do add("tag", key .. "=" .. value) end
  if act.dedupe then
    add("dedupe", act.dedupe.key)
    add("within", act.dedupe.within)
  end
  return flags
end

-- A process for each start would take most of the time, so a run that cannot be refused is started without the binary.
function Side:start(id, workflow, act)
  local flags = flags_of(act)
  if not act.workflow and not flags[1] and not self:state(id) then
    self.facts:start(id, workflow, act.data)
    return id
  end
  local data = act.data == nil and "{}" or json.encode(act.data)
  local reply = self.host:weir("start", workflow, "--id", id, "--data", data, table.unpack(flags))
  return answer_of(reply, line_of(reply.stdout))
end

function Side:cancel(id, now)
  return answer_of(self.host:weir("cancel", id, now and "--now" or nil), "cancelled")
end

function Side:retry(id, options)
  local words = { "retry", id }
  if options.from then words[3], words[4] = "--from", options.from end
  if options.scratch then words[3] = "--scratch" end
  local reply = self.host:weir(table.unpack(words))
  return answer_of(reply, line_of(reply.stdout .. reply.stderr))
end

function Side.reach(_, what, fact) return support.wait_until(what, fact) end

function Side:run(id) return self.facts:run(id) end

function Side:state(id) return self.facts:state(id) end

function Side:ids(case) return self.facts:ids(case.id) end

function Side:says(id, text)
  for line in self.host.process:stderr():gmatch "[^\n]+" do
    if line:find(('"run":"%s"'):format(id), 1, true) and line:find(('"text":"%s"'):format(text), 1, true) then
      return true
    end
  end
  return false
end

function Side:log(id) return self.logs[id] or {} end

-- A host logs the failures of runs and of tries, and weir.testing does not. These lines have fields with the code of
-- the failure and the workflow. A line that a workflow wrote has none, and is compared.
local function is_of_host(line)
  local text, fields = line.text, line.fields
  if type(fields) ~= "table" or fields == json.null or not (fields.code and fields.workflow) then return false end
  return text:find "^failed: " or text:find "^attempt %d+ failed, the next" or text:find "^try %d+ of step"
    or text:find "^call %d+ of poll"
end

-- The lines that runs logged, by their ids.
local function logs_of(text)
  local logs = {}
  for line in text:gmatch "[^\n]+" do
    local entry = json.try_decode(line)
    local id = type(entry) == "table" and entry.run
    if id and not is_of_host(entry) then
      local lines = logs[id] or {}
      logs[id] = lines
      local fields = entry.fields ~= nil and json.encode(entry.fields) or nil
      lines[#lines + 1] = account.line(entry.level, entry.text, fields)
    end
  end
  return logs
end

-- ------------------------------------------------------------------------------------------------
-- Stages: a Redis and a host, for many cases or for one case that kills the host or holds a step

local function save(cases, source)
  local folder = support.folder()
  os.execute("cp tests/conformance/children.lua " .. folder)
  for _, case in ipairs(cases) do
    if case[source] then support.write(folder .. "/" .. case.file, case[source]) end
  end
  return folder
end

local function begin(cases, limits)
  local self = setmetatable({
    redis = support.redis { "--appendfsync", "no" }, folder = save(cases, "source"), newer = save(cases, "later"),
    logs = {}, to_deploy = 0,
  }, Side)
  self.facts = facts.of(self.redis)
  for _, case in ipairs(cases) do self.to_deploy = self.to_deploy + (case.later and 1 or 0) end
  self.flags = {
    "--log", "json", "--workers", "2", "--max-payload", tostring(limits.payload_bytes),
    "--max-depth", tostring(limits.depth),
  }
  if cases[1].alone then
    self.hold = self.newer .. "/hold"
    os.execute("mkfifo " .. self.hold)
  end
  self.host = support.host({ self.folder }, { redis = self.redis, flags = self.flags, env = { WEIR_HOLD = self.hold } })
  return self
end

-- On a stage with one case the files of the host change, so workflows that they lack are removed. On a stage with many
-- cases a second host brings the newer files, when all these cases have got as far as their `deploy`.
function Side:deploy(case)
  if self.hold then
    local path = self.folder .. "/" .. case.file
    support.write(path .. ".new", case.later)
    assert(os.rename(path .. ".new", path))
    self:reach("the newer code", function() return self.host.process:stderr():find "live %(was" end)
    return
  end
  self.to_deploy = self.to_deploy - 1
  if self.to_deploy == 0 then
    self.second = support.host({ self.newer }, { redis = self.redis, flags = self.flags })
  end
  self:reach("the newer code", function() return self.second end)
end

function Side:crash()
  self.host:kill()
  self.host.options.env = nil
  self.host:start()
end

-- To open a pipe for reading and writing blocks no process. While it is open, no step waits at it.
function Side:release() self.released = assert(io.open(self.hold, "r+")) end

---@param accounts table<table, Account|string>
---@return string[] faults in the dataset after the last case
function Side:play(cases, accounts)
  local answers, at = {}, 0
  side_by_side(AT_ONCE, function()
    at = at + 1
    local case = cases[at]
    return case and function()
      local ok, value = pcall(play.case, self, case)
      if ok then answers[case] = value else accounts[case] = tostring(value) end
    end
  end)
  self.logs = logs_of(self.host.process:stderr() .. (self.second and self.second.process:stderr() or ""))
  for case, given in pairs(answers) do
    accounts[case], case.seeds = account.of(self, case, given), {}
    for _, id in ipairs(self:ids(case)) do case.seeds[id] = self:run(id).seed end
  end
  return self.facts:faults()
end

function Side:stop()
  self.facts:close()
  if self.hold then self.host:kill() end -- a step may still be held
  if self.released then self.released:close() end
  self.host:stop()
  if self.second then self.second:stop() end
  self.redis:stop()
  support.remove(self.folder)
  support.remove(self.newer)
end

---@param cases table[]
---@param limits table
---@return table<table, Account|string> by case: its account, or why there is none
---@return string[] faults
return function(cases, limits)
  local accounts, faults, stages = {}, {}, { {} }
  for _, case in ipairs(cases) do
    if case.alone then stages[#stages + 1] = { case } else table.insert(stages[1], case) end
  end
  local at = 0
  side_by_side(STAGES, function()
    at = at + 1
    local stage = stages[at]
    return stage and function()
      local side = begin(stage, limits)
      for _, fault in ipairs(side:play(stage, accounts)) do faults[#faults + 1] = fault end
      side:stop()
    end
  end)
  return accounts, faults
end
