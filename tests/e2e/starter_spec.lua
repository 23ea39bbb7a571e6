-- `weir init`: a person types what it says, and each command works at once.

local support = require "tests.support"

local HERE = assert(io.popen "pwd"):read "l"
local WEIR = (support.build:find "^/" and support.build or HERE .. "/" .. support.build) .. "/weir"

local folder

before_each(function() folder = support.folder() end)
after_each(function() support.remove(folder) end)

-- Types a command in a folder below. Returns its output and its exit status.
local function type_in(place, command)
  local pipe = assert(io.popen(("cd '%s/%s' && weir() { '%s' \"$@\"; } && %s 2>&1; echo \"status $?\""):format(
    folder, place, WEIR, command)))
  local text = pipe:read "a"
  pipe:close()
  return text:match "^(.*)status (%d+)\n$"
end

local function types(place, command)
  local text, status = type_in(place, command)
  assert.equal("0", status, text)
  return text
end

local function read(path) return support.read(folder .. "/" .. path) end

-- Runs `weir dev` as it is typed, until `act` has ended.
local function with_dev(place, command, act)
  local dev = support.process { "sh", "-c", ("cd '%s/%s' && exec '%s' %s"):format(folder, place, WEIR,
    command:match "^weir (.*)$") }
  local function said(text)
    support.wait_until("weir dev to say: " .. text, function()
      assert.is_nil(dev:status(), dev:stderr())
      return dev:stderr():find(text, 1, true)
    end)
  end
  said "ready: "
  local ok, raised = pcall(act, said)
  dev:stop "TERM"
  assert(ok, raised)
end

local function commands_in(text)
  local list = {}
  for command in text:gmatch "\n  (weir [^\n]+)" do list[#list + 1] = command end
  return list
end

describe("weir init", function()
  for name, place in pairs { ["flows"] = "flows", ["a folder that is not there"] = "a/b c", ["."] = "." } do
    it("makes a folder in which all commands that it names work at once: " .. name, function()
      local said = types(".", ("weir init '%s'"):format(place))
      local commands = commands_in(said)
      assert.equal(3, #commands, said)
      assert.truthy(types(".", commands[1]):find "3 successes / 0 failures")
      with_dev(".", commands[2], function()
        assert.truthy(types(".", commands[3]):find '^{"greeting":"Hello, ADA!","sent_at":%d+}\n$')
      end)
      assert.truthy(types(place, "weir test"):find "3 successes / 0 failures")
      assert.truthy(types(place, "weir check ."):find "1 file, 2 workflows, no faults")
      assert.truthy(types(place, "luacheck --no-color ."):find "0 warnings / 0 errors in 2 files")
    end)
  end

  it("uses the folder that the other commands use when none is named", function()
    assert.same({ "weir test workflows", "weir dev", [[weir start greet --data '{"name":"Ada"}' --wait]] },
      commands_in(types(".", "weir init")))
    assert.truthy(read "workflows/greet.lua")
  end)

  it("keeps every file that is there, and says so", function()
    os.execute(("mkdir '%s/flows'"):format(folder))
    support.write(folder .. "/flows/.busted", "return {}\n")
    support.write(folder .. "/flows/pay.lua", 'return require "weir".workflow { id = "pay", run = print }\n')
    local said = types(".", "weir init flows")
    assert.truthy(said:find("kept     flows, which has workflow files", 1, true))
    assert.truthy(said:find("kept     flows/.busted, which was there\n", 1, true))
    assert.truthy(said:find("created  flows/.luacheckrc\n", 1, true))
    assert.equal("return {}\n", read "flows/.busted")
    assert.is_nil(read "flows/greet.lua")
    assert.truthy(read "flows/.luals/weir/workflow_ids.lua":find('\n---@alias weir.WorkflowId string\n---| "pay"\n$'))
    types(".", "weir init flows")
    assert.equal("return {}\n", read "flows/.busted")
  end)

  it("says what it cannot write", function()
    support.write(folder .. "/file", "")
    local text, status = type_in(".", "weir init file/flows")
    assert.same({ "weir: cannot write file/flows/greet.lua: not a directory\n", "74" }, { text, status })
  end)
end)

describe("weir dev", function()
  it("keeps the ids for editors, where weir init was", function()
    types(".", "weir init flows")
    with_dev(".", "weir dev flows", function()
      support.write(folder .. "/flows/pay.lua", 'return require "weir".workflow { id = "pay", run = print }\n')
      support.wait_until("the editor's list to name it", function()
        return read "flows/.luals/weir/workflow_ids.lua":find('"greet"\n---| "pay"\n---| "upper"\n', 1, true)
      end)
    end)
  end)

  it("writes nothing else into the folder", function()
    os.execute(("mkdir '%s/flows'"):format(folder))
    support.write(folder .. "/flows/pay.lua", 'return require "weir".workflow { id = "pay", run = print }\n')
    with_dev(".", "weir dev flows", function(said)
      support.write(folder .. "/flows/pay.lua", 'return require "weir".workflow { id = "buy", run = print }\n')
      said "live (was"
    end)
    assert.equal("pay.lua\n", types("flows", "ls -A"))
  end)
end)
