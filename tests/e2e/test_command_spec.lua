-- `weir test`: busted in the binary. Specs that pass and fail, where they are looked for, which lines
-- did not run, and what is run again when a file is saved.

local support = require "tests.support"

local build = support.build
if not build:find "^/" then
  local listing <close> = assert(io.popen "pwd")
  build = listing:read "l" .. "/" .. build
end

local PRICE = [[
-- The price of an order.
local weir = require "weir"

local function discount(total)
  if total < 100 then
    return 0
  end
  local rate = 0.1
  return total * rate
end

return weir.workflow {
  id = "price",
  run = function(_, data)
    local total = 2 * data.amount
    return total - discount(total)
  end,
}
]]

local PRICE_SPEC = [[
local bundle = require "weir.code.bundle"

local function workflow()
  local file <close> = assert(io.open "workflows/price.lua")
  return assert(bundle.load("", { ["price.lua"] = file:read "a" })).workflows.price
end

describe("the price", function()
  it("is twice the amount", function() assert.equal(6, workflow().run(nil, { amount = 3 })) end)
end)
]]

local PLAIN_SPEC = [[
it("runs in Lua 5.4 with everything that it has", function()
  assert.equal("Lua 5.4", _VERSION)
  assert.is_function(io.open)
  assert.is_function(debug.sethook)
  assert.is_function(require("weir").workflow)
  assert.equal("of workflows", require "shared")
end)
]]

