-- `weir test --coverage`: the lines of workflow files that the specs did not run, as text. It counts the lines with
-- code of the files of bundles, and of other files below this folder that are no specs. The code runs unchanged.

local bytecode = require "weir.code.bytecode"
local native = require "weir.native.tester"
local source_files = require "weir.base.source_files"

local coverage = {}
coverage.__index = coverage

local WIDEST = 60 -- columns: longer names do not widen the first column

local function read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a"
end

-- Whether a file is a spec, or not of this project.
local function is_foreign(path)
  return path:find "^/" or path:find "^%.%./" or source_files.is_spec(path) or not path:find "%.lua$"
end

-- Keeps the sources of each bundle. The module is wrapped each time that it is loaded, as busted loads modules anew for
-- every file.
local function listen(sources)
  local search = package.searchers[2] -- finds the modules of weir
  package.preload["weir.code.bundle"] = function(name)
    local chunk, path = search(name)
    local bundle = chunk(name, path)
    local load = bundle.load
    function bundle.load(hash, files)
      for file, source in pairs(files) do sources[file] = sources[file] or source end
      return load(hash, files)
    end
    return bundle
  end
end

---Notes the lines that run from now on.
---@return table coverage
function coverage.begin()
  local self = setmetatable({ sources = {} }, coverage)
  listen(self.sources)
  native.cover()
  return self
end

-- A bundle compiles the source without its byte order mark and its #! line, and so does this.
local function plain(source)
  return (source:gsub("^\xEF\xBB\xBF", ""):gsub("^#", "--#"))
end

---Joins missing lines to ranges, where no line between them ran.
---@param missing table<integer, true>
---@param lines integer[] all lines, in order
---@return string
function coverage.ranges(missing, lines)
  local texts, first = {}, nil
  for i, line in ipairs(lines) do
    if missing[line] then
      first = first or line
      if not missing[lines[i + 1]] then
        texts[#texts + 1] = first == line and tostring(line) or ("%d-%d"):format(first, line)
        first = nil
      end
    end
  end
  return table.concat(texts, ", ")
end

---@class weir.Coverage
---@field path string
---@field ran integer
---@field all integer
---@field missing string ranges of lines

---@param path string
---@param source string
---@param ran table<integer, true>
---@return weir.Coverage? nil for a file without code
function coverage.of(path, source, ran)
  local lines, missing, count = {}, {}, 0
  for line in pairs(bytecode.lines(plain(source)) or {}) do
    lines[#lines + 1] = line
    if ran[line] then count = count + 1 else missing[line] = true end
  end
  if #lines == 0 then return nil end
  table.sort(lines)
  return { path = path, ran = count, all = #lines, missing = coverage.ranges(missing, lines) }
end

-- Rounded down: only a whole file has 100 %.
local function percent(file) return file.ran * 100 // file.all end

---Sorts files, the worst first.
---@param files weir.Coverage[]
function coverage.sort(files)
  table.sort(files, function(a, b)
    local left, right = a.ran * b.all, b.ran * a.all
    if left ~= right then return left < right end
    return a.path < b.path
  end)
end

---A line for each file, then the total.
---@param files weir.Coverage[]
---@return string
function coverage.text(files)
  local total = { path = "total", ran = 0, all = 0, missing = "" }
  local width = #total.path
  for _, file in ipairs(files) do
    total.ran, total.all = total.ran + file.ran, total.all + file.all
    width = math.max(width, math.min(#file.path, WIDEST))
  end
  local rows = table.move(files, 1, #files, 1, {})
  rows[#rows + 1] = total
  for i, file in ipairs(rows) do
    local missing = file.missing ~= "" and "  not run: " .. file.missing or ""
    local space = (" "):rep(width - #file.path)
    rows[i] = ("%s%s  %3d%%  (%d of %d lines)%s\n")
      :format(file.path, space, percent(file), file.ran, file.all, missing)
  end
  return table.concat(rows)
end

---The coverage so far.
---@return weir.Coverage[] files
function coverage:files()
  local files = {}
  for path, ran in pairs(native.covered()) do
    local source = self.sources[path] or not is_foreign(path) and read(path)
    if source then files[#files + 1] = coverage.of((path:gsub("^%./", "")), source, ran) end
  end
  coverage.sort(files)
  return files
end

---@param files weir.Coverage[]
function coverage.print(files)
  if #files == 0 then
    print "\nno workflow file was run: no coverage"
  else
    io.stdout:write("\n", coverage.text(files))
  end
end

return coverage
