-- A folder that changes while its host serves: new attempts run the new files, those that have begun go on with theirs,
-- and files that do not load change nothing.

local facts = require "tests.facts"
local json = require "weir.json"
local support = require "tests.support"

local flow = support.workflow

local redis, store, host, folder, gate

local function write(path, text) support.write(folder .. "/" .. path, text) end

-- While the host runs it finds these changes at once: else it would depend on the pace of the machine how many changes
-- it sees, and whether it finds a file half written.
local function at_once(act)
  if host then host.process:paused_during(act) else act() end
end

local function save(path, text)
  at_once(function() write(path, text) end)
end

-- As editors do it: a file beside it takes its place.
local function save_by_rename(path, text)
  write(path .. "~", text)
  assert(os.rename(folder .. "/" .. path .. "~", folder .. "/" .. path))
end

local function sh(line)
  at_once(function() assert(os.execute(("cd '%s' && %s"):format(folder, line))) end)
end

local function log() return host.process:stderr() end

local function says(pattern, times) return host.process:says(pattern, times) end

local function start_host(more, env, under)
  local flags = { "--node", "one", "--workers", "2", table.unpack(more or {}) }
  host = support.host({ folder .. "/flows" },
    { redis = redis, flags = flags, env = env, program = env and "faulty" or "weir", under = under })
end

local count = 0
local function result(workflow)
  count = count + 1
  store:start("run-" .. count, workflow)
  return store:ended("run-" .. count).result
end

before_each(function()
  redis, folder = support.redis(), support.folder()
  store, gate = facts.of(redis), folder .. "/gate"
  sh "mkdir flows"
  save("flows/order.lua", flow("order", 'return "old"'))
end)

after_each(function()
  support.write(gate, "")
  assert.same({}, store:faults())
  if host then host:stop() end
  host = nil
  store:close()
  redis:stop()
  support.remove(folder)
end)

local UNTIL_OPEN = "while not ctx:step { run = function() return io.open(data.gate) ~= nil end } do "
  .. 'ctx:sleep "5ms" end '

