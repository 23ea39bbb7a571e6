-- Retries ended runs: each begins again, with the runs above it that ended because of it. `weir.reset.plan` decides
-- which runs those are; Redis accepts the plan if none of them has changed meanwhile.

local fault = require "weir.client.fault"
local plan = require "weir.reset.plan"
local redis = require "weir.client.redis"

local retry = {}

---Runs in one call.
retry.BATCH = 200

local SHOWN = 8 -- characters of a bundle

local TRIES = 3 -- of a plan whose runs change before Redis accepts it

-- The answer and the fault for each word with which `plan.of` refuses.
local REFUSALS = {
  refused = { "refused", "wrong_state" }, past = { "past", "wrong_state" }, live = { "live", "wrong_state" },
  missing = { "missing", "not_found" }, no_operation = { "refused", "not_found" },
}

local function refusal(word, sentence, run)
  local state = word == "live" and run.state or nil
  return { answer = REFUSALS[word][1], fault = REFUSALS[word][2], state = state, message = sentence }
end

-- A run whose workflow is in no registry waits for a host that has it.
local function of_removed(run)
  return ('; it waits: no host has workflow "%s" any more; save its file again in the folder of a host, or end the run '
    .. "with weir cancel %s"):format(run.workflow, run.id)
end

local function acceptance(planned, newest)
  local summary, run = plan.summary(planned, newest), planned[#planned].run
  local bundle, message = newest(run.workflow), summary.message
  if bundle and run.bundle and bundle ~= run.bundle then
    message = ("%s; on bundle %s, before on %s"):format(message, bundle:sub(1, SHOWN), run.bundle:sub(1, SHOWN))
  end
  local top = planned[1].run
  if not newest(top.workflow) then message = message .. of_removed(top) end
  return { answer = "retried", message = message, bundle = bundle, reset = summary.reset, kept = summary.kept,
           above = summary.above }
end

-- Adds to the step of a run that another plan contains already. The step of a run that was named says what to reset,
-- and is the same for all; the step of an ancestor lists the children that it calls again.
local function merge_step(step, one)
  if not one.child then
    step.reset = one.reset
  elseif step.reset:find("^children") and not (step.reset .. "\t"):find("\t" .. one.child .. "\t", 1, true) then
    step.reset = step.reset .. "\t" .. one.child
  end
end

-- Plans with the same topmost run become one, as that run begins again once for all of them.
local function merge(trees, planned)
  local top = planned[1].run.id
  local tree = trees[top]
  if not tree then
    tree = { by_id = {} }
    trees[top], trees[#trees + 1] = tree, tree
  end
  for _, one in ipairs(planned) do
    local step = tree.by_id[one.run.id]
    if not step then
      step = { run = one.run, reset = one.reset }
      tree.by_id[one.run.id], tree[#tree + 1] = step, step
    end
    merge_step(step, one)
  end
end

local function group_of(tree)
  local group = { "retry", #tree }
  for _, step in ipairs(tree) do
    for _, value in ipairs { step.run.id, step.run.turn, step.reset } do group[#group + 1] = value end
  end
  return group
end

-- Tries all runs that have no answer. A run that changed since it was read gets none.
local function try(ids, options, answers)
  local runs, plans, trees = {}, {}, {}
  local function read(id)
    if runs[id] == nil then runs[id] = redis.inspect({ id })[id] or false end
    return runs[id] or nil
  end
  for i, id in ipairs(ids) do
    if not answers[i] then
      local planned, word, sentence = plan.of(read, id, options)
      plans[i] = planned
      if planned then
        merge(trees, planned)
      else
        answers[i] = refusal(word, sentence, runs[id])
      end
    end
  end
  local groups, retried = {}, {}
  for i, tree in ipairs(trees) do groups[i] = group_of(tree) end
  for i, reply in ipairs(groups[1] and redis.call(table.unpack(groups)) or {}) do
    retried[trees[i][1].run.id] = reply[1] == "retried"
  end
  local registry
  local function newest(workflow)
    registry = registry or redis.registry()
    return registry[workflow] and registry[workflow].bundle
  end
  for i, planned in pairs(plans) do
    if retried[planned[1].run.id] then answers[i] = acceptance(planned, newest) end
  end
end

---Retries runs with one call.
---@param ids string[] at most BATCH
---@param options { from: string?, scratch: boolean? }
---@return weir.Answer[] answers one for each id: retried (with reset, kept, above), live, missing, refused
function retry.runs(ids, options)
  if options.from and options.scratch then
    fault.option("from", "cannot be combined with scratch, which resets everything")
  end
  local answers = {}
  for _ = 1, TRIES do try(ids, options, answers) end
  for i, id in ipairs(ids) do
    answers[i] = answers[i] or refusal("refused", ("run %s keeps changing; try again"):format(id))
  end
  return answers
end

return retry
