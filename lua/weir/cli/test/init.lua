-- `weir test`: busted, with weir and weir.testing on its path. Flags that weir does not know go to busted; weir decides
-- where busted looks for specs and with which status it ends. An exit of busted becomes a return, so that a report can
-- follow.

local source_files = require "weir.base.source_files"

local test = {}

local DONE, FAILED, USAGE, NO_INPUT, UNAVAILABLE = 0, 1, 64, 66, 69

-- These come last, so that no file of a project replaces a module of busted.
local PATHS = "workflows/?.lua;workflows/?/init.lua;lua/?.lua;lua/?/init.lua;spec/?.lua"

local function complain(format, ...)
  io.stderr:write("weir: ", format:format(...), "\n")
end

-- ------------------------------------------------------------------------------------------------
-- The arguments

-- The arguments as busted reads them, with .busted.
---@return table? arguments
---@return string? problem
local function parse(words)
  local cli = require "busted.modules.cli" {
    output = require("term").isatty(io.stdout) and "utfTerminal" or "plainTerminal",
  }
  cli:set_name "weir test"
  -- the interpreter is this one, whatever .busted says
  return cli:parse { "--ignore-lua", table.unpack(words) }
end

---Finds the specs in a folder and below, except in hidden folders.
---@param folder string
---@return string[] paths sorted
function test.find(folder)
  local lfs = require "lfs"
  local specs = {}
  local function walk(path, depth)
    if depth > source_files.DEEPEST then return end
    local readable, entries, listing = pcall(lfs.dir, path)
    for name in readable and entries or function() end, listing do
      local whole = path == "." and name or path .. "/" .. name
      local mode = not name:find "^%." and lfs.attributes(whole, "mode")
      if mode == "directory" then walk(whole, depth + 1) end
      if mode == "file" and name:find "_spec%.lua$" then specs[#specs + 1] = whole end
    end
  end
  walk(folder, 1)
  table.sort(specs)
  return specs
end

-- Without a path of the user: spec/, or else all specs below this folder.
local function choose_roots(arguments)
  local roots = arguments.ROOT
  roots = type(roots) == "table" and roots or { roots }
  local said = #roots ~= 1 or roots[1] ~= "spec"
  if said or require("pl.path").exists "spec" then return roots end
  return test.find "."
end

-- Finds out that there are no specs. With a pattern of the user, busted does.
---@return string? problem
local function fault_of_roots(roots, arguments)
  local path, pattern = require "pl.path", arguments.pattern
  if #roots == 0 then return "no specs: there is no spec/ here, nor any *_spec.lua; name one: weir test PATH" end
  local specs = 0
  for _, root in ipairs(roots) do
    if not path.exists(root) then return ("there is no %s"):format(root) end
    specs = specs + (path.isdir(root) and #test.find(root) or 1)
  end
  if specs > 0 or #pattern ~= 1 or pattern[1] ~= "_spec" then return nil end
  return ("no specs: there is no *_spec.lua in %s; name one: weir test PATH"):format(table.concat(roots, ", "))
end

-- ------------------------------------------------------------------------------------------------
-- Running

-- Runs busted, and returns the status with which it would end the process.
local function run_busted(arguments)
  local ended = {}
  require("busted.compatibility").exit = function(code)
    ended.status = code == 0 and DONE or FAILED
    error(ended, 0)
  end
  local make_cli = require "busted.modules.cli"
  package.loaded["busted.modules.cli"] = function(options)
    local cli = make_cli(options)
    function cli.parse() return arguments end
    return cli
  end
  -- busted uses the name of this chunk as its own
  local chunk = assert(load([[local run = require "busted.runner"; run { standalone = false }]], "@weir test"))
  local ok, raised = xpcall(chunk, function(raised)
    return raised == ended and raised or debug.traceback(tostring(raised), 2)
  end)
  if ok then return DONE end
  if raised == ended then return ended.status end
  error(raised, 0)
end

local function run(arguments, options)
  local coverage = options.coverage and require("weir.cli.test.coverage").begin()
  local manifest = options.manifest and require("weir.cli.test.manifest").begin(options.manifest, arguments)
  local is_reported = options.json or options.brief
  local report = is_reported and require("weir.cli.test.report").begin(arguments)
  local status = run_busted(arguments)
  if manifest then manifest:write() end
  local files = coverage and coverage:files() or nil
  if options.json then
    report:print(files)
    return status
  end
  if options.brief then report:print_brief(manifest and manifest.chosen or {}) end
  if coverage then
    coverage.print(files)
  end
  return status
end

---@param options table the arguments of busted as a list, flags of weir by name
---@return integer status
function test.main(options)
  if not package.searchpath("busted.runner", package.path) then
    complain "weir test needs busted: apt install lua-busted"
    return UNAVAILABLE
  end
  if options.json and (options.watch or options.brief) then
    complain(options.watch and "--watch never ends, and --json is one report: leave one out"
      or "--brief is for people, and --json for programs: leave one out")
    return USAGE
  end
  package.path = package.path .. ";" .. PATHS
  _G.arg = table.move(options, 1, #options, 1, { [0] = "weir test" })

  local arguments, problem = parse(options)
  if not arguments then
    complain("%s", (problem:gsub("^weir test: error: ", ""):gsub("; re%-run with.*", "; see busted --help")))
    return USAGE
  end
  local changed, message = require("lfs").chdir(arguments.directory)
  if not changed then
    complain("cannot change to %s: %s", arguments.directory, message)
    return NO_INPUT
  end
  arguments.directory = "."
  local roots = choose_roots(arguments)
  local function complain_of_roots()
    problem = fault_of_roots(choose_roots(arguments), arguments)
    if problem then complain("%s", problem) end
    return problem ~= nil
  end
  -- beside a host, the first spec may come later
  if not options.beside and complain_of_roots() then return NO_INPUT end
  if options.watch and not options.manifest then
    return require("weir.cli.test.watch").main(roots, options, options.beside and complain_of_roots)
  end
  arguments.ROOT = roots
  return run(arguments, options)
end

return test
