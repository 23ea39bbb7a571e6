-- `weir retry` and `weir cancel` on a real host: a run that failed on a bug goes on after the bug is fixed, with all
-- its finished work.

local facts = require "tests.facts"
local support = require "tests.support"

local redis, store, host, folder

-- Steps note themselves in a file outside of all runs, as the outside world would see them.
local HEAD = [[
local weir = require "weir"
local function note(data, line)
  local file <close> = assert(io.open(data.folder .. "/notes", "a"))
  file:write(line, "\n")
end
local function there(data, name)
  local file <close> = io.open(data.folder .. "/" .. name)
  return file ~= nil
end
]]

local PAY = [[
local pay = weir.workflow { id = "pay", retry = { attempts = 1 }, run = function(ctx, data)
  ctx:step("reserve", function() note(data, "reserve") end)
  return ctx:step { id = "charge", retry = { attempts = 1 }, run = function()
    note(data, "charge")
    if there(data, "declined") then error "card declined" end
    return "paid"
  end }
end }
]]

local function save(body) support.write(folder .. "/flows/work.lua", HEAD .. PAY .. body) end

local function data() return { folder = folder } end

local function notes()
  local counts = {}
  for line in (support.read(folder .. "/notes") or ""):gmatch "[^\n]+" do counts[line] = (counts[line] or 0) + 1 end
  return counts
end

local function begin(body)
  save(body)
  host = support.host({ folder .. "/flows" }, { redis = redis, flags = { "--node", "one", "--workers", "2" } })
end

local function weir(...) return host:weir(...) end

