-- Keys of another type under the prefix, which another program may have put there. Each batch below is done once, to
-- see which keys it writes; then for each of these keys once more, with that key spoilt. Redis does not undo the writes
-- of a script, so a batch, or the group that meets the key, has to raise before it has written anything.

local redis = require "spec.support.redis"

describe("a key of another type", function()
  local store = redis.store()
  local LONG = '"' .. ("x"):rep(100) .. '"'

  -- Names of the keys that `act` changes.
  local function changed_by(act)
    local before = store:dump()
    act()
    local after, names = store:dump(), {}
    for name in pairs(before) do names[name] = after[name] ~= before[name] or nil end
    for name in pairs(after) do names[name] = after[name] ~= before[name] or nil end
    local list = {}
    for name in pairs(names) do list[#list + 1] = name end
    table.sort(list)
    return list
  end

  local BATCHES = {
    ["starts a run"] = {
      function() end,
      function() return store.client:say("start", "new", "w", LONG, "7", "1", 2, "dedupe", "k", "within_ms", 9000) end,
    },
    ["starts a run of an unknown workflow"] = {
      function() end, function() return store.client:say("start", "new", "later", "1", "7", "1", 0) end,
    },
    ["begins a child, and gives runs to the caller"] = {
      function()
        store:start "p"
        store.a:claim(1)
        store:start "q"
      end,
      function()
        local child = redis.invoke { operation = "c", child = "p/c", entry = "invoke" .. LONG }
        return store.a:ask(5, store.a:turn_of("p", child, redis.suspend)).groups[1]
      end,
    },
    ["ends a child, whose parent goes on elsewhere"] = {
      function()
        store:start "p"
        store.a:claim(1)
        store.a:turn("p", redis.invoke { operation = "c", child = "p/c" }, redis.suspend)
        store.b:claim(1)
      end,
      function() return store.b:ask(0, store.b:turn_of("p/c", redis.complete(LONG))).groups[1] end,
    },
    ["ends a root"] = {
      function()
        store:start "p"
        store.a:claim(1)
      end,
      function() return store.a:ask(1, store.a:turn_of("p", redis.fail(LONG))).groups[1] end,
    },
    ["waits for a run that it shares"] = {
      function()
        store:start("s", "w", { dedupe = "k", within_ms = 90000 })
        store:start "p"
        store.a:claim(2)
      end,
      function()
        local options = { dedupe = "k", within_ms = 90000 }
        local child = redis.invoke { operation = "c", child = "p/c", options = options }
        return store.a:ask(0, store.a:turn_of("p", child, redis.suspend)).groups[1]
      end,
    },
    ["cancels a run"] = {
      function() store:start "p" end, function() return store.client:say("cancel", "p", "by hand") end,
    },
    ["promotes a run"] = {
      function()
        store:start("p", "w", { delay_ms = 100 })
        store:pass(200)
      end,
      function() return store.client:say "promote" end,
    },
    ["deletes a run"] = {
      function()
        store:start "p"
        store:say("cancel", "p", "by hand")
      end,
      function() return store.client:say("delete", "p") end,
    },
    ["sweeps"] = {
      function()
        store:announce { w = { retain_ms = 1000 } }
        store:start "p"
        store:say("cancel", "p", "by hand")
        store:pass(5000)
      end,
      function() return store.client:say "sweep" end,
    },
    ["announces a workflow that runs wait for"] = {
      function() store:start("p", "later") end,
      function()
        local group = store:announcement { later = {} }
        return store.client:say(table.unpack(group))
      end,
    },
    ["takes back the runs of a dead host"] = {
      function()
        store:start "p"
        store:start "r"
        store.a:claim(2)
        store.a:turn("r", redis.suspend)
        store.b:claim(1)
        store:call("ZADD", "leases", store.now, store.host)
        store.other = store:register "other"
      end,
      function() return store:worker(store.other .. ".0"):say("heartbeat", store.other, redis.LEASE_MS, 5) end,
    },
    ["leaves"] = {
      function() store.a:claim(1) end,
      function() return store:worker(store.host .. ".0"):say("leave", store.host) end,
    },
    ["reports a long turn"] = {
      function()
        store:start "p"
        store.a:claim(1)
      end,
      function()
        return store:worker(store.host .. ".0"):say("stalled", store.host, 1, 1, "p", 0, 100)
      end,
    },
    ["registers a host"] = {
      function() end,
      function() return store.client:say("register", "n", "b", "ns", 1, 1, 2, redis.LEASE_MS, "", 100, "*") end,
    },
  }

  local datasets = 0
  local function begin(prepare)
    datasets = datasets + 1
    store.redis:call("FLUSHALL") -- else each dump reads the keys of all datasets
    store:begin(("d%d:{0}:"):format(datasets))
    prepare()
  end

  for what, steps in pairs(BATCHES) do
    it("has nothing written by a batch that " .. what, function()
      local prepare, act = steps[1], steps[2]
      begin(prepare)
      local names = changed_by(act)
      assert.is_true(#names > 1)
      local refused = 0
      for _, name in ipairs(names) do
        begin(prepare)
        -- A list is no type that weir reads from a key by accident; and where weir has a list, a set.
        store:call("DEL", name)
        store:call(name:find "^expiry:" and "SADD" or "RPUSH", name, "foreign")
        local before = store:dump()
        local ok, answer = pcall(act)
        local raised = not ok or type(answer) ~= "table" or answer[1] == "error"
        if raised then
          refused = refused + 1
          local after = store:dump()
          -- Only the group of a run fails whose own keys are spoilt: the caller may be given other runs.
          if ok and name:find "^[rv]:" then before, after = { before[name] }, { after[name] } end
          assert.same(before, after, name)
        end
      end
      assert.is_true(refused > 0)
    end)
  end
end)