describe("a file that is saved", function()
  it("is what new attempts run, and one line says so", function()
    start_host()
    assert.equal('"old"', result "order")
    save("flows/order.lua", flow("order", 'return "new"'))
    local new, old = says "flows: bundle (%x+) live %(was (%x+)%): order.lua changed\n"
    assert.not_equal(new, old)
    assert.equal('"new"', result "order")
    assert.equal(new, store:run("run-2").bundle:sub(1, 16))
    local bundles = host:weir("bundles").stdout
    assert.truthy(bundles:find(("\n%s +%%S+ ago +0 +one +order\n$"):format(new)), bundles)
  end)

  it("is loaded by all workers before a run needs it", function()
    start_host()
    save("flows/order.lua", flow("order", 'return "new"'))
    says "live %(was"
    local seen = 1
    support.wait_until("both workers to have the bundle", function()
      host.process:signal "USR1"
      local text = support.wait_until("both workers to say what they have", function()
        local said = log():sub(seen)
        return select(2, said:gsub("batches under way, %d+ bundles", "")) >= 2 and said
      end)
      seen = seen + #text
      return select(2, text:gsub("batches under way, 1 bundles", "")) >= 2
    end)
    assert.equal('"new"', result "order")
  end)

  it("is not seen by an attempt that has begun", function()
    save("flows/order.lua", flow("order", UNTIL_OPEN .. 'return "old"'))
    start_host()
    store:start("r", "order", { gate = gate })
    store:becomes("r", "waiting")
    save_by_rename("flows/order.lua", flow("order", 'return "new"'))
    says "live %(was"
    assert.equal('"new"', result "order")
    support.write(gate, "")
    assert.equal('"old"', store:ended("r").result)
  end)

  it("as it was is announced again", function()
    start_host()
    save("flows/order.lua", flow("order", 'return "new"'))
    local new, old = says "bundle (%x+) live %(was (%x+)%)"
    save("flows/order.lua", flow("order", 'return "old"'))
    says(("bundle %s live %%(was %s%%)"):format(old, new))
    assert.equal('"old"', result "order")
  end)

  it("with many others is one change", function()
    start_host()
    write("new", flow("order", 'return "new"'))
    sh [[for i in 1 2 3 4 5 6 7 8 9; do echo "return $i" >flows/m$i.lua; done; mv new flows/order.lua]]
    says "live %(was %x+%): m1.lua added, m2.lua added, m3.lua added, m4.lua added, m5.lua added and 5 more\n"
    assert.equal('"new"', result "order")
    assert.is_nil(log():find "error")
  end)

  it("in a new folder, and in one below that, is found; so is one that was removed", function()
    start_host()
    sh "mkdir -p flows/a"
    save("flows/a/first.lua", flow("first", "return 1"))
    says "a/first.lua added"
    assert.equal("1", result "first")
    sh "mkdir -p flows/a/b/c"
    save("flows/a/b/c/second.lua", flow("second", "return 2"))
    says "a/b/c/second.lua added"
    assert.equal("2", result "second")
    sh "rm -r flows/a/b"
    says "a/b/c/second.lua removed"
    sh "mkdir -p flows/a/b/c"
    save("flows/a/b/c/second.lua", flow("second", "return 3"))
    says("a/b/c/second.lua added", 2)
    assert.equal("3", result "second")
  end)

  it("where a link leads to is seen, and so is the link", function()
    sh "mkdir shared releases releases/1 releases/2 && rm -r flows && ln -s releases/1 flows"
    local function named_by_place(body) return (flow("", body):gsub('id = ""', "id = ...")) end
    save("shared/one.lua", named_by_place "return 1")
    save("releases/1/order.lua", flow("order", 'return "old"'))
    save("releases/2/order.lua", flow("order", 'return "new"'))
    sh "ln -s ../../shared/one.lua releases/1/one.lua && ln -s ../../shared releases/1/below"
    start_host()
    save_by_rename("shared/one.lua", named_by_place 'return "linked"')
    says "one.lua changed"
    assert.equal('"linked"', result "one")
    assert.equal('"linked"', result "below.one")
    sh "ln -s releases/2 next && mv -T next flows"
    says "order.lua changed"
    assert.equal('"new"', result "order")
  end)

  it("while the host reads its folders again for SIGHUP is told, and that nothing changed", function()
    start_host()
    host.process:signal "HUP"
    says "flows: bundle %x+ is live: its files are as they were\n"
    assert.equal('"old"', result "order")
  end)
end)

