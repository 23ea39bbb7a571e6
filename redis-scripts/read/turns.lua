-- turns: reads the long turns that are under way: the workers that are in Lua, and their runs.
-- args   none
-- reply  turns (worker node run since)…

function verbs.turns()
  local reply = { "turns" }
  for _, host in ipairs(redis.call("ZRANGE", lib.key("leases"), 0, -1)) do
    local about = redis.call("HGETALL", lib.key("host:" .. host))
    local fields = {}
    for i = 1, #about, 2 do fields[about[i]] = about[i + 1] end
    for thread = 1, tonumber(fields.threads or 0) do
      local worker = host .. "." .. thread
      local run, since = lib.recovery.long_turn(worker, fields["turn:" .. thread])
      if run then
        for _, value in ipairs({ worker, fields.node or "", run, since }) do reply[#reply + 1] = value end
      end
    end
  end
  return reply
end
