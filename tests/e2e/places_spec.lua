-- weir in places where others are: other users of the machine, of its folders, of its Redis, of the terminal.

local support = require "tests.support"

local folder

local function file(name, text)
  support.write(folder .. "/" .. name, text)
  return folder .. "/" .. name
end

-- Runs the binary in a folder.
local function weir_in(place, words, env)
  local binary = assert(io.popen(("realpath '%s/weir'"):format(support.build))):read "l"
  local process = support.process({ "sh", "-c", [[cd "$1" && shift && exec "$@"]], "sh", place, binary,
    table.unpack(words) }, env)
  local status, stdout, stderr = process:wait(), process:stdout(), process:stderr()
  process:stop()
  return status, stdout, stderr
end

before_each(function() folder = support.folder() end)
after_each(function() support.remove(folder) end)

describe("a module in the working folder", function()
  it("is not run", function()
    file("rex_pcre2.lua", "io.stderr:write 'planted\\n' os.exit(3)")
    os.execute("mkdir " .. folder .. "/flows")
    file("flows/w.lua", [[
      local weir = require "weir"
      return weir.workflow {
        id = "w", schema = { type = "string", pattern = "^a" },
        run = function() return (pcall(require, "rex_pcre2")) end,
      }]])
    local status, stdout, stderr = weir_in(folder, { "check", "flows" })
    assert.same({ 0, "" }, { status, stderr }, stdout)
    status, stdout, stderr = weir_in(folder, { "run", "w", "--dir", "flows", "--data", '"a"' })
    assert.equal(0, status, stderr)
    assert.matches("^true", stdout)
    assert.is_nil(stderr:find "planted")
  end)
end)

describe("a program that a step starts", function()
  it("has no connection of the host", function()
    file("w.lua", [[
      local weir = require "weir"
      return weir.workflow { id = "w", run = function(ctx)
        return ctx:step("look", function()
          local listing <close> = io.popen "ls -l /proc/self/fd"
          return listing:read "a"
        end)
      end }]])
    local reply = support.weir("run", "w", "--dir", folder)
    assert.equal(0, reply.status, reply.stderr)
    assert.matches("pipe:", reply.stdout)
    assert.is_nil(reply.stdout:find "socket:", reply.stdout)
  end)
end)

