-- suspect: a host is about to abort because the Lua of this run does not return. Only this run is to blame. When a
-- second host does so, the run fails: see lib/recovery.lua.
-- args   run
-- reply  suspected | not_owner

local runs = lib.runs

function verbs.suspect()
  local run = runs.load(lib.next_arg())
  if not run or run.state ~= "running" then return { "not_owner" } end
  local host = string.match(run.owner, "^%d+")
  runs.set_rare(run, "crashes", math.max(run.crashes or 0, 1))
  if not run.stuck then
    runs.set_rare(run, "stuck", host)
  elseif not string.find(" " .. run.stuck .. " ", " " .. host .. " ", 1, true) then
    runs.set_rare(run, "stuck", run.stuck .. " " .. host)
  end
  return { "suspected" }
end
