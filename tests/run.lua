-- run: lua5.4 tests/run.lua BUILD SUITE...
--
-- Runs suites of programs that speak TAP, several programs side by side, and prints the failures in the order of the
-- suites. The last line is "N passed, N failed" over all of them. A program that dies, or stops before its plan, counts
-- as a failure, as does a suite without programs. WEIR_JOBS says how many programs run at once.

local build = arg[1]
local suites = table.move(arg, 2, #arg, 1, {})

local function lines_of(command)
  local lines = {}
  local output <close> = assert(io.popen(command))
  for line in output:lines() do lines[#lines + 1] = line end
  return lines
end

-- Names of the files that match a pattern of the shell.
local function glob(pattern) return lines_of("ls -d " .. pattern .. " 2>/dev/null") end

local function busted_over(roots)
  return "busted --lua=lua5.4 -o TAP -- " .. table.concat(roots, " ")
end

-- One run of busted over all that the pattern finds.
local function together(pattern)
  local roots = glob(pattern)
  return #roots > 0 and { busted_over(roots) } or {}
end

-- A run of busted for each file that the pattern finds.
local function apart(pattern)
  local commands = {}
  for i, root in ipairs(glob(pattern)) do commands[i] = busted_over { root } end
  return commands
end

local function joined(...)
  local all = {}
  for _, commands in ipairs { ... } do table.move(commands, 1, #commands, #all + 1, all) end
  return all
end

-- The specs that take longest run apart from the others.
local LONG_SPECS = "spec/random_*_spec.lua spec/engine/graph_scheduler_spec.lua spec/define/graph_plan_spec.lua"

local function specs()
  local others, is_long = {}, {}
  for _, path in ipairs(glob(LONG_SPECS)) do is_long[path] = true end
  for _, path in ipairs(lines_of "find spec -name '*_spec.lua' -not -path 'spec/redis/*' | LC_ALL=C sort") do
    if not is_long[path] then others[#others + 1] = path end
  end
  return joined(apart(LONG_SPECS), { busted_over(others) })
end

local function units()
  local programs = {}
  for i, source in ipairs(glob "tests/unit/*/test_*.c") do
    local name = source:match "([^/]+/[^/]+)%.c$"
    programs[i] = ("CMOCKA_MESSAGE_OUTPUT=TAP %s/unit/%s"):format(build, name)
  end
  return programs
end

-- The programs of each suite. `style` is luacheck, one test a file; `random` has the specs that use
-- spec/support/dice.lua; `scheduling` repeats the story of steps that block, which depends on timing most.
local programs = {
  style = function()
    return { "luacheck --formatter TAP lua redis-scripts spec tests workflows host .busted .luacheckrc" }
  end,
  random = function()
    return joined(apart "spec/random_*_spec.lua", together "spec/json_spec.lua spec/base/ordered_pairs_spec.lua",
      apart "spec/redis/model_spec.lua spec/redis/random_*_spec.lua tests/e2e/reload_random_spec.lua")
  end,
  unit = units,
  spec = specs,
  redis = function() return joined(apart "spec/redis/*_spec.lua", apart "spec/redis/*/") end,
  conformance = function() return together "tests/conformance" end,
  e2e = function() return apart "tests/e2e/*_spec.lua" end,
  failovers = function() return together "tests/e2e/sentinel_spec.lua" end,
  crash = function() return apart "tests/crash/*_spec.lua" end,
  scheduling = function()
    local commands = {}
    for i = 1, 20 do commands[i] = busted_over { "tests/e2e/side_by_side_spec.lua" } end
    return commands
  end,
}

-- ---- the queue ----------------------------------------------------------------------------------

---@class Job
---@field suite string
---@field command string
---@field status integer? once it has ended

-- Jobs that take long begin first, so that none of them is left over at the end.
local FIRST = { "tests/crash/", "tests/conformance", "tests/e2e/", "spec/random_programs" }

local function rank(job)
  for i, part in ipairs(FIRST) do
    if job.command:find(part, 1, true) then return i end
  end
  return #FIRST + 1
end

---@param jobs Job[]
---@return integer[] order in which they begin
local function order_of(jobs)
  local order = {}
  for i in ipairs(jobs) do order[i] = i end
  table.sort(order, function(a, b)
    local one, other = rank(jobs[a]), rank(jobs[b])
    if one ~= other then return one < other end
    return a < b
  end)
  return order
end

-- Begins all jobs, and gives the numbers and statuses of those that have ended, line by line. The output of job N is in
-- the file N.
local function begin(jobs, folder, workers)
  for i, job in ipairs(jobs) do
    local script <close> = assert(io.open(("%s/%d.sh"):format(folder, i), "w"))
    script:write(("WEIR_BUILD=%s %s >%s/%d 2>&1\necho %d $?\n"):format(build, job.command, folder, i, i))
  end
  local list <close> = assert(io.open(folder .. "/order", "w"))
  list:write(table.concat(order_of(jobs), "\n"), "\n")
  list:close()
  return assert(io.popen(("xargs -P %d -I '{}' sh '%s/{}.sh' <%s/order"):format(workers, folder, folder)))
end

-- ---- the count ----------------------------------------------------------------------------------

local passed, failed = 0, 0

-- Counts one line of TAP. The comments that follow a failure explain it, so they are shown. All other output is kept
-- for the end of the program: where nothing failed, it is the log of faults that the tests provoke.
local function count(line, state)
  if line:find("^ok%s") then
    passed, state.explaining = passed + 1, false
  elseif line:find("^not ok%s") then
    failed, state.explaining = failed + 1, true
    print("  " .. line)
  elseif line:find("^1%.%.%d+") then
    state.planned, state.explaining = true, false
  elseif state.explaining then
    print("    " .. line)
  elseif not line:find("^#") then
    table.insert(state.said, "    " .. line)
  end
end

---@param job Job
---@param path string of its output
local function report(job, path)
  local state = { explaining = false, planned = false, said = {} }
  local before = failed
  for line in io.lines(path) do count(line, state) end
  if job.status == 0 and state.planned then return end
  for _, line in ipairs(state.said) do print(line) end
  -- Failures that are counted explain a bad status; a death, or an end before the plan, they do not.
  if failed > before and job.status < 128 and state.planned then return end
  failed = failed + 1
  print(("  not ok - %s: ended with status %d"):format(job.command, job.status))
end

local jobs, last_of = {}, {}
for _, suite in ipairs(suites) do
  for _, command in ipairs(assert(programs[suite], "no such suite: " .. suite)()) do
    jobs[#jobs + 1] = { suite = suite, command = command }
  end
  last_of[suite] = #jobs
end

-- Stories wait more than they compute, so one program more than there are processors.
local workers = math.tointeger(tonumber(os.getenv "WEIR_JOBS") or (tonumber(lines_of("nproc")[1]) or 1) + 1)
local folder = lines_of(("mktemp -d %s/tests-XXXXXX"):format(build))[1]
local ended = begin(jobs, folder, workers)

local function wait_for(job)
  while not job.status do
    local number, status = assert(ended:read "l", "xargs ended before its jobs"):match "^(%d+) (%d+)$"
    jobs[tonumber(number)].status = tonumber(status)
  end
end

local next_job = 1
for _, suite in ipairs(suites) do
  local before_passed, before_failed = passed, failed
  if last_of[suite] < next_job then
    failed = failed + 1
    print("  not ok - " .. suite .. ": nothing to run")
  end
  for i = next_job, last_of[suite] do
    wait_for(jobs[i])
    report(jobs[i], ("%s/%d"):format(folder, i))
  end
  next_job = last_of[suite] + 1
  print(("%s: %d passed, %d failed"):format(suite, passed - before_passed, failed - before_failed))
  io.stdout:flush()
end

ended:close()
os.execute("rm -rf '" .. folder .. "'")
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0)
