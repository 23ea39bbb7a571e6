local commands = require "weir.cli.commands"
local flags = require "weir.cli.flags"
local help = require "weir.cli.help"

local function tells(name, text)
  assert.truthy(help.of_command(commands.find(name)):find(text, 1, true), text)
end

describe("help", function()
  it("lists each command that there is", function()
    local text = help.of_weir()
    for _, command in ipairs(commands.rows) do
      local line = text:find(("\n  %s "):format(command.name), 1, true)
      assert.equal(command.summary ~= nil, line ~= nil, command.name)
    end
  end)

  it("of a command lists its flags, and no others", function()
    for _, command in ipairs(commands.rows) do
      local text = command.summary and help.of_command(command) or ""
      for _, flag in ipairs(flags.rows) do
        local line = text:find(("\n  --%s "):format(flag.name), 1, true)
        assert.equal(flag.commands[command.name] == true, line ~= nil, command.name .. " --" .. flag.name)
      end
    end
  end)

  it("says what a flag means to that command", function()
    tells("start", " the queue of the run, instead of the workflow's\n")
    tells("list", " only runs of that queue\n")
    tells("show", " show the run again and again until it has ended\n")
    tells("test", " keep running: repeat the specs that a saved file concerns\n")
    tells("list", " at most that many runs (default 50)\n")
    tells("retry", " at most that many runs\n")
    tells("serve", "  --drain D                          time that running Lua has after SIGTERM to reach its next "
      .. "yield (default 30s)\n")
  end)

  it("has an example, and what flags do not tell", function()
    tells("retry", "\nexample: weir retry first\n")
    tells("retry", "What has completed is kept")
    tells("serve", "WEIR_LUA_PATH")
    assert.is_nil(help.of_command(commands.find "help"):find "WEIR_LUA_PATH")
  end)

  it("has topics", function()
    assert.truthy(help.of_topic("states"):find "  retrying   an attempt failed")
    assert.truthy(help.of_topic("durations"):find "250ms, 30s, 5m, 2h, 1d")
    assert.is_nil(help.of_topic "nothing")
  end)

  it("fits a terminal of 120 columns", function()
    for _, command in ipairs(commands.rows) do
      for line in (command.summary and help.of_command(command) or ""):gmatch "[^\n]+" do
        assert(#line <= 120, line)
      end
    end
  end)
end)
