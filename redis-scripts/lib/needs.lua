-- needs: counts what needs the sources of a bundle, and removes sources that nothing needs any more.
--
-- Attempts that have not ended need the bundle on which they began, and the registry needs those that it names. The
-- scripts that begin and end attempts, and those that write the registry, count both. So sources go in the very batch
-- that takes away the last need, and no claim can come between. Runs that have not ended are counted by workflow.

local call, key = redis.call, lib.key

local needs = {}
lib.needs = needs

--- The count of a member as this batch leaves it.
function needs.count(name, member)
  return tonumber(call("HGET", key(name), member) or 0) + (lib.plan[name][member] or 0)
end

-- A member whose count comes to 0 goes, and is noted in `free`.
local function write(name, free)
  for member, change in pairs(lib.plan[name]) do
    if change ~= 0 and call("HINCRBY", key(name), member, change) <= 0 then
      call("HDEL", key(name), member)
      free[member] = true
    end
  end
end

--- Write the counts that this batch changed, and remove what nothing needs. Comes behind all that writes sources.
function needs.write()
  local free = {}
  write("unfinished", {})
  write("attempts", free)
  write("serves", free)
  for bundle in pairs(free) do
    local needed = call("HGET", key("attempts"), bundle) or call("HGET", key("serves"), bundle)
    if not needed then
      call("UNLINK", key("bundle:" .. bundle))
      call("HDEL", key("announced"), bundle)
    end
  end
end
