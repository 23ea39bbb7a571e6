-- `make install`: which files it installs, and that the programs for which they are made accept them.

local flags = require "weir.cli.flags"
local support = require "tests.support"

local FILES = {
  "bin/weir", "lib/systemd/system/weir.service", "share/bash-completion/completions/weir",
  "share/fish/vendor_completions.d/weir.fish", "share/man/man1/weir.1", "share/weir/notify-reload.conf",
  "share/zsh/site-functions/_weir",
}

local folder

-- The lines that a command of the shell prints, stderr with them, and its status.
local function sh(form, ...)
  local output = assert(io.popen(("{ %s; } 2>&1; echo $?"):format(form:format(...))))
  local lines = {}
  for line in output:lines() do lines[#lines + 1] = line end
  output:close()
  return lines, tonumber(table.remove(lines))
end

local function has(program)
  local _, status = sh("command -v %s", program)
  return status == 0
end

local function read(path) return assert(support.read(folder .. "/" .. path), path) end

setup(function()
  folder = support.folder()
  local lines, status = sh("make install BUILD='%s' PREFIX='%s'", support.build, folder)
  assert(status == 0, table.concat(lines, "\n"))
end)

teardown(function() support.remove(folder) end)

describe("make install", function()
  it("installs these files, and the Lua modules", function()
    assert.same(FILES, (sh("cd '%s' && find . -type f -not -path './share/lua/*' | cut -c3- | LC_ALL=C sort", folder)))
    local there = sh("cd lua && find . -name '*.lua' | LC_ALL=C sort")
    assert.same(there, (sh("cd '%s/share/lua/5.4' && find . -type f | LC_ALL=C sort", folder)))
    assert.matches("^weir %d", sh("'%s/bin/weir' version", folder)[1])
  end)

  it("puts everything below DESTDIR, with PREFIX in the unit", function()
    local other = support.folder()
    finally(function() support.remove(other) end)
    local lines, status = sh("make install BUILD='%s' DESTDIR='%s' PREFIX=/opt/weir", support.build, other)
    assert.equal(0, status, table.concat(lines, "\n"))
    assert.same({ "./opt/weir" }, (sh("cd '%s' && find . -mindepth 2 -maxdepth 2", other)))
    assert.matches("\nExecStart=/opt/weir/bin/weir serve ",
      support.read(other .. "/opt/weir/lib/systemd/system/weir.service"))
  end)
end)

describe("the manual page", function()
  it("has every flag, and its variable", function()
    local text = read("share/man/man1/weir.1"):gsub("\\%-", "-")
    for _, flag in ipairs(flags.rows) do
      if next(flag.commands) then
        assert.truthy(text:find("\n\\fB--" .. flag.name .. "\\fR", 1, true), flag.name)
        local variable = "\n.B " .. flags.variable(flag) .. "\n"
        assert.equal(not flag.once, text:find(variable, 1, true) ~= nil, flag.name)
      end
    end
  end)

  it("is accepted by mandoc", function()
    if not has "mandoc" then return pending "mandoc is not installed: the manual page is not checked with it" end
    local lines = sh("mandoc -T lint -W warning '%s/share/man/man1/weir.1' | grep -v 'missing date'", folder)
    assert.same({}, lines)
  end)

  it("is accepted by man", function()
    if not has "man" then return pending "man is not installed: the manual page is not checked with it" end
    assert.same({}, (sh("MANWIDTH=100 man --warnings -l '%s/share/man/man1/weir.1' 2>&1 >/dev/null", folder)))
  end)
end)

describe("the completions", function()
  for shell, path in pairs { bash = FILES[3], fish = FILES[4], zsh = FILES[7] } do
    it("are accepted by " .. shell, function()
      if not has(shell) then return pending(shell .. " is not installed: its completions are not checked") end
      assert.same({}, (sh("%s -n '%s/%s'", shell, folder, path)))
    end)
  end

  it("of bash offer commands, the flags of a command, and the words of a flag", function()
    local function offers(...)
      local words = { ... }
      local form = "bash -c 'source %s/%s; COMP_WORDS=(%s); COMP_CWORD=%d; _weir; printf \"%%s\\n\" ${COMPREPLY[@]}'"
      return sh(form, folder, FILES[3], table.concat(words, " "), #words - 1)
    end
    assert.same({ "start", "stats" }, offers("weir", "st"))
    assert.same({ "--log", "--log-level" }, offers("weir", "serve", "--lo"))
    assert.same({ "json" }, offers("weir", "serve", "--log", "j"))
  end)
end)

describe("the unit", function()
  it("is accepted by systemd", function()
    if not has "systemd-analyze" then
      return pending "systemd-analyze is not installed: the unit is not checked"
    end
    assert.same({}, (sh("systemd-analyze verify --man=no '%s/lib/systemd/system/weir.service'", folder)))
  end)

  it("waits longer than a host drains, and restarts no host that a person must mend", function()
    local text = read "lib/systemd/system/weir.service"
    local drain_s = flags.find("drain").default:match "^(%d+)s$"
    assert.is_true(tonumber(text:match "\nTimeoutStopSec=(%d+)\n") > tonumber(drain_s))
    assert.matches("\nRestartPreventExitStatus=64 78 80 81\n", text)
  end)
end)
