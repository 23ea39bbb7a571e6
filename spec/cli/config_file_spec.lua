local config_file = require "weir.cli.config_file"
local flags = require "weir.cli.flags"

local path

before_each(function() path = os.tmpname() end)

after_each(function() os.remove(path) end)

local function read(text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  return config_file.read(path, function(format, ...) error(format:format(...), 0) end,
    function(form, name) return form:format(name .. "s") end)
end

local function refuses(text, message)
  local _, found = pcall(read, text)
  assert.equal(message:gsub("PATH", path), found)
end

describe("a config file", function()
  it("has the settings as the command line has them", function()
    local found = read "return { workers = 2, json = true, queues = { 'a', 'b' }, drain = '5s' }"
    local texts = {}
    for flag, text in pairs(found) do texts[flag.name] = text end
    assert.same({ workers = "2", json = "true", queues = "a,b", drain = "5s" }, texts)
    assert.equal("2", found[flags.find "workers"])
  end)

  it("is data", function()
    refuses("return 5", "PATH: must return a table of settings")
    refuses("return { workers = print() }", "PATH:1: attempt to call a nil value (global 'print')")
    refuses("return { prefix = ('x'):rep(3) }", "PATH:1: attempt to index a string value (constant 'x')")
    assert.equal("xxx", ("x"):rep(3))
    refuses("return { prefix = function() end }", "PATH: prefix cannot be a function")
    refuses("\27Lua", "attempt to load a binary chunk (mode is 't')")
  end)

  it("has only settings", function()
    refuses("return { worker = 2 }", "PATH: there is no setting worker, did you mean workers?")
    refuses("return { 5 }", "PATH: there is no setting [...], did you mean [...]s?")
    refuses("return { config = 'other' }", "PATH: there is no setting config, did you mean configs?")
    refuses("return { listen = 1 }", "listen is not there yet")
  end)

  it("is not quoted where it is wrong: that may be a password", function()
    refuses("return { redis = 'redis://a:secret", "PATH:1: unfinished string")
  end)
end)
