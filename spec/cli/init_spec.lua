-- The command line: version, help, and faults of weir itself.

local commands = require "spec.support.commands"

describe("the command line", function()
  local side, answers, client, run

  before_each(function()
    side = commands.new()
    answers, client, run = side.answers, side.client, side.run
  end)

  after_each(commands.unload)

  it("version prints the version, also as JSON", function()
    client.version = "1.2.3"
    run "version"
    assert.same({ 0, 'weir 1.2.3\n{"version":"1.2.3"}\n', "" }, { run("version", { json = true }) })
  end)

  it("loads none of the modules that a command does not need", function()
    local loaded = {}
    for name in pairs(package.loaded) do
      if name:find "^weir" then loaded[name], package.loaded[name] = package.loaded[name], nil end
    end
    side = commands.new()
    side.client.version = "1.2.3"
    side.run "version"
    local found = {}
    for _, name in ipairs { "weir.code.bundle", "weir.engine.run", "weir.define.schema", "weir.client.redis" } do
      found[#found + 1] = package.loaded[name] and name
    end
    for name, module in pairs(loaded) do package.loaded[name] = module end
    assert.same({}, found)
  end)

  it("help prints how weir or a command is used, and topics", function()
    run "help"
    run("help", "start")
    local status, text = run("help", "states")
    assert.equal(0, status)
    assert.truthy(text:find "^usage: weir COMMAND.-usage: weir start .-A run is in one of")
  end)

  it("help of a command that there is not names the nearest", function()
    assert.same({ 64, "", "weir: there is no command sho, did you mean show?; see weir help\n" },
      { run("help", "sho") })
  end)

  it("says what is wrong with weir itself, with a traceback", function()
    answers.inspect = nil
    local status, _, err = run("show", "a", { json = true })
    assert.equal(70, status)
    assert.equal("weir: Redis refused inspect: no answer to inspect\n", err)
    client.call = function() error("a bug") end
    side.said = {}
    status, _, err = run("show", "a", { json = true })
    assert.equal(70, status)
    assert.truthy(err:find("stack traceback", 1, true))
  end)
end)