describe("a file that does not load", function()
  local function refused(text, pattern)
    save("flows/order.lua", text)
    says("error .-flows: " .. pattern)
    says "still serving bundle %x+\n"
    local live = log():match "still serving bundle (%x+)\n"
    assert.equal('"old"', result "order")
    assert.equal(live, store:run("run-" .. count).bundle:sub(1, 16))
  end

  it("changes nothing, until it is mended", function()
    start_host()
    refused("return {", "order.lua:1: .- near <eof>\n")
    refused(flow("order", "return 1") .. "error 'while it loads'", "order.lua:%d+: .-<eof>.-\n")
    refused("error 'while it loads'", "order.lua:1: while it loads\n")
    refused('local x = require "nowhere"', 'order.lua:1: module "nowhere" not found.-\n')
    refused(flow("order", "return 1"):gsub("retry", "rety"), 'order.lua:2: .-"rety".- did you mean "retry"%?\n')
    refused("return { " .. flow("order", "return 1"):gsub("^.-return", "") .. " }", "order.lua:.-\n")
    save("flows/order.lua", flow("order", 'return "new"'))
    says "live %(was %x+%): order.lua changed\n"
    assert.equal('"new"', result "order")
  end)

  it("keeps the others in its folder waiting, and is told once", function()
    start_host()
    at_once(function()
      write("flows/order.lua", "return {")
      write("flows/other.lua", flow("other", "return 1"))
    end)
    says "still serving"
    save("flows/notes.txt", "no workflow")
    host.process:signal "HUP"
    says("still serving", 2)
    save("flows/order.lua", flow("order", 'return "old"'))
    says "live %(was %x+%): other.lua added\n"
    assert.equal("1", result "other")
    local _, times = log():gsub("still serving", "")
    assert.equal(2, times)
  end)

  it("for another one has its workflow, too, is refused with both places", function()
    start_host()
    save("flows/order.lua.lua", flow("order", "return 2"))
    says 'flows: order.lua.lua:2: workflow "order" is already defined at order.lua:2\n'
    says "    2 | return weir.workflow {\n"
    assert.equal('"old"', result "order")
  end)

  it("for only half of it is written is refused, until the rest is there", function()
    local text = flow("order", 'return "new"')
    start_host()
    for i, cut in ipairs { text:find "retry", (text:find "return") - 1, 0 } do
      save("flows/order.lua", text:sub(1, cut))
      says("error .-flows: order.lua:%d+: .-\n.-still serving bundle", i)
      assert.equal('"old"', result "order")
      save("flows/order.lua", flow("order", 'return "old"'))
      says("flows: bundle %x+ is live: its files are as they were\n", i)
    end
    says("order.lua:1: the file ends without the return that it had, as one that is saved by half; save the rest, "
      .. "or end it with return nil\n", 2)
    save("flows/order.lua", text:sub(1, 60))
    says("still serving bundle", 4)
    host.process:paused_during(function()
      local file <close> = assert(io.open(folder .. "/flows/order.lua", "ab"))
      file:write(text:sub(61))
    end)
    says "live %(was"
    assert.equal('"new"', result "order")
  end)

  it("for the host may not read it is refused, until it may", function()
    start_host(nil, nil, { "setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all" })
    sh "chmod 0 flows/order.lua"
    says "flows: cannot read .-/flows/order.lua: permission denied\n.-still serving bundle"
    assert.equal('"old"', result "order")
    sh "chmod 644 flows/order.lua"
    says "flows: bundle %x+ is live: its files are as they were\n"
    sh "chmod 0 flows"
    says("cannot read .-/flows: permission denied\n.-still serving bundle")
    sh "chmod 755 flows"
    says("flows: bundle %x+ is live: its files are as they were\n", 2)
    save("flows/order.lua", flow("order", 'return "new"'))
    says "live %(was"
    assert.equal('"new"', result "order")
  end)

  if not support.build:find "tsan" then -- it keeps signals back
    it("for it loops or takes all memory is stopped, and the host keeps its lease", function()
      start_host { "--max-cpu", "3s", "--max-memory", "16MiB" }
      refused("while true do end", "order.lua:.-\n")
      refused("local t = {} while true do t[#t + 1] = {} end", "order.lua:.-\n")
      assert.is_nil(log():find "lease")
    end)
  end

  it("is named by stats and by why until it is mended", function()
    start_host()
    local function stats()
      local reply = host:weir("stats", "--json")
      return json.decode(reply.stdout).hosts[1].refused
    end
    save("flows/order.lua", flow("order", 'error "boom"'))
    says "live %(was"
    store:start("r", "order")
    store:becomes("r", "failed")
    save("flows/order.lua", "return {")
    local live = says "still serving bundle (%x+)\n"
    support.wait_until("Redis to be told", function() return #stats() == 1 end)
    local refusal = stats()[1]
    assert.same({ folder .. "/flows", 1 }, { refusal.folder, #refusal.faults })
    assert.truthy(refusal.bundle:find("^" .. live))
    local why = ("; host one still serves bundle %s: %s\n"):format(live, refusal.faults[1])
    assert.truthy(host:weir("why", "r").stdout:find(why, 1, true))
    assert.truthy(host:weir("why").stdout:find(why, 1, true))
    assert.truthy(host:weir("stats").stdout:find(("flows still serves bundle %s:\n             %s\n"):format(live,
      refusal.faults[1]), 1, true))
    save("flows/order.lua", flow("order", "return 1"))
    says("live %(was", 2)
    support.wait_until("Redis to be told", function() return #stats() == 0 end)
    assert.is_nil(host:weir("why", "r").stdout:find "still serves")
  end)

  it("is shown on a terminal in colour, unless NO_COLOR asks for none", function()
    local function shown(variables)
      local place = support.folder()
      support.write(place .. "/order.lua", flow("order", "return 1"))
      local process = support.process({ "script", "-qfec",
        ("env TERM=xterm %s %s/weir serve %s --redis %s --node terminal"):format(variables, support.build, place,
          redis.url), "/dev/null" })
      local function said(text)
        support.wait_until("the terminal to show: " .. text, function() return process:stdout():find(text, 1, true) end)
      end
      said "ready: node terminal"
      support.write(place .. "/order.lua", "local x = }\n")
      said "still serving bundle"
      local text = process:stdout():gsub("\r", "")
      process:stop "TERM"
      support.remove(place)
      return text
    end
    local coloured = shown ""
    assert.truthy(coloured:find("\27[31;1merror\27[0m", 1, true))
    assert.truthy(coloured:find(": \27[1morder.lua:1\27[0m: unexpected symbol near '}'\n", 1, true))
    assert.truthy(coloured:find("\27[2m    1 | \27[0mlocal x = }\n", 1, true))
    assert.truthy(coloured:find("\27[2m      | \27[0m          \27[31;1m^\27[0m\n", 1, true))
    local plain = shown "NO_COLOR=1"
    assert.is_nil(plain:find("\27[", 1, true))
    assert.truthy(plain:find("    1 | local x = }\n", 1, true))
  end)

  it("but is as before again is no news", function()
    start_host()
    save("flows/order.lua", "return {")
    says "still serving"
    save("flows/order.lua", flow("order", 'return "old"'))
    says "flows: bundle %x+ is live: its files are as they were\n"
  end)
end)

describe("a folder that is removed", function()
  it("changes nothing, and is read again when it is back", function()
    start_host()
    sh "mv flows away"
    says "there is no folder .- still serving"
    assert.equal('"old"', result "order")
    save("away/order.lua", flow("order", 'return "new"'))
    sh "mv away flows"
    says "order.lua changed"
    assert.equal('"new"', result "order")
  end)
end)

describe("where Linux reports no changes", function()
  -- Saves, adds and removes files, in a new folder too, and replaces the folder.
  local function changes_are_found()
    save_by_rename("flows/order.lua", flow("order", 'return "renamed"'))
    says "order.lua changed"
    assert.equal('"renamed"', result "order")
    sh "mkdir -p flows/a"
    save("flows/a/first.lua", flow("first", "return 1"))
    says "a/first.lua added"
    save("flows/a/first.lua", flow("first", "return 2"))
    says "a/first.lua changed"
    assert.equal("2", result "first")
    sh "rm -r flows/a"
    says "a/first.lua removed"
    sh "mkdir other"
    save("other/order.lua", flow("order", 'return "other"'))
    sh "mv flows before && mv other flows"
    says("order.lua changed", 2)
    assert.equal('"other"', result "order")
  end

  it("a host looks at its files every so often, with --poll", function()
    start_host({ "--poll", "20ms" }, { WEIR_INOTIFY = "no-instances" })
    changes_are_found()
    assert.is_nil(log():find "inotify")
  end)

  for has_no, name in pairs { ["no-instances"] = "instance", ["no-watches"] = "watch" } do
    it("for there is no inotify " .. name .. " left, a host says once what to raise, and looks by itself", function()
      start_host({}, { WEIR_INOTIFY = has_no })
      says(("cannot watch [^\n]*: this user has no inotify %s left; raise fs%%.inotify%%.max_user_%s"):format(name,
        name == "watch" and "watches" or "instances"))
      save("flows/order.lua", flow("order", 'return "new"'))
      says "order.lua changed"
      assert.equal('"new"', result "order")
      local _, times = log():gsub("inotify", "")
      assert.equal(2, times) -- both in one line
    end)
  end
end)

describe("a run that fails on a bug", function()
  it("goes on from the failed operation once the file is saved", function()
    local KEPT = [[
      local paid = ctx:step("pay", function()
        local notes <close> = io.open(data.notes, "a")
        notes:write "paid\n"
        return 12
      end)
      return ctx:step("ship", function() %s end)
    ]]
    save("flows/order.lua", flow("order", KEPT:format "return paid + nothing"))
    start_host()
    store:start("r", "order", { notes = folder .. "/notes" })
    assert.equal("failed", store:ended("r").state)
    save("flows/order.lua", flow("order", KEPT:format "return paid + 1"))
    says "order.lua changed"
    assert.equal(0, host:weir("retry", "r").status)
    host:weir("wait", "r")
    assert.equal("13", store:ended("r").result)
    assert.equal("paid\n", support.read(folder .. "/notes"))
  end)
end)
