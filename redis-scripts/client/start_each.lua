-- start_each: a client starts many runs of one workflow with the same options. The reply does not contain runs that
-- exist already, because that would be every payload: when such a run may differ, the client asks with `start`.
-- args   workflow  any("1"|"")  n  (option value)×n  (run data seed)…       options: queue priority delay_ms tags
-- moves  (none) -> ready | scheduled
-- reply  started count existing index…    count: runs that were started now
--                                         existing: runs that exist with the same workflow and the same text of data
--                                         index: the positions in the list of runs that exist and may differ
--        unknown                          no host has announced the workflow; no run was started

local runs = lib.runs
local CHUNK = 6000 -- ids handed to one call: unpack is bounded by the C stack

-- Asks for all runs at once. When none exists, `load` does not ask for each of them.
local function check_existing(ids)
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
  local workflow, any = lib.next_args(2)
  local options = lib.starts.start_options(lib.next_arg())
  if any ~= "1" and not lib.registry.is_open(workflow) then return { "unknown" } end

  local ids, texts, seeds = {}, {}, {}
  while lib.more() do
    local n = #ids + 1
    ids[n], texts[n], seeds[n] = lib.next_args(3)
  end
  check_existing(ids)

  local started, existing, reply = 0, 0, { "started", 0, 0 }
  for i, id in ipairs(ids) do
    local run = runs.load(id)
    if not run and lib.starts.is_repeated(id, seeds[i]) then
      existing = existing + 1
    elseif not run and lib.starts.being_deleted(id) then
      reply[#reply + 1] = i - 1 -- the run that had this id is being deleted
    elseif not run then
      lib.starts.begin_run(runs.create(id), workflow, texts[i], seeds[i], options)
      started = started + 1
    elseif is_same(run, workflow, texts[i]) then
      existing = existing + 1
    else
      reply[#reply + 1] = i - 1
    end
  end
  reply[2], reply[3] = started, existing
  return reply
end
