-- The memory of Redis that a waiting run takes: ids of 20 bytes, payloads of 20, all of its keys counted.

local redis = require "spec.support.redis"

describe("memory", function()
  local store = redis.store()
  local RUNS, BATCH = 5000, 500
  local DATA = '{"order_id":"12345"}'
  local ENTRY = "sleep\t0\t1\torder.lua:11\t\t"

  local function used()
    return tonumber(store.redis:call("INFO", "memory"):match "used_memory:(%d+)")
  end

  -- Bytes of each of many runs that said `effects` and wait.
  local function measure(effects)
    local before = used()
    for first = 1, RUNS, BATCH do
      local starts, turns = {}, {}
      for i = first, first + BATCH - 1 do
        starts[#starts + 1] = { "start", ("run-%016d"):format(i), "w", DATA, "-1234567890123456789", "", 0 }
      end
      local claims = store.a:ask(BATCH, table.unpack(starts)).claims
      for i, claim in ipairs(claims) do
        local id = claim[2]
        turns[i] = store.a:turn_of(id, effects(id), { "suspend", "", 86400000 })
      end
      store.a:ask(0, table.unpack(turns))
      store.a.turns, store.a.known = {}, {}
    end
    return (used() - before) / RUNS
  end

  it("is at most 1 KiB for a run that sleeps", function()
    local bytes = measure(function() return { "record", "sleep#1", ENTRY } end)
    assert.is_true(bytes <= 1024, ("%.0f bytes"):format(bytes))
    assert.equal("waiting", store:state "run-0000000000000001")
  end)

  it("is at most 2 KiB for one with a child that has not begun", function()
    local bytes = measure(function(id)
      return redis.invoke {
        operation = "invoke#1", child = id .. "/invoke#1", data = DATA,
        entry = "invoke\t0\t1\torder.lua:11\tw\t",
      }
    end)
    assert.is_true(bytes <= 2048, ("%.0f bytes"):format(bytes))
  end)
end)
