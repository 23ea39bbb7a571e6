-- start_each: many new runs of one workflow, begun with the same options, each as `start` begins it. A run that is
-- there already is not told in full, as that would be every payload again: where it may not be the same, `start` says.
-- args   workflow  any("1"|"")  n  (option value)×n  (run data seed)…       options: queue priority delay_ms tags
-- moves  (none) -> ready | scheduled
-- reply  started count there index…    count: begun now. there: were there with the same workflow and the same text.
--                                      index: where in the list those stand that were there otherwise
--        unknown                       no host has announced the workflow; no run was begun

local runs = lib.runs
local CHUNK = 6000 -- ids handed to one call: unpack is bounded by the C stack

-- When none of these runs is there, that is known at once of each, and `load` need not look again.
local function look_for(ids)
  local keys = {}
  for i, id in ipairs(ids) do
    if lib.plan.records[id] then return end
    keys[i] = lib.key("r:" .. id)
  end
  if #ids == 0 or #ids > CHUNK or redis.call("EXISTS", unpack(keys)) > 0 then return end
  for _, id in ipairs(ids) do runs.set_missing(id) end
end

local function is_same(run, workflow, data)
  return runs.get(run, "workflow") == workflow and runs.get(run, "data") == data
end

function verbs.start_each()
  local workflow, any = lib.take_many(2)
  local options = lib.starts.start_options(lib.take())
  if any ~= "1" and not lib.registry.find(workflow) then return { "unknown" } end

  local ids, texts, seeds = {}, {}, {}
  while lib.more() do
    local n = #ids + 1
    ids[n], texts[n], seeds[n] = lib.take_many(3)
  end
  look_for(ids)

  local started, there, reply = 0, 0, { "started", 0, 0 }
  for i, id in ipairs(ids) do
    local run = runs.load(id)
    if not run and lib.starts.went_already(id, seeds[i]) then
      there = there + 1
    elseif not run and lib.starts.being_deleted(id) then
      reply[#reply + 1] = i - 1 -- what had this id is on its way out
    elseif not run then
      lib.starts.begin_run(runs.create(id), workflow, texts[i], seeds[i], options)
      started = started + 1
    elseif is_same(run, workflow, texts[i]) then
      there = there + 1
    else
      reply[#reply + 1] = i - 1
    end
  end
  reply[2], reply[3] = started, there
  return reply
end
