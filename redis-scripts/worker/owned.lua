-- owned: reads the runs that run in this worker, as Redis has it, a page at a time. A worker asks after its connection
-- was cut, because a lost reply may have given it runs.
-- args   cursor
-- reply  owned cursor run…        cursor "0": that was the last page

local runs = lib.runs

function verbs.owned()
  local page = redis.call("SSCAN", lib.key("owned:" .. lib.worker), lib.next_arg(), "COUNT", 500)
  local reply = { "owned", page[1] }
  for _, id in ipairs(page[2]) do
    local run = runs.load(id)
    if run and run.state == "running" and run.owner == lib.worker then reply[#reply + 1] = id end
  end
  return reply
end
