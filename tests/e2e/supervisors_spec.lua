-- A host under real supervisors: it is started, started again when it has died, reloaded, drained, and not started
-- again where that mends nothing. The settings are those of host/packaging/README.md.

local stages = require "tests.stage"
local support = require "tests.support"

local stage, redis, store, supervisor, log

local function has(program) return os.execute(("command -v %s >/dev/null"):format(program)) end

-- The host ends with its supervisor, also when that is killed. Words of the command line.
local function host_command(folders)
  local binary = support.build_path
  return ("setpriv --pdeathsig KILL %s/weir serve %s --redis %s --node one --workers 1"):format(binary, folders,
    redis.url)
end

local function sh(form, ...)
  local command = form:format(...)
  assert(os.execute(command .. " >/dev/null 2>&1"), command)
end

local function manual(pattern) return assert(support.read("host/packaging/README.md"):match(pattern), pattern) end

---@class Supervised
---@field program string that must be there
---@field start fun(folders: string)
---@field act fun(verb: "up"|"down"|"hup"|"kill")
---@field is_down fun(): any

---@type table<string, Supervised>
local kinds = {}

kinds.supervisord = {
  program = "supervisord",
  start = function(folders)
    local program = manual "\n(%[program:weir%].-)```"
      :gsub("\ncommand=[^\n]+", "\ncommand=" .. host_command(folders)):gsub("\nenvironment=[^\n]+", "")
      :gsub("\nstderr_logfile=[^\n]+", "\nstderr_logfile=" .. log)
    support.write(stage.folder .. "/conf", ([[
[supervisord]
nodaemon=true
logfile=%s/supervisord.log
pidfile=%s/supervisord.pid
[unix_http_server]
file=%s/control
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://%s/control
%s]]):format(stage.folder, stage.folder, stage.folder, stage.folder, program))
    supervisor = support.process { "supervisord", "-c", stage.folder .. "/conf" }
  end,
  act = function(verb)
    local words = { up = "start weir", down = "stop weir", hup = "signal HUP weir", kill = "signal KILL weir" }
    sh("supervisorctl -c '%s/conf' %s", stage.folder, words[verb])
  end,
  is_down = function()
    return (support.read(stage.folder .. "/supervisord.log") or ""):find "exited: weir %(exit status 78; expected%)"
  end,
}

kinds.runit = {
  program = "runsv",
  start = function(folders)
    local service = stage.folder .. "/weir"
    local run = manual "executable:\n\n```sh\n(#!/bin/sh\nexec 2>&1\n)"
      .. ("exec >>'%s'\nexec %s\n"):format(log, host_command(folders))
    local finish = manual "mends nothing:\n\n```sh\n(.-)```"
    sh("mkdir '%s'", service)
    for name, text in pairs { run = run:gsub("exec 2>&1\n(exec[^\n]+)", "%1\nexec 2>&1"), finish = finish } do
      support.write(service .. "/" .. name, text)
      sh("chmod +x '%s/%s'", service, name)
    end
    supervisor = support.process { "runsv", service }
    support.wait_until("runsv", function() return os.execute(("sv status '%s' >/dev/null 2>&1"):format(service)) end)
  end,
  act = function(verb) sh("sv -w 20 %s '%s/weir'", verb == "up" and "start" or verb, stage.folder) end,
  is_down = function()
    local output <close> = assert(io.popen(("sv status '%s/weir'"):format(stage.folder)))
    return output:read("a"):find "^down:"
  end,
}

local function says(text, times)
  support.wait_until(("the host to say %q %d times"):format(text, times or 1), function()
    local _, count = (support.read(log) or ""):gsub(text, "")
    return count >= (times or 1)
  end)
end

for name, kind in pairs(kinds) do
  describe("a host under " .. name, function()
    local function missing()
      if has(kind.program) then return false end
      pending(kind.program .. " is not installed: no host is run under " .. name)
      return true
    end

    before_each(function()
      stage = stages.new "tests/fixtures/stories"
      redis, store = stage:begin()
      log = stage.folder .. "/log"
    end)

    after_each(function()
      stage:open_gate()
      if supervisor then supervisor:stop "TERM" end
      supervisor = nil
      stage:stop()
    end)

    it("is started again when it died, reloads, drains, and starts again", function()
      if missing() then return end
      kind.start(support.here .. "/" .. stage.folders[1])
      says "ready: node one"
      store:start("waits", "gated", stage:data())
      store:becomes("waits", "waiting")
      kind.act "kill"
      says("ready: node one", 2)
      kind.act "hup"
      says "its files are as they were"
      kind.act "down"
      says "stopping"
      assert.equal(0, store:call("ZCARD", store.key .. "leases"))
      kind.act "up"
      says("ready: node one", 3)
      stage:open_gate()
      assert.equal("completed", store:ended("waits").state)
      assert.same({}, store:faults())
    end)

    it("is not started again when its configuration is wrong", function()
      if missing() then return end
      kind.start "/nowhere"
      support.wait_until("the supervisor to give up", kind.is_down)
      says "there is no folder"
      local _, times = support.read(log):gsub("there is no folder", "")
      assert.equal(1, times)
    end)
  end)
end
