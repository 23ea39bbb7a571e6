-- run: lua5.4 tests/run.lua BUILD SUITE...
--
-- Runs suites whose programs all speak TAP, shows each failure as it comes, and ends with the line
-- "N passed, N failed" over all of them. A program that dies counts as a failure, as does a suite
-- that has nothing to run.

local build = arg[1]
local suites = table.move(arg, 2, #arg, 1, {})

-- Names of the files that match a pattern of the shell.
local function glob(pattern)
  local files = {}
  local listing <close> = assert(io.popen("ls -d " .. pattern .. " 2>/dev/null"))
  for file in listing:lines() do files[#files + 1] = file end
  return files
end

local function busted_over(roots)
  return "busted --lua=lua5.4 -o TAP -- " .. table.concat(roots, " ")
end

-- One run of busted over what the pattern finds.
local function busted(pattern)
  return function()
    local roots = glob(pattern)
    if #roots == 0 then return {} end
    return { busted_over(roots) }
  end
end

-- Two runs, which take as long as each other: those that play much, and all others.
local function specs()
  local playing = glob "spec/random_*_spec.lua spec/engine/graph_scheduler_spec.lua spec/define/*_spec.lua"
  local others, plays = {}, {}
  for _, path in ipairs(playing) do plays[path] = true end
  for _, path in ipairs(glob "spec/*_spec.lua spec/*/*_spec.lua spec/cli/test/*_spec.lua") do
    if not plays[path] and not path:find "^spec/redis/" then others[#others + 1] = path end
  end
  return { busted_over(others), busted_over(playing) }
end

local function units()
  local programs = {}
  for _, source in ipairs(glob "tests/unit/*/test_*.c") do
    local name = source:match "([^/]+/[^/]+)%.c$"
    programs[#programs + 1] = ("CMOCKA_MESSAGE_OUTPUT=TAP %s/unit/%s"):format(build, name)
  end
  return programs
end

-- luacheck, one test a file.
local function style()
  return { "luacheck --formatter TAP lua redis-scripts spec tests workflows host .busted .luacheckrc" }
end

-- What throws dice: see spec/support/dice.lua.
local function random()
  return {
    busted_over(glob "spec/random_*_spec.lua"),
    busted_over(glob("spec/json_spec.lua spec/base/ordered_pairs_spec.lua spec/redis/model_spec.lua "
      .. "spec/redis/random_*_spec.lua")),
  }
end

-- The commands of each suite.
local commands = {
  style = style,
  random = random,
  unit = units,
  spec = specs,
  redis = busted "spec/redis",
  conformance = busted "tests/conformance",
  e2e = busted "tests/e2e",
  crash = busted "tests/crash",
}

-- Suites whose programs share nothing, so that they run side by side.
local SIDE_BY_SIDE = { spec = true, random = true }

local passed, failed = 0, 0

-- Counts one line of TAP. The comments that follow a failure explain it, so they are shown. All else that a program
-- says is kept for its end: where nothing failed, it is the log of faults that the tests provoke.
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

local function begin(command)
  return assert(io.popen(("WEIR_BUILD=%s %s 2>&1"):format(build, command)))
end

local function run(command, output)
  local state = { explaining = false, planned = false, said = {} }
  local before = failed
  for line in output:lines() do count(line, state) end
  local _, how, code = output:close()
  if code == 0 and state.planned then return end
  for _, line in ipairs(state.said) do print(line) end
  -- failures already counted explain a bad status; a death, or an end before the plan, does not
  if failed > before and how == "exit" and state.planned then return end
  failed = failed + 1
  print(("  not ok - %s: ended with %s %d"):format(command, how, code))
end

for _, suite in ipairs(suites) do
  local before_passed, before_failed = passed, failed
  local programs = assert(commands[suite], "no such suite: " .. suite)()
  local begun = {}
  for i, command in ipairs(SIDE_BY_SIDE[suite] and programs or {}) do begun[i] = begin(command) end
  for i, command in ipairs(programs) do run(command, begun[i] or begin(command)) end
  if #programs == 0 then
    failed = failed + 1
    print("  not ok - " .. suite .. ": nothing to run")
  end
  print(("%s: %d passed, %d failed"):format(suite, passed - before_passed, failed - before_failed))
end

print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0)
