-- needs: counts what needs the sources of a bundle, and removes sources that nothing needs any more.
--
-- Attempts that have not ended need the bundle on which they began, and the registry needs those that it names. The
-- scripts that begin and end attempts, and those that write the registry, count both. So sources go in the very batch
-- that takes away the last need, and no claim can come between. Runs that have not ended are counted by workflow.
--
-- A count that comes to 0 stays as 0 while the registry names its workflow or bundle: a run that is alone would
-- otherwise create and delete both fields. The counts go when the registry does not name them any more.

local call, key = redis.call, lib.key

local needs = {}
lib.needs = needs

local function stored(name, member) return tonumber(call("HGET", key(name), member) or 0) end

--- The count of a member as this batch leaves it.
function needs.count(name, member) return stored(name, member) + (lib.plan[name][member] or 0) end

-- Whether the registry has the workflow. This comes behind the first write, so it decodes no entry.
local function is_registered(workflow)
  local entry = lib.plan.registry[workflow]
  if entry == nil then entry = call("HGET", key("registry"), workflow) end
  return entry ~= false
end

-- Whether the registry names the bundle: mostly, an entry shows it that this batch has read for other reasons.
local function is_served(bundle)
  for _, entry in pairs(lib.plan.registry) do
    if entry and entry.bundle == bundle then return true end
  end
  return needs.count("serves", bundle) > 0
end

-- Writes the counts of one kind. Calls `on_zero` with each member whose count came to 0; it returns whether the field
-- stays.
local function write(name, on_zero)
  for member, change in pairs(lib.plan[name]) do
    local count = change == 0 and 1 or call("HINCRBY", key(name), member, change)
    if count <= 0 and (not on_zero(member) or count < 0) then call("HDEL", key(name), member) end
  end
end

--- Write the counts that this batch changed, and remove what nothing needs. Comes behind all that writes sources.
function needs.write()
  local free = {}
  write("unfinished", is_registered)
  write("attempts", function(bundle)
    if is_served(bundle) then return true end
    free[bundle] = true
  end)
  write("serves", function(bundle) free[bundle] = stored("attempts", bundle) == 0 or nil end)
  for bundle in pairs(free) do
    call("UNLINK", key("bundle:" .. bundle))
    call("HDEL", key("announced"), bundle)
    call("HDEL", key("attempts"), bundle)
  end
end
