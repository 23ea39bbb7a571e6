-- Random calls of several workers, of hosts that die and of clients, said to the scripts and to the oracle.
-- After each, every run stands in Redis as in the oracle, and the audit is silent.

local dice = require "spec.support.dice"
local Oracle = require "spec.support.oracle"
local redis = require "spec.support.redis"

local STEPS = 150
local SEQUENCES = dice.times(12)

describe("model", function()
  local store = redis.store { bare = true }
  local oracle, workers, said, seed, count

  local function chance(n) return math.random(n) == 1 end
  local function one_of(list) return list[math.random(#list)] end

  local function check(expected, found, what)
    if expected ~= found then
      error(("%s: the oracle says %s, Redis %s"):format(what, tostring(expected), tostring(found)), 0)
    end
  end

  local function compare()
    for id, run in pairs(oracle.runs) do
      local v = store:call("HMGET", "r:" .. id, "state", "owner", "turn", "last_number", "attempt", "crashes")
      check(run.state, v[1], "state of " .. id)
      check(run.owner, v[2] or "", "owner of " .. id)
      check(run.turn, tonumber(v[3] or 0), "turn of " .. id)
      check(run.number, tonumber(v[4] or 0), "number of " .. id)
      check(run.attempt, tonumber(v[5] or 1), "attempt of " .. id)
      check(run.crashes, tonumber(v[6] or 0), "crashes of " .. id)
      local wake = store:call("ZSCORE", "delayed", id)
      check(run.wake, wake == "inf" and math.huge or wake and tonumber(wake) or nil, "wake of " .. id)
    end
    check("", table.concat(store:faults(), "; "), "faults")
  end

  -- ---- what a worker may say of a run -----------------------------------------------------------

  local function pending(run)
    local children, others = {}, {}
    for name, op in pairs(run.ops) do
      if not op.number then table.insert(op.child and children or others, name) end
    end
    table.sort(children)
    table.sort(others)
    return children, others
  end

  local function random_time() return chance(3) and math.random(300) or nil end

  -- The turn as the oracle hears it and as Redis does.
  local function compose(run, told, to_the_end)
    local acts, effects = {}, {}
    local function say(what, effect)
      acts[#acts + 1] = what
      effects[#effects + 1] = effect
    end
    local children, others = pending(run)
    local function resolve(list, state)
      local name = table.remove(list, math.random(#list))
      say({ "resolve", name }, { "resolve", name, state, 1, "{}", "" })
    end

    if to_the_end then
      while #others > 0 do resolve(others, "completed") end
    end
    for _ = 1, to_the_end and 0 or math.random(0, 3) do
      count = count + 1
      local name, what = "o" .. count, math.random(7)
      if what <= 2 and #run.id < 40 then
        local delay, timeout = random_time() or 0, random_time()
        local workflow = timeout and "timed" .. timeout or "w"
        if timeout then store:announce { [workflow] = { timeout_ms = timeout } } end
        say({ "invoke", name, delay, timeout }, redis.invoke {
          operation = name, child = run.id .. "/" .. name, workflow = workflow,
          options = { delay_ms = delay },
        })
        if not (run.cancel and run.cancel > told) then children[#children + 1] = name end
      elseif what == 3 then
        say({ "record", name }, { "record", name, "sleep" })
        others[#others + 1] = name
      elseif what == 4 and #others > 0 then
        resolve(others, "completed")
      elseif what == 5 and #children > 0 then
        resolve(children, "failed")
      elseif what == 6 and #children > 0 then
        local child = one_of(children)
        say({ "cancel", child }, { "cancel", run.id .. "/" .. child, "no more", "" })
      end
    end

    local how = math.random(8)
    if #children > 0 or not to_the_end and how <= 3 then
      local wake = (#children == 0 or chance(2)) and math.random(200) or nil
      say({ "suspend", wake }, { "suspend", "", wake or "" })
    elseif to_the_end or how <= 6 then
      local state = how % 2 == 0 and "completed" or "failed"
      say({ "finish", state }, state == "completed" and redis.complete() or redis.fail())
    elseif how == 7 then
      local delay = math.random(0, 100)
      say({ "retry", delay }, { "retry", delay, "{}" })
    end
    return acts, effects
  end

  -- ---- steps --------------------------------------------------------------------------------------

  -- A batch: turns of some runs in hand, and room for more.
  local function batch(worker, capacity, to_the_end)
    local ids, groups, expected = {}, {}, {}
    for id in pairs(worker.hand) do ids[#ids + 1] = id end
    table.sort(ids)
    local lost = not oracle.leases[worker.host]
    for _, id in ipairs(ids) do
      if to_the_end or chance(2) then
        local acts, effects = compose(oracle.runs[id], worker.known[id], to_the_end)
        groups[#groups + 1] = worker:turn_of(id, table.unpack(effects))
        if not lost then
          expected[#groups] = { oracle:turn(id, worker.name, worker.known[id], acts) }
        end
      end
    end
    local least, most = 0, 0
    if not lost then least, most = oracle:claims(worker.name, capacity) end
    local known = {}
    for id, number in pairs(worker.known) do known[id] = number end
    local reply = worker:ask(capacity, table.unpack(groups))

    check(lost and "not_owner" or "ok", reply.word, "batch of " .. worker.name)
    if lost then
      worker.dead = true
      return
    end
    for i, group in ipairs(groups) do
      local answer, id = reply.groups[i], group[2]
      check(expected[i][1], answer[1] .. (answer[1] == "error" and answer[2] or ""), "turn of " .. id)
      if answer[1] == "running" then
        check(expected[i][2], #answer - 1, "outcomes for " .. id)
        known[id] = worker.known[id]
      else
        worker.hand[id] = nil
      end
      if answer[1] ~= "not_owner" then said[#said + 1] = { worker.name, group } end
    end
    check(true, #reply.claims >= least and #reply.claims <= most,
      ("%d claims of %s, where %d to %d are right"):format(#reply.claims, worker.name, least, most))
    for _, claim in ipairs(reply.claims) do
      local id = claim[2]
      check(oracle:claim(id, worker.name), claim[1], "claim of " .. id)
      worker.hand[id] = true
      if claim[1] == "warm" then check(oracle.runs[id].number - known[id], #claim - 3, "outcomes for " .. id) end
      check(oracle.runs[id].number, worker.known[id], "what is known of " .. id)
    end
  end

  local function join()
    count = count + 1
    local host = store:register("node" .. count)
    oracle.leases[host] = store.now + redis.LEASE_MS
    for thread = 1, 2 do
      local worker = store:worker(host .. "." .. thread)
      worker.host, worker.hand = host, {}
      workers[#workers + 1] = worker
    end
  end

  -- The oracle does not know who is idle: that is read from Redis.
  local function is_any_idle()
    local idle = store:call("ZRANGE", "idle:*", 0, -1, "WITHSCORES")
    for i = 1, #idle, 2 do
      local woken_at = tonumber(idle[i + 1]) - 2 ^ 46
      local lease = tonumber(store:call("ZSCORE", "leases", idle[i]:match "^%d+") or 0)
      if lease > store.now and not (woken_at > 0 and store.now - woken_at < 100) then return true end
    end
    return false
  end

  local function heartbeat(host)
    local expected = oracle:heartbeat(host, is_any_idle())
    local answer = store:worker(host .. ".0"):ask(0, { "heartbeat", host, redis.LEASE_MS, 1000 }).groups[1] or {}
    check(expected, answer[1] == "renewed" and "renewed" or answer[2], "reaped by " .. host)
  end

  local function pass(ms)
    store:pass(ms)
    oracle.now = store.now
    repeat
      local promoted = oracle:promote()
      check(promoted, store:say("promote")[2], "promoted")
    until promoted == 0
  end

  local function any_run()
    local ids = {}
    for id in pairs(oracle.runs) do ids[#ids + 1] = id end
    table.sort(ids)
    return oracle.runs[one_of(ids)]
  end

  local steps = {
    function()
      count = count + 1
      local delay, id = random_time() or 0, "r" .. count
      store:start(id, "w", { delay_ms = delay })
      oracle:start(id, delay)
    end,
    function() batch(one_of(workers), math.random(0, 4)) end,
    function() batch(one_of(workers), math.random(0, 4)) end,
    function() batch(one_of(workers), math.random(0, 4)) end,
    function() batch(one_of(workers), math.random(0, 4)) end,
    function() pass(math.random(0, 60)) end,
    function() heartbeat(one_of(workers).host) end,
    function()
      local run, worker = any_run(), one_of(workers)
      if worker.dead or not oracle.leases[worker.host] then return end
      if run.state == "waiting" and chance(2) and oracle.leases[run.owner:match "^%d*"] then
        worker = { name = run.owner, say = worker.say, ask = worker.ask, store = store, turns = {}, known = {} }
      end
      if run.state == "running" then return end
      check(oracle:release(run.id, worker.name), worker:say("release", run.id)[1], "release of " .. run.id)
    end,
    function()
      local run = any_run()
      if not chance(4) then return end
      store:say("cancel", run.id, "by hand")
      oracle:cancel(run, "cancelled")
    end,
    function() -- an answer was lost: the same again
      if #said == 0 then return end
      local old = one_of(said)
      store:unchanged(function() return store:batch(old[1], 0, { old[2] }) end)
    end,
    function() -- a host dies, another one joins
      if not chance(5) then return end
      local dead = one_of(workers).host
      for i = #workers, 1, -1 do
        if workers[i].host == dead then table.remove(workers, i) end
      end
      join()
    end,
  }

  local function alive()
    local number = 0
    for _, run in pairs(oracle.runs) do
      if not ({ completed = true, failed = true, cancelled = true })[run.state] then number = number + 1 end
    end
    return number
  end

  local function drain()
    for _ = 1, 400 do
      if alive() == 0 then return end
      pass(100)
      for _, worker in ipairs(workers) do
        heartbeat(worker.host)
        batch(worker, 20, true)
      end
      compare()
    end
    local left = {}
    for id, run in pairs(oracle.runs) do left[#left + 1] = id .. " is " .. run.state end
    error("runs that never end: " .. table.concat(left, ", "), 0)
  end

  -- Each outcome has its own number, and each operation no more than one outcome.
  local function check_journals()
    for id, run in pairs(oracle.runs) do
      local fields, seen = store:run(id), {}
      for number = 1, run.number do
        local name = fields[tostring(number)]:match "^[^\t]*"
        check(nil, seen[name], ("second outcome of %s in %s"):format(name, id))
        if name ~= "" then seen[name] = true end
      end
    end
  end

  local function sequence()
    math.randomseed(seed)
    store.prefix = ("m%d:{0}:"):format(seed)
    store.now = redis.BEGIN
    store:pass(0)
    store:announce { w = {} }
    oracle, workers, said, count = Oracle.new(store.now), {}, {}, 0
    join()
    join()
    steps[1]()
    for _ = 1, STEPS do
      one_of(steps)()
      compare()
    end
    drain()
    check_journals()
  end

  it("does as the oracle says", function()
    for one = dice.seed, dice.seed + SEQUENCES - 1 do
      seed = one
      local ok, message = pcall(sequence)
      if not ok then error(("%s: %s"):format(dice.repeats(seed), tostring(message)), 0) end
    end
  end)
end)
