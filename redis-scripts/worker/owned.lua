-- owned: the runs that Redis counts as running in this worker, a page at a time. A worker whose connection was cut
-- asks, for a reply that was lost may have given it runs.
-- args   cursor
-- reply  owned cursor run…        cursor "0": that was all

local runs = lib.runs

function verbs.owned()
  local page = redis.call("SSCAN", lib.key("owned:" .. lib.worker), lib.take(), "COUNT", 500)
  local reply = { "owned", page[1] }
  for _, id in ipairs(page[2]) do
    local run = runs.load(id)
    if run and run.state == "running" and run.owner == lib.worker then reply[#reply + 1] = id end
  end
  return reply
end
