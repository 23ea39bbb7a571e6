-- Plays the acts of a case, one after the other, on either side. A side starts, cancels, retries and deploys, and shows
-- the runs. Its answers are part of the account.
--
--   start r [workflow, data, and options of a start]      deploy run|code       the newest code from now on
--   ends r                 waits for its end              waits r OPERATION     waits until it waits for the operation
--   crash                  kills the process              release               lets a held step go on: midway.lua
--   held r                 waits until a step is held     cancel r [now]        retry r [from, scratch]
--   has r OPERATION STATE, state r STATE                  waits for that state
--
-- When the play is over, all runs of the case have ended.

local ENDED = require("weir.record.record").ENDED

---@class Side
---@field start fun(self, id: string, workflow: string, act: table): string answer
---@field cancel fun(self, id: string, now: boolean?): string answer
---@field retry fun(self, id: string, options: table): string answer
---@field deploy fun(self, case: table)
---@field crash fun(self) the process dies, and another one comes
---@field release fun(self) the step that is held goes on
---@field says fun(self, id: string, text: string): boolean whether the run has logged the text
---@field reach fun(self, what: string, fact: fun(): boolean) lets runs go on until the fact holds
---@field run fun(self, id: string): weir.Record?
---@field state fun(self, id: string): string?
---@field ids fun(self, case: table): string[]

local play = {}

local REFUSALS = { "duplicate_id", "invalid_data", "no workflow", "which separates run ids" }

---The word for a refusal, or its text without the advice, which differs between the sides.
---@param text string
---@return string
function play.refusal(text)
  for _, word in ipairs(REFUSALS) do
    if text:find(word, 1, true) then return "refused: " .. word end
  end
  return "refused: " .. text:gsub("^weir: ", ""):gsub("^[%w_/]+%.lua:%d+: ", ""):gsub("%s*$", ""):gsub(";.*$", "")
end

local acts = {}

function acts.start(side, case, id, act) return side:start(id, act.workflow or case.id, act) end

function acts.cancel(side, _, id, act) return side:cancel(id, act.now) end

function acts.retry(side, _, id, act) return side:retry(id, act) end

function acts.deploy(side, case) side:deploy(case) end

function acts.crash(side) side:crash() end

function acts.release(side) side:release() end

function acts.ends(side, _, id)
  side:reach(id .. " to end", function() return ENDED[side:state(id)] == true end)
end

local function state_of(side, id, operation)
  local run = side:run(id)
  for _, one in ipairs(run and run.operations or {}) do
    if one.id == operation then return one.state end
  end
end

function acts.waits(side, _, id, act)
  local operation = act[3]
  side:reach(("%s to wait for %s"):format(id, operation), function()
    return side:state(id) == "waiting" and state_of(side, id, operation) == "running"
  end)
end

function acts.state(side, _, id, act)
  side:reach(("%s to be %s"):format(id, act[3]), function() return side:state(id) == act[3] end)
end

function acts.held(side, _, id)
  side:reach(id .. " to be held", function() return side:says(id, "held") end)
end

function acts.has(side, _, id, act)
  local operation, state = act[3], act[4]
  side:reach(("%s of %s to be %s"):format(operation, id, state), function()
    return state_of(side, id, operation) == state
  end)
end

local function have_ended(side, ids)
  for _, id in ipairs(ids) do
    local state = side:state(id)
    if state and not ENDED[state] then return false end
  end
  return true
end

---@param side Side
---@param case table
---@return string[] answers
function play.case(side, case)
  local answers, roots = {}, {}
  for _, act in ipairs(case.play) do
    local perform = assert(acts[act[1]], act[1])
    local id = act[2] and act[2]:gsub("^r", case.id)
    if act[1] == "start" then roots[#roots + 1] = id end
    answers[#answers + 1] = perform(side, case, id, act)
  end
  side:reach("all runs to end", function() return have_ended(side, roots) and have_ended(side, side:ids(case)) end)
  return answers
end

return play