describe("weir test", function()
  local folder

  local function write(path, text) support.write(folder .. "/" .. path, text) end

  before_each(function()
    folder = support.folder()
    assert(os.execute(("mkdir '%s/spec' '%s/workflows'"):format(folder, folder)))
    write("workflows/price.lua", PRICE)
    write("workflows/shared.lua", "return 'of workflows'\n")
    write("spec/price_spec.lua", PRICE_SPEC)
    write("spec/plain_spec.lua", PLAIN_SPEC)
  end)

  after_each(function() support.remove(folder) end)

  -- In a folder below the project's; the variables come first, as the shell has them.
  local function command(place, line)
    return { "sh", "-c", ("cd '%s/%s' && exec env %s"):format(folder, place, (line:gsub("weir", build .. "/weir", 1))) }
  end

  local function run_in(place, line)
    local process = support.process(command(place, line))
    process:wait()
    local stdout = process:stdout()
    local status, stderr = process:stop()
    return { status = status, stdout = stdout, stderr = stderr }
  end

  local function run(line) return run_in(".", line) end

  it("runs the specs in spec/", function()
    local reply = run "weir test -o TAP"
    assert.same({ status = 0, stderr = "", stdout = [[
ok 1 - runs in Lua 5.4 with everything that it has
ok 2 - the price is twice the amount
1..2
]] }, reply)
  end)

  it("ends with 1 when one fails, and names it", function()
    write("spec/wrong_spec.lua", 'it("is wrong", function() assert.equal(1, 2) end)')
    local reply = run "weir test"
    assert.equal(1, reply.status)
    assert.truthy(reply.stdout:find("spec/wrong_spec.lua:1: Expected objects to be equal", 1, true), reply.stdout)
    write("spec/wrong_spec.lua", "it(")
    assert.equal(1, run("weir test").status)
  end)

  it("tells of a mistyped mock when the spec ends", function()
    write("spec/mock_spec.lua", [[
local testing, weir = require "weir.testing", require "weir"
local order = weir.workflow { id = "order", run = function(ctx) return ctx:step("charge", function() return 1 end) end }
local runner
before_each(function()
  runner = testing.new { workflows = { order } }
  runner:mock_step("order", "chrage", 2)
end)
it("runs", function() runner:run("order") end)
it("runs nothing", function() end)
]])
    local reply = run "weir test spec/mock_spec.lua"
    assert.same({ 0, 'weir: warning: spec/mock_spec.lua:6: runner:mock_step("order", "chrage", …) was never asked for, '
      .. 'and "charge" ran for real; did you mean "charge"?\n' }, { reply.status, reply.stderr })
  end)

  it("gives busted what is busted's", function()
    assert.equal("ok 1 - the price is twice the amount\n1..1\n",
      run("weir test --filter=twice --output TAP").stdout)
    assert.equal("ok 1 - the price is twice the amount\n1..1\n",
      run("weir test -o TAP -- spec/price_spec.lua").stdout)
    write(".busted", [[return { default = { lua = "nosuchlua", output = "TAP", ROOT = { "spec/price_spec.lua" } } }]])
    assert.equal("ok 1 - the price is twice the amount\n1..1\n", run("weir test").stdout)
  end)

  it("runs side by side", function()
    local both = {}
    for i = 1, 2 do both[i] = support.process(command(".", "weir test -o TAP --coverage")) end
    for i = 1, 2 do
      assert.equal(0, both[i]:wait())
      assert.truthy(both[i]:stdout():find("1..2\n", 1, true))
      both[i]:stop()
    end
  end)

  it("finds specs elsewhere when there is no spec/", function()
    local reply = run_in("spec", "weir test -o TAP --filter=Lua")
    assert.same({ 1, "not ok 1" }, { reply.status, reply.stdout:sub(1, 8) }) -- no workflows/ there
    assert.equal(0, run_in("workflows", "weir test -C .. -o TAP").status)
  end)

  it("says what is wrong with the call", function()
    local function refused(status, place, line)
      local reply = run_in(place, line)
      assert.same({ status, "" }, { reply.status, reply.stdout }, reply.stderr)
      return reply.stderr
    end
    assert.equal("weir: no specs: there is no spec/ here, nor any *_spec.lua; name one: weir test PATH\n",
      refused(66, "workflows", "weir test"))
    assert.equal("weir: no specs: there is no *_spec.lua in workflows; name one: weir test PATH\n",
      refused(66, ".", "weir test workflows"))
    assert.equal("weir: there is no nowhere_spec.lua\n", refused(66, ".", "weir test nowhere_spec.lua"))
    assert.equal("weir: unknown/bad flag: --outputt; see busted --help\n", refused(64, ".", "weir test --outputt"))
    assert.equal("weir: weir test needs busted: apt install lua-busted\n",
      refused(69, ".", "LUA_PATH=/nowhere/?.lua weir test"))
  end)

  it("says which lines did not run", function()
    local reply = run "weir test -o TAP --coverage"
    assert.same({ 0, "" }, { reply.status, reply.stderr })
    assert.equal([[

price.lua              81%  (9 of 11 lines)  not run: 8-9
workflows/shared.lua  100%  (1 of 1 lines)
total                  83%  (10 of 12 lines)
]], reply.stdout:match "1%.%.2\n(.*)")
  end)

  it("says so also of what runs in coroutines, and when a spec fails", function()
    write("spec/price_spec.lua", (PRICE_SPEC:gsub("workflow%(%)%.run(%b())",
      "coroutine.wrap(function() return workflow().run(nil, { amount = 300 }) end)()")))
    local reply = run "weir test --coverage"
    assert.equal(1, reply.status)
    assert.truthy(reply.stdout:find("price.lua +90%% +%(10 of 11 lines%) +not run: 6\n"), reply.stdout)
  end)

  -- Starts `weir test --watch` by this line. The process, and a function that returns the text that it wrote since it
  -- was last asked, once it waits.
  local function watching(line)
    local process = support.process(command(".", line))
    local seen = 0
    return process, function()
      return support.wait_until("the specs to have run", function()
        local text = process:stdout():sub(seen + 1)
        if not text:find "waiting for a file to be saved" then return nil end
        seen = seen + #text
        return text
      end)
    end
  end

  it("runs again what a saved file touches, until it is interrupted", function()
    local process, told = watching "weir test --watch -o TAP"

    local all = told()
    assert.truthy(all:find "^weir test: running everything\n", all)
    assert.truthy(all:find("1..2\n", 1, true), all)

    write("workflows/price.lua", (PRICE:gsub("2 %* data", "3 * data")))
    local price = told()
    assert.truthy(price:find "^weir test: workflows/price.lua changed: running spec/price_spec.lua\n", price)
    assert.truthy(price:find "not ok 1 %- the price is twice", price)
    assert.is_nil(price:find "everything that it has")

    write("workflows/shared.lua", "return 'of workflows' -- as before\n")
    assert.truthy(told():find "shared.lua changed: running spec/plain_spec.lua\nok 1 [^\n]*\n1..1\n")

    write("spec/plain_spec.lua", PLAIN_SPEC .. "\n")
    assert.truthy(told():find "spec/plain_spec.lua changed: running spec/plain_spec.lua\nok 1 [^\n]*\n1..1\n")

    write("spec/third_spec.lua", 'it("is new", function() end)')
    local third = told()
    assert.truthy(third:find "spec/third_spec.lua changed: running everything\n", third)
    assert.truthy(third:find("1..3\n", 1, true), third)

    process:signal "INT"
    assert.equal(130, process:wait())
    process:stop()
  end)

  it("says in one line, with --brief, what passed, and what failed below it", function()
    assert.matches("^weir test: 2 passed in %d+%.%d s\n$", run("weir test --brief").stdout)
    write("spec/wrong_spec.lua", 'it("is wrong", function() error("on purpose", 0) end)\npending "is to come"\n')
    local reply = run "weir test --brief"
    assert.equal(1, reply.status)
    assert.matches("^weir test: 1 failed, 2 passed, 1 pending in %d+%.%d s\n  is wrong\n"
      .. "    spec/wrong_spec.lua:1: on purpose\n$", reply.stdout)
    write("spec/wrong_spec.lua", "it(")
    assert.matches("^weir test: 1 failed, 2 passed in [^\n]+\n  spec/wrong_spec.lua[^\n]*\n    [^\n]*near <eof>\n",
      run("weir test --brief").stdout)
    assert.same({ 64, "weir: --brief is for people, and --json for programs: leave one out\n" },
      { run("weir test --brief --json").status, run("weir test --json --brief").stderr })
  end)

  -- Whether a process is there; one that ended counts until its parent has reaped it, if that is not process 1.
  local function is_there(pid)
    local stat = support.read(("/proc/%s/stat"):format(pid))
    return stat ~= nil and not stat:find("%) Z 1 ")
  end

  -- Processes that specs have noted in a file, and that are still there.
  local function left_over()
    local left = {}
    for pid in (support.read(folder .. "/pids") or ""):gmatch "%d+" do
      if is_there(pid) then left[#left + 1] = pid end
    end
    return left
  end

  -- It has begun a process of its own, and both go on until they are ended.
  local HANGS = [[
it("hangs", function()
  os.execute "sleep 1000 & echo $! $PPID >>pids"
  while true do os.execute "sleep 1" end
end)
]]

  local function await_hanging(times)
    support.wait_until("the spec to hang", function()
      return select(2, (support.read(folder .. "/pids") or ""):gsub("\n", "")) >= times
    end)
  end

  it("stops specs that run, and all that they started, for a newer change", function()
    write("spec/plain_spec.lua", HANGS)
    local process = watching "weir test --watch --brief"
    await_hanging(1)
    write("spec/plain_spec.lua", HANGS .. "\n") -- not yet known to be read by itself alone: all run again
    await_hanging(2)
    support.wait_until("the first to end", function() return #left_over() == 2 end)
    write("spec/plain_spec.lua", 'it("is mended", function() end)')
    support.wait_until("the mended spec to have run", function() return process:stdout():find "2 passed" end)
    assert.matches("^weir test: 2 passed in %d+%.%d s\n$", process:stdout())
    assert.same({}, left_over())

    write("spec/plain_spec.lua", HANGS)
    await_hanging(3)
    process:signal "INT"
    assert.equal(130, process:wait())
    assert.same({}, left_over())
    process:stop()
  end)

  it("ends specs that run when it is killed", function()
    write("spec/plain_spec.lua", HANGS)
    local process = watching "weir test --watch"
    await_hanging(1)
    local spec = support.read(folder .. "/pids"):match "%d+ (%d+)"
    process:stop "KILL"
    support.wait_until("the specs to end", function() return not is_there(spec) end)
    os.execute("kill " .. support.read(folder .. "/pids"):match "%d+")
  end)

  it("finds saved files where Linux has no more watches, and says what to raise", function()
    local process, told = watching("WEIR_INOTIFY=no-instances " .. build .. "/faulty test --watch -o TAP")
    told()
    write("workflows/price.lua", (PRICE:gsub("2 %* data", "3 * data")))
    assert.truthy(told():find "^weir test: workflows/price.lua changed: running spec/price_spec.lua\n")
    process:signal "INT"
    assert.equal(130, process:wait())
    local _, stderr = process:stop()
    assert.truthy(stderr:find "^weir test: cannot watch [^\n]*raise fs%.inotify%.max_user_instances[^\n]*\n$", stderr)
  end)
end)
