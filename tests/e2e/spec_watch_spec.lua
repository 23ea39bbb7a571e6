-- `weir dev --test`: a host beside which the specs run that a saved file concerns.

local support = require "tests.support"

local build = support.build
if not build:find "^/" then
  local listing <close> = assert(io.popen "pwd")
  build = listing:read "l" .. "/" .. build
end

local FLOW = 'local weir = require "weir"\nreturn weir.workflow { id = "%s", run = function() return %d end }\n'
local SPEC = [[
local testing = require "weir.testing"
it("of %s is one", function() assert.equal(1, testing.new { dir = "flows" }:run("%s").result) end)
]]
local PASSED = "weir test: %d+ passed in %d+%.%d s[^\n]*\n"

describe("weir dev --test", function()
  local folder, host

  local function write(path, text) support.write(folder .. "/" .. path, text) end

  before_each(function()
    folder = support.folder()
    assert(os.execute(("mkdir '%s/flows' '%s/spec'"):format(folder, folder)))
    write("flows/order.lua", FLOW:format("order", 1))
  end)

  after_each(function()
    if host then host:stop "TERM" end
    host = nil
    support.remove(folder)
  end)

  local function dev()
    host = support.process { "sh", "-c", ('cd "$1" && exec "$2" dev flows --test'), "sh", folder, build .. "/weir" }
  end

  -- Waits until it has said this, a pattern, behind all that was found before.
  local seen
  local function says(pattern)
    return support.wait_until("weir dev to say: " .. pattern, function()
      assert(not host:status(), host:stderr())
      local from, to = host:stderr():find(pattern, seen)
      if from then seen = to + 1 end
      return from and host:stderr():sub(from, to)
    end)
  end

  before_each(function() seen = 1 end)

  it("runs all specs, then those that a change concerns, and says in a line how they ended", function()
    write("spec/order_spec.lua", SPEC:format("order", "order"))
    write("spec/plain_spec.lua", 'it("is plain", function() end)')
    dev()
    assert.matches("^weir test: 2 passed in %d+%.%d s\n$", says(PASSED))

    write("flows/order.lua", FLOW:format("order", 2))
    local behind = seen
    says "flows: bundle %x+ live %(was %x+%): order.lua changed\n"
    seen = behind -- the host and the specs are two processes: either may be the first to say so
    says "weir test: 1 failed in %d+%.%d s: spec/order_spec.lua\n  [^\n]*of order is one\n"
    says "Expected objects to be equal"

    write("flows/order.lua", FLOW:format("order", 1) .. "\n")
    assert.matches("1 passed in %d+%.%d s: spec/order_spec.lua\n", says(PASSED))

    write("spec/plain_spec.lua", 'it("is plain", function() end) -- still\n')
    assert.matches("1 passed in %d+%.%d s: spec/plain_spec.lua\n", says(PASSED))
  end)

  it("waits for a first spec, also in the folder of the workflows", function()
    assert(os.execute(("rmdir '%s/spec'"):format(folder)))
    dev()
    says "weir: no specs: there is no spec/ here, nor any %*_spec.lua; name one: weir test PATH\n"
    write("flows/order_spec.lua", SPEC:format("order", "order"))
    assert.matches("1 passed", says(PASSED))
  end)

  -- The specs that run have the host's process as an ancestor.
  local function await_pid()
    return support.wait_until("a spec to hang", function()
      local pid = support.read(folder .. "/pid")
      return pid and pid:match "^(%d+)\n"
    end)
  end

  for _, signal in ipairs { "TERM", "KILL" } do
    it(("and its specs end together on SIG%s"):format(signal), function()
      write("spec/hangs_spec.lua", 'it("hangs", function() os.execute "echo $PPID >pid" while true do end end)')
      dev()
      local spec = await_pid()
      host:stop(signal)
      host = nil
      support.wait_until("the specs to end", function()
        local stat = support.read(("/proc/%s/stat"):format(spec))
        return not stat or stat:find "%) Z 1 "
      end)
    end)
  end
end)