describe("a run that failed", function()
  before_each(function()
    redis, folder = support.redis(), support.folder()
    os.execute("mkdir " .. folder .. "/flows")
    store = facts.of(redis)
  end)

  after_each(function()
    assert.same({}, store:faults())
    host:stop()
    store:close()
    redis:stop()
    support.remove(folder)
  end)

  -- The contract's own sentence: it caught a child's failure, did its fallback and then failed on a bug.
  local ORDER = [[
return { pay, weir.workflow { id = "order", retry = { attempts = 1 }, run = function(ctx, data)
  local paid = ctx:spawn { id = "pay", workflow = "pay", data = data }:settle()
  if not paid.ok then ctx:step("invoice", function() note(data, "invoice") end) end
  %s
end } }
]]

  it("on a bug after a caught failure goes on without doing the child again", function()
    begin(ORDER:format 'local nothing; return nothing.field')
    support.write(folder .. "/declined", "")
    store:start("o", "order", data())
    assert.equal("failed", store:ended("o").state)
    host:kill()
    save(ORDER:format 'return "shipped"')
    host:start()
    local reply = weir("retry", "o")
    assert.same({ 0, "" }, { reply.status, reply.stdout })
    assert.matches("^run o begins again: nothing is reset; kept pay, invoice; on bundle %x+, before on %x+\n$",
      reply.stderr)
    local run = store:ended "o"
    assert.same({ "completed", '"shipped"', 2 }, { run.state, run.result, run.attempt })
    assert.same({ reserve = 1, charge = 1, invoice = 1 }, notes())
  end)

  local SHOP = [[
return { pay,
  weir.workflow { id = "shop", run = function(ctx, data)
    ctx:invoke { id = "first", workflow = "pay", data = data }
    return (ctx:invoke { id = "order", workflow = "order", data = data })
  end },
  weir.workflow { id = "order", run = function(ctx, data)
    return (ctx:invoke { id = "pay", workflow = "pay", data = data })
  end },
}
]]

  it("for a child goes on in the child, where that failed", function()
    begin(SHOP)
    store:start("first", "shop", data())
    assert.equal("completed", store:ended("first").state)
    support.write(folder .. "/declined", "")
    store:start("s", "order", data())
    assert.equal("failed", store:ended("s").state)
    assert.equal("run s begins again: reset pay; nothing is kept\n", weir("retry", "s").stderr)
    assert.equal("failed", store:ended("s").state)
    support.remove(folder .. "/declined")
    local reply = weir("retry", "s/pay")
    assert.equal("run s/pay begins again: reset charge; kept reserve; s begins again with it\n", reply.stderr)
    assert.equal('"paid"', store:ended("s").result)
    assert.same({ reserve = 3, charge = 5 }, notes())
    assert.equal("completed", store:state "s/pay")
  end)

  it("for several children goes on in each of them, when they are retried together", function()
    begin [[
return { pay, weir.workflow { id = "all", run = function(ctx, data)
  local futures = {}
  for i = 1, 3 do futures[i] = ctx:spawn { id = "pay-" .. i, workflow = "pay", data = data } end
  ctx:settle(futures) -- the first failure cancels those that have not failed yet
  return ctx:all(futures)
end } }
]]
    support.write(folder .. "/declined", "")
    store:start("all", "all", data())
    assert.equal("failed", store:ended("all").state)
    support.remove(folder .. "/declined")
    local reply = weir("retry", "--workflow", "pay", "--state", "failed", "--yes")
    assert.same({ 0, "retried 3\n" }, { reply.status, reply.stderr })
    assert.equal('["paid","paid","paid"]', store:ended("all").result)
    assert.same({ reserve = 3, charge = 6 }, notes())
  end)

  it("is refused with a sentence that says what to do instead", function()
    begin(SHOP)
    store:start("s", "shop", data())
    store:ended "s"
    local function refused(status, words, ...)
      local reply = weir("retry", ...)
      assert.equal(status, reply.status)
      assert.matches(words, reply.stderr, 1, true)
    end
    refused(1, "run s has completed: there is nothing to retry; --from OPERATION or --scratch resets it", "s")
    refused(1, "run s/order/pay has completed: there is nothing to retry", "s/order/pay")
    refused(1, "run s/order has completed without it; weir retry s/order --from pay", "s/order/pay", "--scratch")
    refused(66, 'run s has no operation "ordre"; did you mean "order"?', "s", "--from", "ordre")
    refused(66, 'there is no run "nope"', "nope")
    refused(64, "--from cannot be combined with scratch", "s", "--from", "order", "--scratch")
    assert.same({ reserve = 2, charge = 2 }, notes())
  end)

  it("does all again from an operation on, or from scratch, in a new generation", function()
    begin(SHOP)
    store:start("s", "shop", data())
    store:ended "s"
    weir("retry", "s", "--from", "order")
    assert.equal("completed", store:ended("s").state)
    assert.same({ reserve = 3, charge = 3 }, notes())
    assert.equal("completed", store:state "s/order~2/pay")
    assert.equal("weir: run s/order was replaced by s/order~2, which s waits for now: weir retry s/order~2\n",
      weir("retry", "s/order", "--scratch").stderr)
    assert.matches("\n  parent    s, which now waits for s/order~2\n", weir("show", "s/order").stdout)
    assert.matches("\n  parent    s\n", weir("show", "s/order~2").stdout)
    weir("retry", "s", "--scratch")
    local run = store:ended "s"
    assert.same({ "completed", 3 }, { run.state, run.generation })
    assert.equal("completed", store:state "s/first~3")
    assert.same({ reserve = 5, charge = 5 }, notes())
  end)

  it("of a graph goes on with a node and what depends on it, and names what is to be done first", function()
    begin [[
return { pay, weir.workflow { id = "note", retry = { attempts = 1 }, run = function(ctx, data)
  ctx:step("note", function() note(data, data.name) end)
  if ctx:step("look", function() return there(data, "slow") end) then ctx:sleep "1h" end
  return data.name
end }, weir.graph { id = "etl", nodes = function(data)
  local function node(key, workflow, needs)
    return { key = key, workflow = workflow, depends_on = needs, data = function(_, deps)
      for _ in pairs(deps) do end
      return { folder = data.folder, name = key }
    end }
  end
  return { node("extract", "note"), node("transform", "pay", { "extract" }), node("load", "note", { "transform" }) }
end } }
]]
    local function says(status, sentence, ...)
      local reply = weir("retry", ...)
      assert.same({ status, sentence .. "\n" }, { reply.status, reply.stderr })
    end
    support.write(folder .. "/declined", "")
    store:start("e", "etl", data())
    assert.equal("failed", store:ended("e").state)
    says(1, "weir: e/load has not begun: it depends on e/transform, which has failed; weir retry e/transform", "e/load")
    says(1, "weir: e/load has not begun: there is nothing to reset; weir retry e", "e", "--from", "load")
    support.remove(folder .. "/declined")
    says(0, "run e/transform begins again: reset charge; kept reserve; e begins again with it", "e/transform")
    assert.equal("completed", store:ended("e").state)
    assert.same({ extract = 1, reserve = 1, charge = 2, load = 1 }, notes())

    says(0, "run e/extract begins again: reset note, look; nothing is kept; e begins again with it", "e/extract",
      "--scratch")
    assert.equal("completed", store:ended("e").state)
    assert.same({ extract = 2, reserve = 2, charge = 3, load = 2 }, notes())
    assert.same({ "completed", "completed" }, { store:state "e/transform~2", store:state "e/load~2" })
    says(1, "weir: run e/load was replaced by e/load~2, which e waits for now: weir retry e/load~2", "e/load",
      "--scratch")

    support.write(folder .. "/slow", "")
    store:start("c", "etl", data())
    store:becomes("c", "waiting")
    weir("cancel", "c", "--now")
    assert.equal("cancelled", store:ended("c").state)
    says(1, "weir: c/transform has not begun: it depends on c/extract, which is cancelled; weir retry c/extract",
      "c/load")
  end)

  it("is passed over by a SELECTOR when all above it went on without it", function()
    begin [[
return { pay, weir.workflow { id = "caught", run = function(ctx, data)
  pcall(ctx.invoke, ctx, { id = "pay", workflow = "pay", data = data })
  return "without"
end }, weir.workflow { id = "stuck", retry = { attempts = 1 }, run = function(ctx, data)
  if not ctx:step("look", function() return there(data, "mended") end) then error "bug" end
end } }
]]
    support.write(folder .. "/declined", "")
    store:start("c", "caught", data())
    store:start("s", "stuck", data())
    assert.equal("completed", store:ended("c").state)
    assert.equal("failed", store:ended("s").state)
    local reply = weir("retry", "--state", "failed", "--yes")
    assert.same({ 0, "retried 1, 1 dealt with already\n" }, { reply.status, reply.stderr })
    reply = weir("retry", "c/pay")
    assert.equal(1, reply.status)
    assert.matches("run c has completed without it; weir retry c --from pay resets it", reply.stderr, 1, true)
    assert.equal("failed", store:ended("s").state)
  end)

  it("of a graph that was changed does again what depends on the failed node by now", function()
    local code = [[
return { pay, weir.workflow { id = "note", retry = { attempts = 1 }, run = function(ctx, data)
  ctx:step("note", function() note(data, data.name) end)
end }, weir.graph { id = "etl", nodes = function(data)
  local function node(key, workflow, needs)
    return { key = key, workflow = workflow, depends_on = needs, data = { folder = data.folder, name = key } }
  end
  return { node("extract", "note"), node("transform", "pay"), node("load", "note", %s), node("%s", "note") }
end } }
]]
    begin(code:format('{ "extract" }', "report"))
    support.write(folder .. "/declined", "")
    store:start("e", "etl", data())
    assert.equal("failed", store:ended("e").state)
    host:kill()
    support.remove(folder .. "/declined")
    save(code:format('{ "extract", "transform" }', "summary"))
    host:start()
    local reply = weir("retry", "e")
    assert.equal(0, reply.status)
    assert.matches("^run e begins again: reset transform; kept extract, report, load; e runs on newer code: "
      .. "nodes that depend on those, or on new nodes, are reset, too; on bundle %x+, before on %x+\n$", reply.stderr)
    assert.equal("completed", store:ended("e").state)
    assert.same({ extract = 1, reserve = 1, charge = 2, load = 2, report = 1, summary = 1 }, notes())
    assert.equal("completed", store:state "e/load~2")

    reply = weir("retry", "e/report", "--scratch")
    assert.same({ 1, "weir: graph e has no node report any more; once its code has it again: weir retry e "
      .. "--from report\n" }, { reply.status, reply.stderr })
  end)

  it("goes on after a cancel, too, and what was cancelled cannot complete before", function()
    begin [[
return { pay, weir.workflow { id = "slow", cancel_grace = "1d", run = function(ctx, data)
  local ok, err = pcall(function()
    while not ctx:step { run = function() return there(data, "gate") end } do ctx:sleep "5ms" end
  end)
  if not ok then
    ctx:step("refund", function() note(data, "refund") end)
    if data.lingers then ctx:sleep { id = "linger", duration = "1h" } end
    error(err)
  end
  return "through"
end } }
]]
    store:start("c", "slow", data())
    store:becomes("c", "waiting")
    weir("cancel", "c")
    assert.equal("cancelled", store:ended("c").state)
    assert.same({ refund = 1 }, notes())
    support.write(folder .. "/gate", "")
    assert.equal("cancelled", store:state "c")
    assert.equal(0, weir("retry", "c").status)
    local run = store:ended "c"
    assert.same({ "completed", '"through"' }, { run.state, run.result })
    assert.same({ refund = 1 }, notes())

    support.remove(folder .. "/gate")
    store:start("l", "slow", { folder = folder, lingers = true })
    store:becomes("l", "waiting")
    weir("cancel", "l")
    support.wait_until("the clean-up to linger", function()
      local linger = store:run("l")
      for _, operation in ipairs(linger.operations) do
        if operation.id == "linger" then return linger.state == "waiting" end
      end
    end)
    weir("cancel", "l", "--now")
    assert.equal("cancelled", store:ended("l").state)
  end)
end)
