-- audit: checks that each run is in the sets of its state, a page of runs a call, for `weir doctor`; with the first
-- page also that the counts of bundles agree with the registry, and that nothing is kept of bundles that nothing needs.
-- args   cursor  count
-- reply  audit cursor checked fault…       cursor "0": that was all

local runs = lib.runs

local function faults_of(id, into)
  local run = runs.load(id, "created_at")
  if not run then return end
  local function fault(text) into[#into + 1] = id .. ": " .. text end
  local created_at = runs.get(run, "created_at")
  if not string.find(created_at or "", "^%d+$") then
    fault("its created_at is " .. (created_at and '"' .. created_at .. '"' or "missing") .. ", which is no time")
  end
  local delayed = redis.call("ZSCORE", lib.key("delayed"), id)
  local waits = run.state == "waiting" or run.state == "retrying" or run.state == "scheduled"
  if waits and not delayed then fault("is " .. run.state .. " but nothing will wake it") end
  if runs.ended(run) and delayed and not run.waiters then
    fault("is " .. run.state .. " but stands in the delayed set")
  end
  if run.state == "ready" then
    local queue = run.owner ~= "" and "ready:@" .. run.owner or runs.queue_of(run)
    local score, name = redis.call("ZSCORE", lib.key(queue), id), string.sub(queue, 7)
    if not score then fault("is ready but not in " .. queue) end
    if score and run.owner == "" and string.byte(name) ~= 63 then
      local first = redis.call("ZSCORE", lib.key("queues"), name)
      if not first or tonumber(first) > tonumber(score) then fault("is ready but queues do not show it in " .. name) end
    end
  end
  if run.state == "running" and run.owner == "" then fault("is running but no worker owns it") end
  if run.owner ~= "" then
    if redis.call("SISMEMBER", lib.key("owned:" .. run.owner), id) == 0 then
      fault("is owned by " .. run.owner .. ", which does not know it")
    end
    if not redis.call("ZSCORE", lib.key("leases"), string.match(run.owner, "^%d+")) then
      fault("is owned by " .. run.owner .. ", a host that is gone")
    end
  end
  if not runs.ended(run) then
    local workflow, bundle = runs.get(run, "workflow"), run.bundle or ""
    if lib.needs.count("unfinished", workflow) <= 0 then
      fault("is " .. run.state .. " but " .. workflow .. " has no unfinished runs")
    end
    if bundle ~= "" and lib.needs.count("attempts", bundle) <= 0 then
      fault("is " .. run.state .. " on bundle " .. bundle .. ", which has no attempts")
    end
    if bundle ~= "" and redis.call("EXISTS", lib.key("bundle:" .. bundle)) == 0 then
      fault("is " .. run.state .. " on bundle " .. bundle .. ", whose sources are gone")
    end
  end
  if runs.ended(run) and run.owner ~= "" then fault("is " .. run.state .. " but owned by " .. run.owner) end
  if run.state == "failed" and not redis.call("ZSCORE", lib.key("failed"), id) then
    fault("failed but is not in the failed set")
  end
  local parent_id = runs.parent_of(id)
  if not parent_id then
    if not redis.call("ZSCORE", lib.key("roots"), id) then fault("is a root but not in the roots") end
    return
  end
  local parent = runs.load(parent_id)
  if not parent then
    if not lib.retention.deleting_above(id) then fault("its parent is gone") end
    return
  end
  if runs.ended(parent) and not runs.ended(run) and not run.detached then
    local _, operation = runs.parent_of(id)
    local entry = runs.get(parent, "o:" .. operation)
    if not entry or string.byte(entry) == 9 then fault("is " .. run.state .. " but its parent " .. parent.state) end
  end
end

-- Returns how many entries of the registry name each bundle.
local function served()
  local counts = {}
  local entries = redis.call("HGETALL", lib.key("registry"))
  for i = 2, #entries, 2 do
    local readable, entry = pcall(cjson.decode, entries[i])
    local bundle = readable and type(entry) == "table" and entry.bundle
    if bundle then counts[bundle] = (counts[bundle] or 0) + 1 end
  end
  return counts
end

local function faults_of_bundles(into)
  local counts = served()
  local function fault(bundle, text) into[#into + 1] = "bundle " .. bundle .. ": " .. text end
  for bundle, count in pairs(counts) do
    local stored = redis.call("HGET", lib.key("serves"), bundle) or "0"
    if tonumber(stored) ~= count then
      fault(bundle, "serves " .. count .. " workflows, but is counted as serving " .. stored)
    end
    if redis.call("EXISTS", lib.key("bundle:" .. bundle)) == 0 then
      fault(bundle, "is registered, but its sources are gone")
    end
  end
  for _, bundle in ipairs(redis.call("HKEYS", lib.key("announced"))) do
    local attempts = tonumber(redis.call("HGET", lib.key("attempts"), bundle) or 0)
    if not counts[bundle] and attempts <= 0 then fault(bundle, "nothing needs it, but it is kept as announced") end
  end
end

function verbs.audit()
  local cursor, count = lib.next_arg(), lib.next_arg()
  local prefix = lib.key("r:")
  local page = redis.call("SCAN", cursor, "MATCH", prefix:gsub("[%[%]%*%?\\]", "\\%0") .. "*", "COUNT", count)
  local reply = { "audit", page[1], #page[2] }
  if cursor == "0" then faults_of_bundles(reply) end
  for _, key in ipairs(page[2]) do faults_of(string.sub(key, #prefix + 1), reply) end
  return reply
end
