-- safety: reads the settings that decide whether this Redis keeps its data.
-- args   none
-- reply  safety aof("1"|"0") maxmemory_policy

local function setting(section, name)
  return string.match(redis.call("INFO", section), "\n" .. name .. ":([^\r\n]*)") or ""
end

function verbs.safety()
  return { "safety", setting("persistence", "aof_enabled"), setting("memory", "maxmemory_policy") }
end
