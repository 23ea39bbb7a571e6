local command_line = require "weir.cli.command_line"

local NEVER = { variable = function() return nil end, check_url = function() return nil end }

local function words_of(line)
  local words = {}
  for word in line:gmatch "%S+" do words[#words + 1] = word end
  return words
end

local function read(line, world) return command_line.read(words_of(line), world or NEVER) end

local function options(line, world)
  local found, _, message = read(line, world)
  assert(found, message)
  return found.options
end

local function refuses(line, status, message, world)
  local found, code, sentence = read(line, world)
  assert.is_nil(found)
  assert.same({ status, message }, { code, sentence })
end

local function with_variables(variables)
  return { variable = function(name) return variables[name] end, check_url = NEVER.check_url }
end

local function with_file(text, body)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  body(path)
  os.remove(path)
end

describe("a command line", function()
  it("has defaults", function()
    local line = read "serve"
    assert.equal("serve", line.command)
    assert.is_true(line.uses_redis)
    local found = line.options
    assert.same({ "workflows" }, found.folders)
    assert.same({ "*" }, found.queues)
    assert.same({ "weir", 30000, 16 << 20, 1000 },
      { found.prefix, found.drain_ms, found.max_payload, found.concurrency })
    assert.is_nil(found.workers)
    assert.is_nil(found.node)
  end)

  it("has nothing of what was not given", function()
    local found = options "start hello"
    assert.is_nil(found.priority)
    assert.is_nil(found.delay_ms)
    assert.is_nil(found.data)
    assert.is_false(found.wait)
    assert.same({}, found.tag)
    assert.is_nil(found.drain_ms) -- of hosts
  end)

  it("has flags in both spellings, some of them several times", function()
    local found = options "start hello --tag a=1 --priority -5 --tag=b=2 --wait --delay 1.5"
    assert.equal("hello", found[1])
    assert.same({ "a=1", "b=2" }, found.tag)
    assert.same({ -5, 1500, true }, { found.priority, found.delay_ms, found.wait })
  end)

  it("has flags before its command, and arguments behind two dashes", function()
    local line = read "--prefix other show -- --odd-id"
    assert.equal("show", line.command)
    assert.equal("other", line.options.prefix)
    assert.equal("--odd-id", line.options[1])
  end)

  it("of weir test has what is busted's as arguments", function()
    local found = options "test -o TAP --tags=slow --watch --json --verbose a_spec.lua -- --coverage"
    assert.same({ "-o", "TAP", "--tags=slow", "--verbose", "a_spec.lua", "--", "--coverage" },
      table.move(found, 1, #found, 1, {}))
    assert.same({ true, true, false }, { found.watch, found.json, found.coverage })
    refuses("stats -o TAP", 64, "there is no flag -o, did you mean --to?")
  end)

  it("with --help or --version is another command", function()
    assert.same({ "help", "start" }, { read("start x --help").command, read("start x --help").options[1] })
    assert.same({ "help" }, { read("-h").command, read("-h").options[1] })
    assert.equal("version", read("--version").command)
  end)

  it("says which file to run, and the folder of it is the one of the workflows", function()
    assert.same({ "workflows" }, options("run pay").folders)
    assert.same({ "flows" }, options("run pay --dir flows").folders)
    assert.same({ "lua/weir" }, options("run lua/weir/json.lua").folders)
    assert.same({ "lua/weir" }, options("run any/json.lua --dir lua/weir").folders)
    refuses("run json.lua", 66, "there is no file json.lua")
    refuses("run json.lua --dir workflows", 66, "there is no file workflows/json.lua")
  end)

  it("names folders", function()
    assert.same({ "a", "b" }, options("serve a b").folders)
    assert.same({ "a" }, options("check a").folders)
    assert.same({ "workflows" }, options("dev").folders)
    assert.is_nil(options("show a").folders)
  end)
end)

describe("a setting", function()
  it("of a flag wins over that of a variable, and that over the file's", function()
    with_file("return { workers = 2, drain = '5s', prefix = 'mine', queues = { 'a', 'b' } }", function(path)
      local found = options("serve --drain 7s --config " .. path,
        with_variables { WEIR_WORKERS = "3", WEIR_DRAIN = "6s", WEIR_PREFIX = "" })
      assert.same({ 7000, 3, "mine" }, { found.drain_ms, found.workers, found.prefix })
      assert.same({ "a", "b" }, found.queues)
      assert.equal(2, options("serve", with_variables { WEIR_CONFIG = path }).workers)
    end)
  end)

  it("of one call alone stands in no variable", function()
    assert.is_nil(options("start w", with_variables { WEIR_ID = "x" }).id)
  end)

  it("that is wrong is refused with the place that it is from", function()
    refuses("serve", 78, "WEIR_WORKERS: an integer from 1 to 256, not x", with_variables { WEIR_WORKERS = "x" })
    with_file("return { drain = 'soon' }", function(path)
      local _, status, message = read("serve --config " .. path)
      assert.equal(78, status)
      assert.truthy(message:find(path .. ': drain: "soon" is no duration', 1, true))
    end)
    refuses("serve --config nowhere.lua", 78, "cannot open nowhere.lua: No such file or directory")
  end)

  it("that loses is not looked at", function()
    assert.equal(4, options("serve --workers 4", with_variables { WEIR_WORKERS = "x" }).workers)
  end)

  it("that is the URL of a Redis is checked", function()
    local world = { variable = NEVER.variable, check_url = function(text) return text == "x" and "no URL" or nil end }
    refuses("stats --redis x", 64, "--redis: no URL", world)
    assert.equal("y", options("stats --redis y", world).redis)
  end)
end)

describe("a mistake", function()
  it("is told with what to do", function()
    refuses("", 64, "name a command: weir COMMAND; see weir help")
    refuses("sevre", 64, "there is no command sevre, did you mean serve?; see weir help")
    refuses("serve --worker 3", 64, "there is no flag --worker, did you mean --workers?")
    refuses("serve --worker=3", 64, "there is no flag --worker, did you mean --workers?")
    refuses("serve --frobnicate=secret", 64, "there is no flag --frobnicate; weir help COMMAND lists those it takes")
    refuses("show", 64, "show needs more arguments: weir show RUN [OPERATION]")
    refuses("show a b c", 64, "show does not take c; see weir help show")
    refuses("start a b", 64,
      "start does not take b; data goes with --data JSON, --data @FILE or --data - (stdin)")
    refuses("show a --wait", 64, "show does not take --wait; see weir help show")
    refuses("serve --workers", 64, "--workers needs a value: N")
    refuses("list --group colour", 64, "--group: one of error, not colour")
  end)

  it("is not to know what is to come", function()
    refuses("logs x", 64, "logs is not there yet")
    refuses("serve --listen :80", 64, "serve --listen is not there yet")
    refuses("serve --listen", 64, "serve --listen is not there yet")
    refuses("start w --listen :80", 64, "start does not take --listen; see weir help start")
  end)
end)

describe("a command", function()
  it("is found by its name", function()
    assert.equal("start", command_line.command("start").name)
    assert.same({ nil, 64, "there is no command sho, did you mean show?; see weir help" },
      { command_line.command "sho" })
    assert.same({ nil, 64, "logs is not there yet" }, { command_line.command "logs" })
  end)
end)
