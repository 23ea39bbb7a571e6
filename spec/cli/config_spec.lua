local command_line = require "weir.cli.command_line"
local flags = require "weir.cli.flags"

local function settings(words, variables)
  local line = assert(command_line.read(words, {
    variable = function(name) return (variables or {})[name] end, check_url = function() end,
  }))
  local by_key = {}
  for _, setting in ipairs(line.options.settings) do by_key[setting.key] = setting end
  return by_key, line
end

describe("weir config", function()
  it("tells each setting of serve, with its text and where it comes from", function()
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    local file <close> = assert(io.open(path, "w"))
    file:write 'return { warm = 7, max_cpu = "2s", workers = 3 }'
    file:flush()
    local found = settings({ "config", "--workers", "5", "--config", path },
      { WEIR_MAX_CPU = "3s", WEIR_WORKERS = "4" })
    assert.same({ key = "workers", value = "5", from = "--workers" }, found.workers)
    assert.same({ key = "max_cpu", value = "3s", from = "WEIR_MAX_CPU" }, found.max_cpu)
    assert.same({ key = "warm", value = "7", from = path }, found.warm)
    assert.same({ key = "drain", value = "30s", from = "default" }, found.drain)
    assert.same({ key = "node", from = "default" }, found.node)
    for _, flag in ipairs(flags.rows) do
      local is_setting = flag.commands.serve and not flag.once
      assert.equal(is_setting or false, found[flags.key(flag)] ~= nil, flag.name)
    end
  end)

  it("has no URL of Redis, which may have a password, and looks for no Redis", function()
    local found, line = settings({ "config" }, { WEIR_REDIS = "redis://u:sesame@h:1" })
    assert.same({ key = "redis", from = "WEIR_REDIS" }, found.redis)
    assert.is_false(line.uses_redis)
  end)

  it("is told of by no other command", function()
    local line = assert(command_line.read({ "serve" }, { variable = function() end, check_url = function() end }))
    assert.is_nil(line.options.settings)
  end)
end)
