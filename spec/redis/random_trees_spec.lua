-- Where retention, retries, generations, sharing and detached children meet: trees of runs that do at random what
-- their Lua might say, are cancelled, retried and deleted at random, lose replies and hosts. Whatever the order, each
-- run counts what lives below it and what it told to end, stands where its state says, and in the end nothing is left.

local dice = require "spec.support.dice"
local sorted_keys = require "weir.base.sorted_keys"
local redis = require "spec.support.redis"

local PROGRAMS = dice.times(10)
local SEED = dice.seed
local ACTS = 60
local DEEPEST = 3

local ENDED = { completed = true, failed = true, cancelled = true }

describe("random trees of runs", function()
  local store = redis.store()
  local roll
  local sharing -- most ask for what others have begun
  local quiet -- nothing begins any more, and every run ends as soon as it can

  -- ----------------------------------------------------------------------------------------------
  -- Effects of a run

  -- Its operations: id -> { open, child, kept: no run waits for it }.
  local function operations_of(id, fields)
    local operations = {}
    for field, value in pairs(fields) do
      local name = field:match "^o:(.+)$"
      if name then
        local round = fields["c:" .. name]
        operations[name] = {
          open = value:byte() == 9, child = id .. "/" .. name .. (round and "~" .. round or ""),
          shared = fields["w:" .. name] ~= nil,
        }
      end
    end
    return operations
  end

  -- A run that begins again resets some of its operations, as Lua decides.
  local function forget(say, fields, operations)
    for _, name in ipairs(sorted_keys.of(operations)) do
      if operations[name].open or roll(2) == 1 then
        local round, mark = fields["c:" .. name], roll(3) == 1 and "restart" or "reuse"
        local before = not round and fields["x:" .. name] or ""
        say { "reset", name, mark }
        operations[name], fields["c:" .. name] = nil, nil
        fields["x:" .. name] = (round or before:match "^%d+" or "1") .. "\t" .. (before:match "restart" or mark)
      end
    end
    for field, value in pairs(fields) do
      if field:find "^%d" and value:byte() == 9 and tonumber(field) <= tonumber(fields.reset_number) then
        say { "reset", "", field }
      end
    end
    say { "reset_done" }
  end

  local function options_of()
    local options = {}
    if roll(5) == 1 then options.detached = "1" end
    if sharing and roll(3) > 1 then
      options.dedupe, options.within_ms = "key" .. roll(4), 60000
    elseif roll(4) == 1 then
      options.dedupe, options.within_ms = "key" .. roll(3), roll(1000)
    end
    if roll(6) == 1 then options.delay_ms = roll(500) end
    return options
  end

  local function invoke(id, name, fields, number)
    local path, options = id .. "/" .. name, options_of()
    local round, mark = (fields["x:" .. name] or ""):match "^(%d+)\t(%a+)$"
    if round then
      options.next_generation = math.max(number, round + 1)
      round = mark == "restart" and options.next_generation or tonumber(round)
    else
      round = number
    end
    return redis.invoke {
      operation = name, child = round > 1 and path .. "~" .. round or path, options = options,
      data = ('{"n":%d}'):format(roll(2)), workflow = sharing and "w" or ({ "w", "brief", "gone" })[roll(3)],
    }
  end

  local function begin_some(say, id, fields, operations)
    local _, depth = id:gsub("/", "")
    if depth >= DEEPEST then return end
    for i = 1, 3 do
      local name = "o" .. i
      if not operations[name] and roll(2) == 1 then
        say(invoke(id, name, fields, tonumber(fields.generation or 1)))
        operations[name] = { open = true, child = id .. "/" .. name, fresh = true }
      end
    end
  end

  -- The time of an invoke is over.
  local function let_go_some(say, operations)
    for _, name in ipairs(sorted_keys.of(operations)) do
      local operation = operations[name]
      if operation.open and not operation.fresh and roll(4) == 1 then
        say { "resolve", name, "timeout", 0, "{}", "" }
        if roll(2) == 1 then
          say { "detach", operation.child }
        else
          say { "cancel", operation.child, "timed out", "" }
        end
        operation.open = false
      end
    end
  end

  local function any_open(operations)
    for _, operation in pairs(operations) do
      if operation.open then return true end
    end
  end

  -- One turn of a run that was claimed.
  local function turn(worker, id)
    local fields, effects = store:run(id), {}
    local function say(effect) effects[#effects + 1] = effect end
    local operations = operations_of(id, fields)
    if fields.reset then forget(say, fields, operations) end
    local ends = quiet or fields.cancel or roll(3) > 1
    if not fields.cancel then
      if not quiet then
        begin_some(say, id, fields, operations)
        let_go_some(say, operations)
      end
    else
      for _, name in ipairs(sorted_keys.of(operations)) do
        local operation = operations[name]
        if operation.open or roll(2) == 1 then -- what was abandoned ends, too
          say { "cancel", operation.child, "the run ends", fields.terminate or "" }
        end
      end
    end
    if any_open(operations) or not ends then
      say(any_open(operations) and redis.suspend or { "suspend", "", 50 })
    elseif fields.cancel then
      say { "fail", "cancelled", "{}", "" }
    elseif not quiet and roll(8) == 1 then
      say { "retry", roll(100), '{"code":"x"}' }
    elseif roll(3) == 1 then
      say { "fail", "failed", '{"code":"x"}', "" }
    else
      say { "complete", '"done"' }
    end
    local group = worker:turn_of(id, table.unpack(effects))
    local answer = redis.words(worker:ask(0, group).groups[1])
    assert(not answer:find "^error", answer)
    if roll(10) == 1 then -- its reply was lost
      local again = store:unchanged(function() return store:batch(worker.name, 0, { group }).groups[1] end)
      assert.equal(answer, redis.words(again))
    end
    return answer
  end

  local function work(worker)
    local claims = worker:claim(3)
    for _, claim in ipairs(claims) do
      local id, turns = claim:match "^%a+ (%S+)", 0
      repeat
        turns = turns + 1
        local answer = turn(worker, id)
      until not answer:find "^running" or turns > 20
    end
    return #claims > 0
  end

  -- ----------------------------------------------------------------------------------------------
  -- From outside

  local function all_runs()
    local runs = {}
    for name in pairs(store:dump()) do
      local id = name:match "^r:(.*)$"
      if id then runs[id] = store:run(id) end
    end
    return runs
  end

  local function some_run(runs)
    local ids = sorted_keys.of(runs)
    return ids[1] and ids[roll(#ids)]
  end

  -- An ended run, and those above it that ended because of it: as the command does it.
  local function retry_some(runs)
    local id = some_run(runs)
    if not id or not ENDED[runs[id].state] then return end
    local chain, below = { id, runs[id].turn or 0, roll(4) == 1 and "all" or "unhandled" }, id
    while below:find "/" and not runs[below].detached do
      local parent, name, round = below:match "^(.*)/([^/~]*)~?(%d*)$"
      local above = runs[parent]
      if not above or not ENDED[above.state] then return end
      if not above["o:" .. name] or (above["c:" .. name] or "") ~= round then return end
      for i, value in ipairs { parent, above.turn or 0, "children\t" .. name } do table.insert(chain, i, value) end
      below = parent
    end
    local group = { "retry", #chain // 3, table.unpack(chain) }
    local answer = store:say(table.unpack(group))[1]
    assert.equal("retried", answer)
    assert.equal(answer, store:unchanged(function() return store:say(table.unpack(group))[1] end))
  end

  -- A host takes some, and dies.
  local function die()
    store:heartbeat(store.host)
    local host = store:say("register", "short-lived", "boot", "ns", 1, 5, 1, 1, "", 16777216, "*")[2]
    store:worker(host .. ".1"):claim(roll(3))
    store:pass(10)
    store:heartbeat(store.host, 2)
    store:heartbeat(store.host, 2)
  end

  local function act(worker)
    local kind = roll(13)
    if kind <= 5 then return work(worker) end
    if kind == 6 then return store:pass(roll(100)) or store:say "promote" end
    if kind == 7 then return store:start("t" .. roll(4), ({ "w", "brief" })[roll(2)], roll(3) == 1 and
      { dedupe = "key" .. roll(3), within_ms = roll(1000) } or nil) end
    local runs = all_runs()
    local id = some_run(runs)
    if kind == 8 and id then store:say("cancel", id, "by hand", roll(2) == 1 and "1" or "") end
    if kind == 9 or kind == 10 then retry_some(runs) end
    if kind == 11 and id then store:say("delete", id) end
    if kind == 13 then die() end
    if kind == 12 then
      store:pass(roll(4) == 1 and 2000 or 20)
      store:say "promote"
      store:worker(store.host .. ".0"):say "sweep"
    end
  end

  -- ----------------------------------------------------------------------------------------------
  -- Invariants

  local function check_loose(runs)
    local live_detached = {}
    for id, run in pairs(runs) do
      if run.detached and not ENDED[run.state] then
        local above = id:match "^(.*)/"
        while above do
          live_detached[above] = (live_detached[above] or 0) + 1
          above = above:match "^(.*)/"
        end
      end
    end
    for id, run in pairs(runs) do
      assert(tonumber(run.live_detached or 0) == (live_detached[id] or 0),
        ("%s counts %s below it, there are %d"):format(id, run.live_detached, live_detached[id] or 0))
    end
  end

  -- Each run counts its children that it told to end and that have not.
  local function check_lingering(runs)
    local cancel_pending = {}
    for id, run in pairs(runs) do
      if run.cancel_awaited and not ENDED[run.state] then
        local parent = id:match "^(.*)/"
        cancel_pending[parent] = (cancel_pending[parent] or 0) + 1
      end
    end
    for id, run in pairs(runs) do
      assert(tonumber(run.cancel_pending or 0) == (cancel_pending[id] or 0),
        ("%s counts %s that it told to end, there are %d"):format(id, run.cancel_pending, cancel_pending[id] or 0))
    end
  end

  -- The runs that those wait for that have not ended.
  local function waits(runs)
    local lines = {}
    for _, id in ipairs(sorted_keys.of(runs)) do
      if not ENDED[runs[id].state] then
        local open = {}
        for name, operation in pairs(operations_of(id, runs[id])) do
          if operation.open then open[#open + 1] = runs[id]["w:" .. name] or operation.child end
        end
        table.sort(open)
        lines[#lines + 1] = ("%s is %s, waits for %s"):format(id, runs[id].state, table.concat(open, ", "))
      end
    end
    return lines
  end

  -- Without any act from outside, all runs end: none wait for each other.
  local function check_ends(worker)
    quiet = true
    for _ = 1, 30 do
      while work(worker) do end
      store:pass(1000)
      store:say "promote"
    end
    quiet = false
    assert.same({}, waits(all_runs()))
  end

  local function end_all(worker)
    for _ = 1, 50 do
      local live = false
      for id, run in pairs(all_runs()) do
        if not ENDED[run.state] then
          live = true
          store:say("cancel", id, "the end", "")
        end
      end
      if not live then return end
      store:pass(100)
      store:say "promote"
      while work(worker) do end
    end
    error "the runs do not come to an end"
  end

  local function left()
    local names = {}
    for name in pairs(store:dump()) do
      if name:find "^[rvd]:" or name:find "^expiry" or name:find "^deleting" or name:find "^waiters"
        or name == "roots" or name == "failed" or name == "delayed" or name:find "^held" then
        names[#names + 1] = name
      end
    end
    return names
  end

  local function play()
    store:announce { w = { retain_ms = 60000 }, brief = { retain_ms = 1000 }, gone = { retain_ms = 0 } }
    for _ = 1, ACTS do
      act(store.a)
      local runs = all_runs()
      check_loose(runs)
      check_lingering(runs)
      assert.same({}, store:faults())
    end
    if sharing then check_ends(store.a) end
    end_all(store.a)
    assert.same({}, store:faults())
    store:pass(86400000)
    store:sweep()
    store:heartbeat(store.host)
    assert.same({}, left())
  end

  for seed = SEED, SEED + PROGRAMS - 1 do
    it("leave nothing behind, seed " .. seed, function()
      roll = dice.of(seed)
      sharing = seed % 2 == 0
      play()
    end)
  end
end)
