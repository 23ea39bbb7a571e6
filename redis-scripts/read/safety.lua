-- safety: whether this Redis keeps what it is given.
-- args   none
-- reply  safety aof("1"|"0") maxmemory_policy

local function told(section, name)
  return string.match(redis.call("INFO", section), "\n" .. name .. ":([^\r\n]*)") or ""
end

function verbs.safety()
  return { "safety", told("persistence", "aof_enabled"), told("memory", "maxmemory_policy") }
end