describe("a password", function()
  it("is not shown by ps", function()
    file("w.lua", "")
    local process = support.process { support.build .. "/weir", "serve", folder, "--redis",
      "redis://me:sesame@127.0.0.1:1/3" }
    finally(function() process:stop() end)
    local words = support.wait_until("the login to be hidden", function()
      local line = support.read(("/proc/%d/cmdline"):format(process.pid))
      return line and line:find("*********@127.0.0.1:1/3", 1, true) and line
    end)
    assert.is_nil(words:find "sesame")
  end)

  it("in a file is read again for each connection, and shown nowhere", function()
    local redis = support.redis()
    redis:call("CONFIG", "SET", "requirepass", "sesame")
    file("secret", "sesame\n")
    os.execute(("chmod 600 '%s/secret'"):format(folder))
    file("w.lua", 'return require "weir".workflow { id = "w", run = function() return 1 end }')
    local flags = { "--redis-password-file", folder .. "/secret" }
    local host = support.host({ folder }, { redis = redis, flags = flags })
    finally(function()
      host:stop()
      redis:stop()
    end)
    local function start(id)
      local reply = host:weir("start", "w", "--id", id, "--wait", { env = { WEIR_REDIS_PASSWORD_FILE = flags[2] } })
      assert.same({ 0, "1\n", "" }, { reply.status, reply.stdout, reply.stderr })
    end
    start "a"
    file("secret.new", "taper")
    os.execute(("chmod 600 '%s/secret.new' && mv '%s/secret.new' '%s/secret'"):format(folder, folder, folder))
    redis:call_together({ "AUTH", "sesame" }, { "CONFIG", "SET", "requirepass", "taper" },
      { "CLIENT", "KILL", "TYPE", "normal" }, { "CLIENT", "KILL", "TYPE", "pubsub" })
    start "b"
    local shown = host:weir("config", { env = { WEIR_REDIS_PASSWORD_FILE = flags[2] } }).stdout
    assert.truthy(shown:find(("redis_password_file  %s/secret"):format(folder), 1, true))
    local command = support.read(("/proc/%d/cmdline"):format(host.process.pid))
    for _, text in ipairs { shown, host.process:stderr(), command } do
      assert.is_nil(text:find "sesame" or text:find "taper")
    end
  end)

  it("in a file that every user may read is warned of", function()
    file("secret", "sesame\n")
    os.execute(("chmod 644 '%s/secret'"):format(folder))
    local reply = support.weir("list", "--redis", "redis://127.0.0.1:1", "--redis-password-file", folder .. "/secret")
    assert.truthy(reply.stderr:find(("weir: warning: every user of this machine may read the password in %s/secret")
      :format(folder), 1, true))
  end)

  -- Linux gives files in /proc of a process that leaves no core dump to root.
  it("is in no core dump, unless the operator wants dumps", function()
    os.execute(("chmod 755 '%s'; cp '%s/weir' '%s'"):format(folder, support.build, folder))
    file("w.lua", "return {}")
    local drop = io.popen("id -u"):read "l" == "0" and { "setpriv", "--reuid", "65534", "--regid", "65534",
      "--clear-groups" } or {}
    local function owner(url, ...)
      local words = table.move(drop, 1, #drop, 1, {})
      local command = { folder .. "/weir", "serve", folder, "--redis", url, ... }
      local process = support.process(table.move(command, 1, #command, #words + 1, words))
      local place = ("/proc/%d/environ"):format(process.pid)
      support.wait_until("the host to look for its Redis", function()
        return process:stderr():find "Connection refused"
      end)
      local found = io.popen("stat -c %u " .. place):read "l"
      process:stop()
      return found == "0" and "root" or "user"
    end
    assert.equal("user", owner "redis://127.0.0.1:1")
    assert.equal("root", owner "redis://:sesame@127.0.0.1:1")
    assert.equal("user", owner("redis://:sesame@127.0.0.1:1", "--core-dumps"))
  end)

  it("in a word that is wrong is not repeated", function()
    file("weir.conf", 'redis = "redis://:sesame\n')
    for _, words in ipairs {
      { "list", "--redsi=redis://:sesame@h" }, { "list", "redis://:sesame@h" }, { "redis://:sesame@h" },
      { "start", "w", "--priority", "redis://:sesame@h" }, { "serve", "redis://:sesame@h" },
      { "check", "redis://:sesame@h" }, { "list", "--config", folder .. "/weir.conf" },
    } do
      local reply = support.weir(table.unpack(words))
      assert.is_true(reply.status > 0)
      assert.is_nil((reply.stdout .. reply.stderr):find "sesame", table.concat(words, " ") .. reply.stderr)
    end
  end)
end)

describe("a machine without compiler or libraries", function()
  it("is told all packages that are missing at once", function()
    local command = ("PATH=%s $(command -v make) SHELL=/bin/sh BUILD=%s/b CC=none build 2>&1"):format(folder, folder)
    local listing <close> = assert(io.popen(command))
    local text = listing:read "a"
    assert.matches("to be built: apt%-get install pkg%-config lua5.4 gcc libc6%-dev [^\n]*libuv1%-dev", text)
  end)
end)

describe("a bundle that was changed in Redis", function()
  it("is not loaded, and is right again when a host announces it", function()
    local redis = support.redis()
    finally(function() redis:stop() end)
    file("w.lua", 'return require "weir".workflow { id = "w", run = function() return "ours" end }')
    local host = support.host({ folder }, { redis = redis })
    local bundle = redis:call("HGET", "weir:{0}:registry", "w"):match '"bundle":"(%x+)"'
    assert.equal(64, #bundle)
    redis:call("HSET", "weir:{0}:bundle:" .. bundle, "w.lua",
      'return require "weir".workflow { id = "w", run = function() return "theirs" end }')
    local reply = host:weir("start", "w", "--id", "a", "--wait")
    assert.same({ 1, "" }, { reply.status, reply.stdout })
    assert.matches("its sources in Redis are not those that were announced", reply.stderr)
    assert.matches("bundle " .. bundle:sub(1, 16) .. " cannot be loaded: its sources in Redis", host.process:stderr())
    assert.matches("bundle +" .. bundle:sub(1, 16) .. "\n", host:weir("show", "a").stdout)
    host.process:signal "HUP"
    support.wait_until("the host to announce it again", function()
      return host.process:stderr():find("its files are as they were", 1, true)
    end)
    reply = host:weir("start", "w", "--id", "b", "--wait")
    host:stop()
    assert.same({ 0, '"ours"\n' }, { reply.status, reply.stdout }, reply.stderr)
  end)
end)

describe("text of others", function()
  local ESCAPES = "\27]0;x\7\u{9b}2J\u{202e}\255"

  local function is_harmless(text)
    return not text:find "[\1-\8\11-\31\127]" and not text:find "\u{9b}" and not text:find "\u{202e}"
      and not text:find "\255"
  end

  it("in a workflow file and in its name moves no terminal, and makes no line of its own", function()
    os.execute("mkdir " .. folder .. "/flows")
    file("flows/a.lua", ("error(%q)"):format(ESCAPES .. "\nweir: all is well"))
    file("flows/\27b.lua", "return 1 +")
    for _, words in ipairs {
      { "check", folder .. "/flows" }, { "check", "--json", folder .. "/flows" },
      { "serve", folder .. "/flows", "--redis", "redis://127.0.0.1:1" }, { "run", "w", "--dir", folder .. "/flows" },
      { "run", folder .. "/\27none.lua" }, { "check", folder .. "/\27none" }, { "list", "--\27" }, { "\27" },
    } do
      local reply = support.weir(table.unpack(words))
      local text = reply.stdout .. reply.stderr
      assert.is_true(is_harmless(text), ("%q"):format(text))
      assert.is_nil(("\n" .. text):find("\nweir: all is well", 1, true), text)
      assert.is_not_nil(text:find("b.lua", 1, true) or text:find("1b", 1, true), text)
    end
  end)

  it("is harmless and whole in the log", function()
    file("w.lua", ([[
      local weir = require "weir"
      return weir.workflow { id = "w", run = function(ctx) ctx.log:warn(%q .. "a\0b", { field = "\u{9b}" }) end }
    ]]):format((ESCAPES:gsub("\255", ""))))
    for _, form in ipairs { "text", "json" } do
      local reply = support.weir("run", "w", "--dir", folder, "--log", form)
      assert.equal(0, reply.status, reply.stderr)
      local line = reply.stderr:match "[^\n]*]0;x[^\n]*"
      assert.is_true(is_harmless(line), ("%q"):format(line))
      assert.is_not_nil(line:find("a\u{fffd}b", 1, true), line)
      if form == "json" then
        local entry = require "cjson".decode(line)
        assert.equal((ESCAPES:gsub("\255", "")) .. "a\u{fffd}b", entry.text)
        assert.equal("\u{9b}", entry.fields.field)
      end
    end
  end)
end)

describe("a user of Redis with the rights of the manual", function()
  local host, redis

  local function observed(...)
    return redis:call("--no-auth-warning", "--user", "observer", "--pass", "sesame", ...)
  end

  setup(function() redis = support.restricted_redis() end)

  teardown(function()
    if host then host:stop() end
    redis:stop()
  end)

  it("can do all that weir does", function()
    host = support.host({ "tests/fixtures/stories" }, { redis = redis })
    for _, words in ipairs {
      { "start", "echo", "--id", "a", "--data", "1", "--dedupe", "k", "--tag", "x=y", "--wait" },
      { "start", "echo", "--id", "b", "--delay", "1h" }, { "list", "--json", "--tag", "x=y" },
      { "list", "--group", "error" }, { "stats" }, { "doctor" }, { "why" }, { "show", "a" }, { "deps", "a" },
      { "wait", "a" }, { "cancel", "b", "--now" }, { "retry", "b" }, { "delete", "a" },
    } do
      local reply = host:weir(table.unpack(words))
      local expected = words[1] == "deps" and 1 or 0 -- it is no graph
      assert.equal(expected, reply.status, table.concat(words, " ") .. ": " .. reply.stderr)
    end
    assert.equal("", observed("ACL", "LOG"))
  end)

  it("is told by the doctor when one of them is missing", function()
    observed("ACL", "SETUSER", "default", "-rename", "-zcount")
    local reply = host:weir "doctor"
    observed("ACL", "SETUSER", "default", "+rename", "+zcount")
    assert.equal(1, reply.status)
    assert.equal("the user of Redis may not run RENAME, ZCOUNT; ACL SETUSER USER +rename +zcount\n", reply.stdout)
  end)

  it("can do nothing else", function()
    for _, words in ipairs {
      { "GET", "other:secret" }, { "HGET", "other:secret", "x" }, { "FLUSHALL" }, { "CONFIG", "SET", "dir", "/tmp" },
      { "ACL", "SETUSER", "default", "allkeys" }, { "SHUTDOWN" }, { "PUBLISH", "other", "x" }, { "SET", "weir:x", "1" },
      { "EVAL", "return redis.call('HGET', 'other', 'x')", "0" },
    } do
      assert.matches("NOPERM", redis:call(table.unpack(words)), nil, nil, words[1])
    end
  end)
end)
