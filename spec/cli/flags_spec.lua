local commands = require "weir.cli.commands"
local flags = require "weir.cli.flags"
local values = require "weir.cli.values"

describe("a flag", function()
  it("has a name of its own, and belongs to commands", function()
    local seen = {}
    for _, flag in ipairs(flags.rows) do
      assert.is_nil(seen[flag.name], flag.name)
      seen[flag.name] = true
      assert(next(flag.commands) or next(flag.later), flag.name)
      for _, set in ipairs { flag.commands, flag.later, flag.help_of or {} } do
        for name in pairs(set) do assert(commands.find(name), ("--%s: no command %s"):format(flag.name, name)) end
      end
      assert.equal(flag, flags.find(flag.name))
    end
  end)

  it("has a default that can be read, and help", function()
    for _, flag in ipairs(flags.rows) do
      if next(flag.commands) then assert(flag.help, flag.name) end
      if flag.default then
        assert.not_nil((values.read(flag, flag.default, function() return nil end)), flag.name)
      end
    end
  end)

  it("is spelled after its name", function()
    local flag = flags.find "lua-path"
    assert.same({ "lua_path", "WEIR_LUA_PATH", "lua_path" },
      { flags.key(flag), flags.variable(flag), flags.option(flag) })
    assert.equal("drain_ms", flags.option(flags.find "drain"))
  end)
end)
