local json = require "weir.json"
local redis = require "spec.support.redis"

describe("announce", function()
  local store = redis.store { bare = true }

  local function entry_of(workflow)
    local text = store:call("HGET", "registry", workflow)
    return text and json.decode(text) or nil
  end

  it("keeps the sources by their name, and says which workflows they serve", function()
    local bundle = store:announce({ w = { queue = "gpu", priority = 3, timeout_ms = 500 } },
      { ["w.lua"] = "return 1", ["lib/x.lua"] = "return 2" })
    assert.matches("^%x+$", bundle)
    local reply = store:say "registry"
    assert.same({ "registry", "w" }, { reply[1], reply[2] })
    assert.same({ bundle = bundle, version = 1, queue = "gpu", priority = 3, timeout_ms = 500, retain_ms = 604800000 },
      json.decode(reply[3]))
  end)

  it("keeps what an entry asks of data as it came", function()
    local schema = json.encode { const = [["closed":true]], maximum = 12345678901234567 }
    store:say("announce", 0, "", "b0", 1, "w.lua", "", 1, "w",
      json.encode { bundle = "b0", queue = "default", priority = -5, retain_ms = 315360000000, schema = schema })
    local reply = store:say "registry"
    local entry = json.decode(reply[3])
    assert.same({ schema, -5, 315360000000 }, { entry.schema, entry.priority, entry.retain_ms })
  end)

  it("is the same bundle for the same sources, and another for others", function()
    local one = store:announce({ w = {} }, { ["w.lua"] = "return 1" })
    local before = store:dump()
    assert.equal(one, store:announce({ w = {} }, { ["w.lua"] = "return 1" }))
    local after = store:dump()
    before.meta, after.meta = nil, nil -- the call counts
    assert.same(before, after)
    assert.not_equal(one, store:announce({ w = {} }, { ["w.lua"] = "return 2" }))
    assert.not_equal(one, store:announce({ w = {} }, { ["v.lua"] = "return 1" }))
  end)

  it("brings back the sources of a bundle that was changed", function()
    local files = { ["w.lua"] = "return 1" }
    local bundle = store:announce({ w = {} }, files)
    store:call("HSET", "bundle:" .. bundle, "w.lua", "return 2", "x.lua", "")
    store:announce({ w = {} }, files)
    assert.same({ "sources", "w.lua", "return 1" }, store:say("sources", bundle))
  end)

  it("lets new attempts begin on the newest, and those begun go on with theirs", function()
    local old = store:announce({ w = {} }, { ["w.lua"] = "return 1" })
    local worker = store:worker(store:register "node" .. ".1")
    store:start "p"
    store:start "q"
    worker:claim(1)
    local new = store:announce({ w = {} }, { ["w.lua"] = "return 2" })
    worker:claim(1)
    assert.same({ old, new }, { store:run("p").bundle, store:run("q").bundle })
    assert.same({}, store:faults())
  end)

  it("brings the runs that waited for their workflow to their queue", function()
    store:start("p", "w")
    store:start("q", "w", { queue = "fast" })
    store:announce { w = { queue = "slow" } }
    assert.same({ "p" }, store:call("ZRANGE", "ready:slow", 0, -1))
    assert.same({ "q" }, store:call("ZRANGE", "ready:fast", 0, -1))
    assert.same({ 0, "slow", "fast" },
      { store:call("EXISTS", "ready:?w"), store:run("p").queue, store:run("q").queue })
    assert.same({}, store:faults())
  end)

  it("brings them to the default queue, and into the same call", function()
    local worker = store:worker(store:register "node" .. ".1")
    store:start("p", "w")
    store:start("q", "w")
    assert.same({ "cold p" }, worker:claim(1, store:announcement { w = {} }))
    assert.is_nil(store:run("q").queue)
    assert.matches("^%x+$", store:run("p").bundle)
    assert.same({ "cold q" }, worker:claim(1))
    assert.same({}, store:faults())
  end)

  it("brings a bounded number of them a call, the others with each heartbeat", function()
    local host = store:register "node"
    for i = 1, 80 do store:start("r" .. i, "w") end
    for i = 1, 80 do store:start("s" .. i, "v") end
    store:announce { v = {}, w = {} }
    assert.equal(100, store:call("ZCARD", "ready:default"))
    assert.same({ "heartbeat", 0, "0" }, store:heartbeat(host))
    assert.equal(160, store:call("ZCARD", "ready:default"))
    assert.same({ "default" }, store:call("ZRANGE", "queues", 0, -1))
    assert.same({}, store:call("SMEMBERS", "unknown"))
    assert.same({}, store:faults())
  end)

  it("lets a run be started in the same call", function()
    local reply = store.client:ask(0, store:announcement { w = { queue = "gpu" } },
      { "start", "p", "w", "{}", "7", "", 0 })
    assert.same({ "started" }, reply.groups[2])
    assert.equal("gpu", store:run("p").queue)
  end)

  it("says nothing of the workflow when it raises", function()
    for entry, fault in pairs { [false] = "too few arguments", ["gpu"] = "invalid token" } do
      local reply = store.client:ask(0, { "announce", 0, "", "b1", 1, "w.lua", "", 1, "w", entry or nil },
        { "start", "p", "w", "{}", "7", "", 0 })
      assert.equal("error", reply.groups[1][1])
      assert.matches(fault, reply.groups[1][2])
      assert.same({ "unknown" }, reply.groups[2])
    end
    assert.same({ "registry" }, store:say "registry")
  end)

  -- ------------------------------------------------------------------------------------------------

  -- A host with folders; `hold(bundle, workflows)` says what a folder of it holds now.
  local function host_of(node)
    local number = store:register(node)
    local host = { number = number, upkeep = store:worker(number .. ".0") }
    function host.hold(bundle, workflows, how)
      local about = { bundle = bundle, folder = how and how.folder, announce = how and how.announce }
      local all = {}
      for _, workflow in ipairs(workflows) do all[workflow] = {} end
      local group = store:announcement(all, nil, about)
      local answer = host.upkeep:say(table.unpack(group))
      host.version, host.older = answer[2], {}
      for i = 3, #answer, 2 do host.older[#host.older + 1] = answer[i] .. ":" .. answer[i + 1] end
      table.sort(host.older)
      return table.concat(host.older, " ")
    end
    function host.leave() return host.upkeep:say("deregister", number) end
    return host
  end

  -- "w:bundle", for each workflow; with a "-" where it was removed
  local function registered()
    local reply, list = store:say "registry", {}
    for i = 2, #reply, 2 do
      local entry = json.decode(reply[i + 1])
      list[#list + 1] = reply[i] .. ":" .. entry.bundle .. (entry.removed and "-" or "")
    end
    table.sort(list)
    return table.concat(list, " ")
  end

  local function stored()
    local names = {}
    for name in pairs(store:dump()) do names[#names + 1] = name:match "^bundle:(.*)$" end
    table.sort(names)
    return table.concat(names, " ")
  end

  it("keeps with the host which bundles are its own, one for each folder", function()
    local one = host_of "one"
    one.hold("a1", { "w" })
    one.hold("b1", { "v" }, { folder = 1 })
    for i = 2, 50 do one.hold("b" .. i, { "v" }, { folder = 1 }) end
    local hosts = store:say "hosts"
    assert.equal("a1 b50", hosts[8])
    local folders = store:call("HMGET", "host:" .. one.number, "folder:0", "folder:1", "workflows:1", "bundles")
    assert.same({ "a1", "b50", "v" }, { folders[1], folders[2], folders[3] })
    assert.is_falsy(folders[4])
    assert.equal("a1 b50", stored())
  end)

  it("keeps them also when both folders come in one call", function()
    local one = host_of "one"
    one.upkeep:ask(0, store:announcement({ w = {} }, nil, { bundle = "a1" }),
      store:announcement({ v = {} }, nil, { bundle = "b1", folder = 1 }))
    local hosts = store:say "hosts"
    assert.equal("a1 b1", hosts[8])
    assert.same({ "1", "2" }, { store:call("ZSCORE", "bundles", "a1"), store:call("ZSCORE", "bundles", "b1") })
  end)

  it("makes a bundle the newest that no host has announced before", function()
    local one, two = host_of "one", host_of "two"
    assert.equal("", one.hold("a", { "w" }))
    assert.equal("", two.hold("b", { "w" }))
    assert.equal("w:b", registered())
    assert.same({ "1", "2", 2 }, { one.version, two.version, entry_of("w").version })
  end)

  it("makes none the newest that was seen, where the folder did not hold the newest", function()
    local old, new = host_of "old", host_of "new"
    old.hold("a", { "w", "v" })
    new.hold("b", { "w", "v" })
    old.leave()
    old = host_of "old"
    assert.equal("v:b w:b", old.hold("a", { "w", "v" })) -- restarts in the midst of a deploy
    assert.equal("v:b w:b", registered())
    assert.equal("b", stored())
    assert.equal("", old.hold("b", { "w", "v" })) -- is deployed, too
    new.hold("c", { "w", "v" })
    assert.equal("v:c w:c", old.hold("a", { "w", "v" })) -- it held b, which was not the newest any more
    assert.equal("v:c w:c", registered())
    assert.same({}, store:faults())
  end)

  it("makes one the newest again where the folder held the newest until then", function()
    local one, two = host_of "one", host_of "two"
    one.hold("a", { "w" })
    two.hold("a", { "w" })
    one.hold("b", { "w" })
    assert.equal("", one.hold("a", { "w" })) -- a revert
    assert.equal("w:a", registered())
    assert.equal(3, entry_of("w").version)
    assert.equal("a", stored())
    one.hold("c", { "w" })
    assert.equal("w:c", two.hold("b", { "w" })) -- a copy that is late
    assert.equal("w:c", registered())
    assert.equal("", two.hold("c", { "w" }))
    assert.equal("", two.hold("b", { "w" })) -- a revert that the other host has not heard of
    assert.equal("w:b", registered())
    assert.equal("b", stored())
  end)

  it("makes the last of several copies the newest, whatever lies between", function()
    local one, two = host_of "one", host_of "two"
    one.hold("a", { "w" })
    two.hold("a", { "w" })
    one.hold("half", { "w" })
    one.hold("b", { "w" })
    assert.equal("w:b", two.hold("half", { "w" }))
    assert.equal("", two.hold("b", { "w" }))
    two.hold("other half", { "w" }) -- never seen
    assert.equal("", two.hold("b", { "w" }))
    assert.equal("w:b", registered())
  end)

  it("goes back on purpose", function()
    local one = host_of "one"
    for _, bundle in ipairs { "a", "b", "c" } do one.hold(bundle, { "w" }) end
    local two = host_of "two"
    assert.equal("w:c", two.hold("a", { "w" }))
    assert.equal("", two.hold("a", { "w" }, { announce = true }))
    assert.equal("w:a", registered())
    assert.equal("4", two.version)
    assert.equal("", two.hold("a", { "w" }, { announce = true }))
    assert.equal("4", two.version) -- it is the newest already
  end)

  it("keeps back a host that was off for two deploys", function()
    local one, two = host_of "one", host_of "two"
    one.hold("a", { "w" })
    two.hold("a", { "w" })
    two.leave()
    one.hold("b", { "w" })
    one.hold("c", { "w" })
    two = host_of "two"
    assert.equal("w:c", two.hold("a", { "w" }))
    two.leave()
    two = host_of "two"
    assert.equal("w:c", two.hold("b", { "w" }))
    assert.equal("w:c", registered())
  end)

  it("serves from each of two folders what the other lacks, and what both have from the newest", function()
    local one, two = host_of "one", host_of "two"
    one.hold("a", { "shared", "v" })
    two.hold("b", { "shared", "w" })
    assert.equal("shared:b v:a w:b", registered())
    one.leave()
    one = host_of "one"
    assert.equal("shared:b", one.hold("a", { "shared", "v" }))
    one.hold("a2", { "shared", "v" })
    assert.equal("shared:a2 v:a2 w:b", registered())
    assert.equal("shared:a2", two.hold("b", { "shared", "w" }))
    assert.equal("a2 b", stored())
    assert.same({}, store:faults())
  end)

  it("lets the last of two new ones win", function()
    local one, two = host_of "one", host_of "two"
    one.hold("a", { "w" })
    two.hold("a", { "w" })
    one.hold("b", { "w" })
    two.hold("c", { "w" })
    assert.equal("w:c", registered())
    assert.equal("w:c", one.hold("b", { "w" }))
  end)

  it("does not count weir's own workflows, which every bundle has", function()
    local one, two = host_of "one", host_of "two"
    one.hold("a", { "v", "weir.graph" })
    two.hold("b", { "w", "weir.graph" })
    assert.equal("v:a w:b weir.graph:b", registered())
    assert.equal("", one.hold("a", { "v", "weir.graph" }))
  end)

  it("says the same when its reply was lost", function()
    local one, two = host_of "one", host_of "two"
    local function twice(host, ...)
      local first, version = host.hold(...), host.version
      local there = registered()
      assert.same({ first, version, there }, { host.hold(...), host.version, registered() })
    end
    twice(one, "a", { "w", "v" })
    twice(two, "b", { "w" })
    twice(two, "a", { "w", "v" }) -- a revert
    twice(one, "c", { "w", "v" })
    twice(two, "b", { "w", "v" }) -- older
    twice(two, "b", { "w", "v" }, { announce = true })
    assert.same({}, store:faults())
  end)

  it("remembers a bounded number of names, also when their sources are gone", function()
    local one = host_of "one"
    one.hold("a", { "w" })
    one.hold("b", { "w" })
    assert.equal("b", stored())
    assert.same({ "a", "b" }, store:call("ZRANGE", "bundles", 0, -1))
    local names = {}
    for i = 1, 2000 do names[2 * i - 1], names[2 * i] = i / 10000 - 10, "x" .. i end
    for n = 1, 5 do
      for i = 1, 2000 do names[2 * i] = ("x%d.%d"):format(n, i) end
      store:call("ZADD", "bundles", table.unpack(names))
    end
    one.hold("c", { "w" })
    assert.equal(10000, store:call("ZCARD", "bundles"))
    assert.equal("2", store:call("ZSCORE", "bundles", "b"))
  end)

  -- ------------------------------------------------------------------------------------------------

  describe("that lacks a workflow", function()
    local function starts(workflow)
      local count = #store:call("ZRANGE", "roots", 0, -1)
      return store:say("start", "r" .. count, workflow, "{}", "7", "", 0)[1]
    end

    it("takes it out of the registry", function()
      local one = host_of "one"
      one.hold("a", { "v", "w" })
      one.hold("b", { "v" })
      assert.equal("v:b", registered())
      assert.equal("unknown", starts "w")
      assert.equal("b", stored())
      one.hold("c", {})
      assert.equal("", registered())
      assert.equal("", stored())
      assert.same({}, store:faults())
    end)

    it("leaves it to a host that has it, until that one has gone", function()
      local one, two = host_of "one", host_of "two"
      one.hold("a", { "v", "w" })
      two.hold("a", { "v", "w" })
      one.hold("b", { "v" })
      assert.equal("v:b w:a-", registered())
      assert.equal("started", starts "w")
      store:say("cancel", "r0", "")
      store:pass(1000)
      store:heartbeat(one.number)
      store:pass(1000) -- the lease of the other runs out
      assert.equal("v:b w:a-", registered())
      store:heartbeat(one.number)
      store:pass(300)
      store:heartbeat(one.number)
      assert.equal("v:b", registered())
      assert.equal("unknown", starts "w")
      assert.equal("b", stored())
      assert.same({}, store:faults())
    end)

    it("leaves it to a host that restarts with it, until it has the newer files", function()
      local one, two = host_of "one", host_of "two"
      one.hold("a", { "v", "w" })
      two.hold("a", { "v", "w" })
      one.hold("b", { "v" })
      two.leave()
      assert.equal("v:b", registered())
      two = host_of "two"
      assert.equal("v:b", two.hold("a", { "v", "w" }))
      assert.equal("v:b w:a-", registered())
      two.leave()
      assert.equal("v:b", registered())
    end)

    it("leaves it to runs that have not ended", function()
      local one = host_of "one"
      local worker = store:worker(one.number .. ".1")
      one.hold("a", { "w" })
      assert.equal("started", starts "w")
      assert.same({ "cold r0" }, worker:claim())
      one.hold("b", { "v" })
      assert.equal("v:b w:a-", registered())
      worker:turn("r0", { "retry", 10, "{}" })
      store:pass(20)
      assert.same({ "cold r0" }, worker:claim(1, { "promote" }))
      assert.equal("a", store:run("r0").bundle)
      worker:turn("r0", redis.complete())
      store:heartbeat(one.number)
      assert.equal("v:b", registered())
      assert.equal("b", stored())
      assert.same({}, store:faults())
    end)

    it("keeps it for attempts on its bundle, which may invoke it, and for no others", function()
      local one = host_of "one"
      local worker = store:worker(one.number .. ".1")
      one.upkeep:say(table.unpack(store:announcement({ p = {}, w = { queue = "gpu" } }, nil, { bundle = "a" })))
      starts "p"
      worker:claim()
      one.hold("b", { "p" })
      assert.equal("p:b", registered())
      assert.equal("unknown", starts "w")
      worker:turn("r0", redis.invoke { operation = "c", child = "r0/c" }, redis.suspend)
      assert.equal("gpu", store:run("r0/c").queue)
      assert.same({ "cold r0/c" }, worker:claim())
      assert.equal("a", store:run("r0/c").bundle)
      worker:turn("r0/c", redis.complete())
      worker:claim()
      worker:turn("r0", redis.complete())
      store:heartbeat(one.number)
      assert.same({ "p" }, store:call("HKEYS", "registry"))
      assert.same({ "p" }, store:call("HKEYS", "unfinished"))
      assert.equal("b", stored())
      assert.same({}, store:faults())
    end)

    it("lets a run on older code invoke it all the same", function()
      local one = host_of "one"
      local worker = store:worker(one.number .. ".1")
      one.hold("a", { "p", "w" })
      starts "p"
      worker:claim()
      one.hold("b", { "p", "w" })
      one.hold("c", { "p" })
      assert.equal("p:c", registered())
      worker:turn("r0", redis.invoke { operation = "c", child = "r0/c" }, redis.suspend)
      assert.same({ "cold r0/c" }, worker:claim())
      assert.equal("a", store:run("r0/c").bundle)
      worker:turn("r0/c", { "retry", 10, "{}" })
      store:pass(20)
      assert.same({ "cold r0/c" }, worker:claim(1, { "promote" }))
      local run = store:run "r0/c"
      assert.same({ "a", "a" }, { run.bundle, run["bundle@1"] })
      worker:turn("r0/c", redis.complete())
      assert.same({}, store:faults())
    end)

    it("refuses it to runs of other bundles", function()
      local one = host_of "one"
      local worker = store:worker(one.number .. ".1")
      one.hold("a", { "v", "w" })
      one.hold("z", { "p" }, { folder = 1 })
      starts "p"
      worker:claim()
      one.hold("b", { "v" })
      local unknown = '{"code":"unknown_workflow"}'
      assert.equal("running 1:c=refused",
        worker:turn("r0", redis.invoke { operation = "c", child = "r0/c", unknown = unknown }))
    end)

    it("lets a run of it that is retried by hand wait until a host has it again", function()
      local one = host_of "one"
      local worker = store:worker(one.number .. ".1")
      one.upkeep:say(table.unpack(store:announcement({ w = { queue = "gpu" } }, nil, { bundle = "a" })))
      starts "w"
      worker:claim()
      worker:turn("r0", redis.fail())
      one.hold("b", { "v" })
      assert.equal("v:b", registered())
      assert.same({ "retried" }, store:say("retry", 1, "r0", store:run("r0").turn, "rule"))
      assert.same({}, worker:claim())
      one.hold("c", { "v", "w" })
      assert.equal("gpu", store:run("r0").queue)
      assert.same({ "cold r0" }, worker:claim())
      assert.equal("c", store:run("r0").bundle)
      assert.same({}, store:faults())
    end)

    it("takes it where a host restarts with newer files, once the others have them", function()
      local one, two = host_of "one", host_of "two"
      one.hold("a", { "u", "v", "w" })
      two.hold("a", { "u", "v", "w" })
      one.leave()
      one = host_of "one"
      one.hold("b", { "u", "v" })
      assert.equal("u:b v:b w:a-", registered())
      two.leave()
      assert.equal("u:b v:b", registered())
    end)

    it("takes it where a host restarts with newer files, also when most workflows were removed meanwhile", function()
      local one = host_of "one"
      one.hold("a", { "u", "v", "w" })
      one.leave()
      one = host_of "one"
      one.hold("b", { "u" })
      assert.equal("u:b", registered())
      assert.equal("b", stored())
      assert.same({}, store:faults())
    end)

    it("does not take it where another host has such files while the one is off", function()
      local one, two = host_of "one", host_of "two"
      one.hold("a", { "u", "v", "w" })
      one.leave()
      two.hold("b", { "u" })
      assert.equal("u:b v:a w:a", registered())
      one = host_of "one"
      one.hold("c", { "u", "w" })
      assert.equal("u:c w:c", registered())
      assert.same({}, store:faults())
    end)

    it("takes it once the host is back with its older files and these are changed", function()
      local one, two = host_of "one", host_of "two"
      one.hold("a", { "v", "w", "x" })
      one.leave()
      one = host_of "one"
      two.hold("z", { "other" })
      one.hold("a", { "v", "w", "x" })
      one.leave()
      one = host_of "one"
      one.hold("b", { "v" })
      assert.equal("other:z v:b", registered())
      assert.same({}, store:faults())
    end)

    it("remembers a bounded number of folders", function()
      for i = 1, 1010 do
        local host = host_of("node-" .. i)
        host.hold("a", { "v" })
        host.leave()
      end
      assert.equal(1000, store:call("ZCARD", "folders"))
      assert.same({}, store:faults())
    end)

    it("does not take it when it is another folder's", function()
      local one, two = host_of "one", host_of "two"
      one.hold("a", { "v" })
      two.hold("b", { "w" })
      two.leave() -- for a while
      one.hold("a2", { "v" })
      store:heartbeat(one.number)
      assert.equal("v:a2 w:b", registered())
      assert.equal("started", starts "w")
    end)

    it("gives it back when it comes again", function()
      local one = host_of "one"
      one.hold("a", { "v", "w" })
      one.hold("b", { "v" })
      assert.equal("", one.hold("a", { "v", "w" }))
      assert.equal("v:a w:a", registered())
      assert.same({}, store:call("SMEMBERS", "removed"))
    end)

    it("moves it between folders of one host in one call", function()
      local one = host_of "one"
      one.hold("a", { "v", "w" })
      one.hold("b", { "x" }, { folder = 1 })
      one.upkeep:ask(0, store:announcement({ v = {} }, nil, { bundle = "a2" }),
        store:announcement({ x = {}, w = {} }, nil, { bundle = "b2", folder = 1 }))
      assert.equal("v:a2 w:b2 x:b2", registered())
      one.upkeep:ask(0, store:announcement({ v = {}, w = {} }, nil, { bundle = "a3" }),
        store:announcement({ x = {} }, nil, { bundle = "b3", folder = 1 }))
      assert.equal("v:a3 w:a3 x:b3", registered())
    end)

    it("takes many out, a bounded number a call", function()
      local one, many = host_of "one", {}
      for i = 1, 250 do many[i] = "w" .. i end
      one.hold("a", many)
      one.hold("b", { "v" })
      assert.equal(151, store:call("HLEN", "registry"))
      for _ = 1, 30 do store:heartbeat(one.number) end
      assert.equal("v:b", registered())
      assert.equal("b", stored())
    end)
  end)
end)
