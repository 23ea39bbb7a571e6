-- announce: a host sends the sources of a folder and the names of their workflows. The script decides for which of
-- these workflows the bundle serves new attempts from now on.
-- args   folder  how("announce"|"")  bundle  n  (path source)×n  m  (workflow entry)×m
--        folder: its number among those of the host, from 0
--        how: "announce" makes the bundle the newest even if it was announced before
--        entry: of the registry, without the fields that this script sets; see README.md
-- stores with the host that calls: the bundle and the workflows of this folder
-- moves  nothing; runs started with --any before their workflow was known go to their queue, the first at once,
--        the others with each heartbeat
-- reply  announced version (workflow bundle)…      version: of this bundle; then the workflows that others serve
--
-- A bundle that no host has announced before is the newest. A bundle that was announced before becomes the newest again
-- only for workflows that are served by the bundle which this folder held until now: a revert. So a host that restarts
-- with old files, or whose files are copied late, changes nothing for the others. The bundle also serves workflows that
-- no other bundle serves.
--
-- A bundle that becomes the newest succeeds the one before in its folder, also when the host of that name was off
-- meanwhile, and any that loses most of its workflows to it, as that was another host's copy of the folder. Those that
-- they serve and it lacks were removed.
--
-- When the call is sent again, it changes nothing: the bundle was announced before, and it serves the workflows that it
-- got then, or has lost them since.

local SEEN = 10000 -- names that are remembered; each takes about 165 bytes
local FOLDERS = 1000 -- of hosts, likewise

local registry = lib.registry

-- Every bundle has weir's own workflows, which tell nothing of its folder.
local function is_own(workflow) return string.sub(workflow, 1, 5) == "weir." end

local function next_version()
  local plan = lib.plan
  plan.version = (plan.version or tonumber(redis.call("HGET", lib.key("meta"), "version") or 0)) + 1
  lib.write("HSET", "meta", "version", plan.version)
  return plan.version
end

-- Reads the arguments.
local function read()
  local folder, how, bundle = lib.next_args(3)
  local sources, workflows = {}, {}
  for i = 1, 2 * tonumber(lib.next_arg()) do sources[i] = lib.next_arg() end
  for i = 1, tonumber(lib.next_arg()) do
    local workflow, entry = lib.next_args(2)
    workflows[i] = { id = workflow, entry = cjson.decode(entry), before = registry.find(workflow) }
  end
  return folder, how, bundle, sources, workflows
end

-- The bundle that this folder of the host held until now; what it holds is kept. Second, the name of the folder, by
-- which it is known again when the host has restarted.
local function hold(folder, bundle, workflows)
  local host = string.match(lib.worker, "^(%d+)%.")
  if not host then return nil end
  local about = redis.call("HMGET", lib.key("host:" .. host), "node", "folder:" .. folder)
  if not about[1] then return nil end
  local ids = {}
  for i, workflow in ipairs(workflows) do ids[i] = workflow.id end
  registry.hold(host, folder, bundle, ids)
  return about[2], about[1] .. "\t" .. folder
end

-- The bundle that the folder of this name held before its host was off; nil where that is forgotten.
local function held_before(name)
  local version = name and redis.call("ZSCORE", lib.key("folders"), name)
  return version and redis.call("ZRANGEBYSCORE", lib.key("bundles"), version, version, "LIMIT", 0, 1)[1]
end

-- A folder is forgotten when many others hold newer bundles.
local function remember(name, version)
  lib.write("ZADD", "folders", version, name)
  lib.write("ZREMRANGEBYRANK", "folders", 0, -FOLDERS - 1)
end

-- Decides which workflows the bundle serves from now on. Returns whether it becomes the newest for any of them, and
-- whether other bundles are newer for any.
local function decide(bundle, previous, is_first, makes_newest, workflows)
  local gains, is_older = is_first, false
  for _, workflow in ipairs(workflows) do
    local before = workflow.before
    local serving = before and not before.closed and before.bundle
    workflow.is_new = not serving
    workflow.taken = is_first or makes_newest or not serving or serving == bundle or serving == previous
    if not is_own(workflow.id) then
      gains = gains or serving and serving ~= bundle and workflow.taken
      is_older = is_older or not workflow.taken
    end
  end
  return gains, is_older
end

local function put(workflow, bundle, version, gains, is_older)
  local before, entry = workflow.before, workflow.entry
  local stays = before and before.bundle == bundle and not gains
  entry.version = stays and before.version or version
  entry.removed = (stays and before.removed or workflow.is_new and is_older and not gains) or nil
  registry.put(workflow.id, entry)
  lib.recovery.route_unknown(workflow.id)
end

-- Finds the workflows that this bundle lacks and that the bundles before it serve: workflow -> entry.
local function lacking(bundle, previous, workflows)
  local has, lost, kept, entries = {}, {}, {}, {}
  for _, workflow in ipairs(workflows) do
    local before = workflow.before
    has[workflow.id] = true
    if before and workflow.taken and not is_own(workflow.id) then
      lost[before.bundle] = (lost[before.bundle] or 0) + 1
    end
  end
  for _, workflow in ipairs(redis.call("HKEYS", lib.key("registry"))) do
    local entry = not has[workflow] and not is_own(workflow) and registry.find(workflow)
    if entry and entry.bundle ~= bundle then
      entries[workflow] = entry
      kept[entry.bundle] = (kept[entry.bundle] or 0) + 1
    end
  end
  for workflow, entry in pairs(entries) do
    local of = entry.bundle
    if of ~= previous and (lost[of] or 0) <= kept[of] then entries[workflow] = nil end
  end
  return entries
end

-- It leaves the registry once nothing needs it.
local function mark_removed(bundle, previous, workflows)
  for workflow, entry in pairs(lacking(bundle, previous, workflows)) do
    if not entry.removed then
      entry.removed = true
      registry.put(workflow, entry)
    end
  end
end

-- Also deletes fields that another client may have put there.
local function write_sources(bundle, sources)
  lib.write("DEL", "bundle:" .. bundle)
  for i = 1, #sources, 2 do lib.write("HSET", "bundle:" .. bundle, sources[i], sources[i + 1]) end
end

function verbs.announce()
  local folder, how, bundle, sources, workflows = read()
  local previous, name = hold(folder, bundle, workflows)
  local succeeded = previous or held_before(name)
  local seen = redis.call("ZSCORE", lib.key("bundles"), bundle)
  local gains, is_older = decide(bundle, previous, not seen, how == "announce", workflows)
  local version = seen
  if not seen or gains then
    version = string.format("%d", next_version())
    lib.write("ZADD", "bundles", version, bundle)
    lib.write("ZREMRANGEBYRANK", "bundles", 0, -SEEN - 1)
  end

  local reply, serves = { "announced", version }, false
  for _, workflow in ipairs(workflows) do
    if workflow.taken then
      serves = true
      put(workflow, bundle, tonumber(version), gains, is_older)
    elseif not is_own(workflow.id) then
      lib.push(reply, workflow.id)
      lib.push(reply, workflow.before.bundle)
    end
  end
  if gains then mark_removed(bundle, succeeded, workflows) end
  if name then remember(name, version) end
  if serves or lib.needs.count("attempts", bundle) > 0 then write_sources(bundle, sources) end
  if serves and gains then lib.write("HSET", "announced", bundle, lib.stamp) end
  lib.plan.looks_for_removed = true
  return reply
end
