-- reaping: what a worker held, or nobody could take, goes back to everybody's queues, a bounded number of runs a call.

local call, push = redis.call, lib.push
local reaping = {}
lib.reaping = reaping

--- A workflow is known now: runs that waited for that go to their queue, a bounded number a call. True: that was all.
function reaping.adopt(workflow)
  local unknown = "ready:?" .. workflow
  local waiting = call("ZRANGE", lib.key(unknown), 0, lib.to_sweep()) -- one more tells whether there is more
  local all = #waiting <= lib.to_sweep()
  if not all then waiting[#waiting] = nil end
  lib.swept(#waiting)
  for _, id in ipairs(waiting) do
    local run = lib.load(id)
    lib.write("ZREM", unknown, id)
    if run and run.state == "ready" then push(lib.plan.woken, run) end
  end
  return all
end

--- A ready run leaves its worker's own queue for everybody's.
function reaping.give_up(run)
  lib.unqueue(run)
  lib.hold(run, "")
  push(lib.plan.woken, run)
end

local function take_back(run, counts, max_deaths)
  if run.state == "ready" then return reaping.give_up(run) end
  lib.hold(run, "")
  if run.state ~= "running" then return end
  if counts then
    lib.set_special(run, "deaths", (run.deaths or 0) + 1)
    if run.deaths >= max_deaths then
      lib.cancelling.record_end(run, "lost", "lost: " .. run.deaths .. " processes died while they ran it")
    end
  end
  lib.make_ready(run)
end

local function forget(host)
  local node = call("HGET", lib.key("host:" .. host), "node")
  if node and call("HGET", lib.key("nodes"), node) == host then lib.write("HDEL", "nodes", node) end
  lib.write("ZREM", "leases", host)
  lib.write("DEL", "host:" .. host)
end

--- When a host's lease ends. None is longer than `lease_ms`: one that is was given before Redis' clock was put back,
--- and is cut, as a dead host would keep its runs until the clock is there again.
function reaping.lease_end(host, expires, lease_ms)
  local longest = lib.now() + lease_ms
  if expires <= longest then return expires end
  lib.write("ZADD", "leases", longest, host)
  return longest
end

--- Take back what a host held, a bounded number of runs; true when nothing is left. Its death counts for what it was
--- running; for one run alone, when it had told that it tried that one and resumed nothing else.
function reaping.reap(host, counts, max_deaths)
  local v = call("HMGET", lib.key("host:" .. host), "threads", "alone")
  local threads, alone, reaped = tonumber(v[1] or 0), v[2], 0
  for thread = 1, threads do
    local worker = host .. "." .. thread
    lib.write("HDEL", "idle", worker)
    if lib.to_sweep() > reaped then
      for _, id in ipairs(call("SRANDMEMBER", lib.key("held:" .. worker), lib.to_sweep() - reaped)) do
        local run = lib.load(id)
        if run and run.holder == worker then
          take_back(run, counts and (not alone or alone == id), max_deaths)
        else
          lib.write("SREM", "held:" .. worker, id)
        end
        reaped = reaped + 1
      end
    end
  end
  lib.swept(reaped)
  if reaped > 0 or lib.to_sweep() == 0 then return false, reaped end
  forget(host)
  return true, 0
end
