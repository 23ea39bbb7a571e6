-- run: lua5.4 tests/soak.lua BUILD, with WEIR_SOAK=10m (or 30s, 2h) for the time it takes.
--
-- Three hosts and a stream of runs that do one of everything, while a die is thrown again and
-- again: a host is killed, stopped, stands still; connections are cut, scripts forgotten, Redis
-- itself stands still. Every run must end as an undisturbed one does, and all must stand where its
-- state says. WEIR_SEED repeats the same throws.

package.path = "lua/?.lua;lua/?/init.lua;?.lua;" .. package.path
package.cpath = "build/native/?.so;" .. package.cpath

local support = require "tests.support"
support.build = arg[1] or support.build

local account = require "tests.crash.account"
local duration = require "weir.base.duration"
local facts = require "tests.facts"
local json = require "weir.json"
local system = require "system"

local HOSTS = 3
local IN_FLIGHT = 20
local WORKFLOW = "everything"

local length_ms = assert(duration.ms(os.getenv "WEIR_SOAK" or "1m"))
local seed = tonumber(os.getenv "WEIR_SEED") or os.time()
math.randomseed(seed)
print(("soak: %s, WEIR_SEED=%d"):format(duration.text(length_ms), seed))

local redis, folder = support.redis(), support.folder()
local store = facts.of(redis)
local hosts, counts = {}, {}

local function start_host(i)
  hosts[i] = support.process {
    support.build .. "/weir", "serve", "tests/fixtures/crash", "--redis", redis.url,
    "--node", "node-" .. i, "--workers", "2",
  }
end

-- It ends with 0 when it is told to, and with 75 when its lease was taken, which it may learn only then.
local function take_note(i, status, stderr)
  hosts[i] = nil
  if status == 75 then
    counts["lease taken"] = (counts["lease taken"] or 0) + 1
  elseif status ~= 0 then
    error(("node-%d ended with %d:\n%s"):format(i, status, stderr), 0)
  end
end

local function stop_host(i) take_note(i, hosts[i]:stop "TERM") end

-- ---- what goes wrong ----------------------------------------------------------------------------

local throws = {
  { "kill", function(i)
    hosts[i]:stop()
    start_host(i)
  end },
  { "kill, and start later", function(i)
    hosts[i]:stop()
    system.sleep(math.random() * 2)
    start_host(i)
  end },
  { "stop", function(i)
    stop_host(i)
    start_host(i)
  end },
  { "host stands still", function(i)
    hosts[i]:signal "STOP"
    system.sleep(math.random() * 2)
    hosts[i]:signal "CONT"
  end },
  { "connections cut", function() store:call("CLIENT", "KILL", "TYPE", "normal") end },
  { "subscribers cut", function() store:call("CLIENT", "KILL", "TYPE", "pubsub") end },
  { "scripts forgotten", function() store:call("SCRIPT", "FLUSH") end },
  { "Redis stands still", function()
    redis.process:signal "STOP"
    system.sleep(math.random() * 2)
    redis.process:signal "CONT"
  end },
}

-- Only a host whose lease was taken ends by itself.
local function look_after_hosts()
  for i = 1, HOSTS do
    if hosts[i]:status() then
      take_note(i, hosts[i]:stop())
      start_host(i)
    end
  end
end

local function throw()
  local one = throws[math.random(#throws)]
  counts[one[1]] = (counts[one[1]] or 0) + 1
  one[2](math.random(HOSTS))
  look_after_hosts()
end

-- ---- what has to come out -----------------------------------------------------------------------

local undisturbed
local flying, started, ended = {}, 0, 0

local function start_run()
  started = started + 1
  local id = ("soak-%06d"):format(started)
  store:start(id, WORKFLOW, { notes = folder .. "/notes" })
  flying[id] = true
end

local function has_ended(id)
  for _, each in ipairs { id, id .. "/detached" } do
    local state = store:state(each)
    if state ~= "completed" and state ~= "failed" and state ~= "cancelled" then return false end
  end
  return true
end

local function check(id)
  local actual = account.of(store, id)
  local expected = account.expected(undisturbed, actual)
  for run in pairs(actual) do expected[run] = expected[run] or {} end
  for run, account_of_run in pairs(expected) do
    local wanted, found = json.encode(account_of_run), json.encode(actual[run] or {})
    if wanted ~= found then error(("%s: %s differs:\n%s\n%s"):format(id, run, wanted, found), 0) end
  end
end

-- Removes runs that have ended, so that Redis does not fill up.
local function forget(id)
  for _, each in ipairs(store:ids(id)) do
    for _, kind in ipairs { "r:", "v:" } do store:call("DEL", store.key .. kind .. each) end
  end
end

local function collect()
  for id in pairs(flying) do
    if has_ended(id) then
      check(id)
      forget(id)
      flying[id] = nil
      ended = ended + 1
    end
  end
end

local function main()
  for i = 1, HOSTS do start_host(i) end
  store:start("undisturbed", WORKFLOW, { notes = folder .. "/notes" })
  support.wait_until("the first run", function() return has_ended "undisturbed" end)
  undisturbed = account.of(store, "undisturbed")

  local deadline = system.monotime() + length_ms / 1000
  local next_throw = system.monotime()
  while system.monotime() < deadline do
    for _ = 1, IN_FLIGHT do
      if started - ended < IN_FLIGHT then start_run() end
    end
    if system.monotime() >= next_throw then
      throw()
      next_throw = system.monotime() + math.random()
    end
    collect()
    system.sleep(0.01)
  end
  support.wait_until("the last runs", function()
    look_after_hosts()
    collect()
    return next(flying) == nil
  end)
  for i = 1, HOSTS do stop_host(i) end
  local faults = store:faults()
  assert(#faults == 0, table.concat(faults, "\n"))
end

local ok, raised = xpcall(main, debug.traceback)
for _, host in pairs(hosts) do
  if not ok then io.stderr:write(host:stderr(), "\n") end
  host:stop()
end
store:close()
redis:stop()
support.remove(folder)

for name, count in pairs(counts) do print(("  %5d  %s"):format(count, name)) end
print(("soak: %d runs ended%s"):format(ended, ok and ", each as it should" or ""))
if not ok then io.stderr:write(raised, "\n") end
os.exit(ok)
