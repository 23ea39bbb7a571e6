local redis = require "spec.support.redis"

describe("epoch", function()
  local store = redis.store { bare = true }

  -- A caller that knows nothing, unless `knows` says which epoch.
  local function connect(run_id, knows, creates)
    knows = knows or {}
    local reply = store:say("epoch", run_id, creates or "1", knows.number or 0, knows.run_id or "")
    return { dataset = reply[2], number = tonumber(reply[3]), run_id = reply[4], before = reply[5],
      kept = tonumber(reply[6]) }
  end

  local count = 0
  local function change(times)
    for _ = 1, times do
      count = count + 1
      assert.equal("registered", store:say("register", "n" .. count, "boot", "ns", 1, 5, 2, 1200, "", 1, "*")[1])
    end
    return tonumber(store:call("HGET", "meta", "commit"))
  end

  it("gives a Redis without a dataset one, and keeps it", function()
    local first = connect "r1"
    assert.matches("^%x%x%x%x%x%x%x%x%x%x%x%x$", first.dataset)
    assert.same({ 1, "r1", "", 0 }, { first.number, first.run_id, first.before, first.kept })
    local second = store:unchanged(function() return connect "r1" end)
    assert.equal(first.dataset, second.dataset)
  end)

  it("creates no dataset for a command, nor for a host that knows another one", function()
    local reply = store:unchanged(function() return connect("r1", nil, "0") end)
    assert.equal("", reply.dataset)
  end)

  it("begins with each process of Redis, at the commit that this one had", function()
    connect "r1"
    local commit = change(5)
    local second = connect "r2"
    assert.same({ 2, "r2", "r1", commit }, { second.number, second.run_id, second.before, second.kept })
    assert.equal(2, store:call("LLEN", "epochs"))
  end)

  it("tells a caller what is left of its epoch, also when more changes followed than were lost", function()
    local first = connect "r1"
    change(3)
    local kept = change(1)
    local second = connect "r2" -- came back without what r1 acknowledged after that
    change(50)
    local third = connect "r3"
    local knows = { number = first.number, run_id = "r1" }
    assert.equal(kept, connect("r3", knows).kept)
    assert.equal(3, third.number)
    assert.equal(kept + 1 + 50, connect("r3", { number = second.number, run_id = "r2" }).kept)
    assert.equal(change(1), connect("r3", { number = 3, run_id = "r3" }).kept)
  end)

  it("tells it when the caller's epoch was lost, too, and its number given again", function()
    connect "r1"
    local kept = change(1)
    local lost = { number = 2, run_id = "lost" } -- began at `kept`, and Redis forgot it
    connect "r2"
    change(9)
    assert.equal(kept, connect("r2", lost).kept)
    assert.equal(kept, connect("r2", { number = 7, run_id = "lost" }).kept)
  end)

  it("is the same one without a run_id, of which only fewer changes can be told", function()
    local first = connect ""
    assert.equal(0, first.number)
    local commit = change(2)
    assert.same({ 0, commit }, { connect("").number, connect("").kept })
    assert.equal(0, store:call("EXISTS", "epochs"))
  end)

  it("keeps the last hundred", function()
    for i = 1, 120 do connect("r" .. i) end
    assert.equal(100, store:call("LLEN", "epochs"))
    assert.equal(120, connect("r120").number)
  end)
end)

describe("a full Redis", function()
  local store = redis.store { bare = true }

  it("takes a new epoch, so that a host can delete runs", function()
    store.redis:call("CONFIG", "SET", "maxmemory", 1)
    local reply = store:say("epoch", "r1", "1", 0, "")
    store.redis:call("CONFIG", "SET", "maxmemory", 0)
    assert.equal("epoch", reply[1])
  end)
end)
