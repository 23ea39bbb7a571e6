-- `weir test --json` and `--brief`: the results of the specs as one object, or as one line with the specs that failed,
-- on stdout instead of the output of busted. The specs' own output goes to stderr.

local json = require "weir.json"
local strings = require "weir.base.strings"

local report = {}
report.__index = report

local stdout = io.stdout

local NAMES = 4 -- of specs in a line

local function divert()
  io.stdout = io.stderr -- luacheck: ignore 122
  io.output(io.stderr)
  function print(...) -- luacheck: ignore 121
    local texts = table.pack(...)
    for i = 1, texts.n do texts[i] = tostring(texts[i]) end
    io.stderr:write(table.concat(texts, "\t"), "\n")
  end
end

-- The place and the message of a failed spec. A spec may raise any value, and busted keeps it.
local function fault_of(failed)
  local trace = failed.element.trace or failed.trace or {}
  local message = failed.message
  return {
    name = failed.name, file = (trace.short_src or ""):gsub("^%./", ""), line = trace.currentline or json.null,
    message = type(message) == "string" and message or require("pl.pretty").write(message),
    kind = failed.isError and "error" or "failure",
  }
end

local function add(self, handler)
  self.successes = self.successes + handler.successesCount
  self.failures = self.failures + handler.failuresCount
  self.errors = self.errors + handler.errorsCount
  self.pending = self.pending + handler.pendingsCount
  self.seconds = self.seconds + handler.getDuration()
  for _, list in ipairs { handler.failures, handler.errors } do
    for _, failed in ipairs(list) do self.faults[#self.faults + 1] = fault_of(failed) end
  end
end

---Counts the specs that run from now on.
---@param arguments table of busted; its output handler is replaced
---@return table report
function report.begin(arguments)
  local self = setmetatable({ successes = 0, failures = 0, errors = 0, pending = 0, seconds = 0, faults = {} }, report)
  arguments.output = "weir" -- the name of the handler below
  package.loaded["busted.outputHandlers.weir"] = function()
    local handler = require "busted.outputHandlers.base"()
    require("busted").subscribe({ "suite", "end" }, function()
      add(self, handler)
      return nil, true
    end)
    return handler
  end
  divert()
  return self
end

-- "2 failed, 10 passed in 0.1 s: spec/a_spec.lua"
local function summary(self, specs)
  local counts, red = {}, self.failures + self.errors
  if red > 0 then counts[1] = red .. " failed" end
  if self.successes > 0 or red == 0 then counts[#counts + 1] = self.successes .. " passed" end
  if self.pending > 0 then counts[#counts + 1] = self.pending .. " pending" end
  local names = strings.listed(specs, NAMES)
  return ("weir test: %s in %.1f s%s\n"):format(table.concat(counts, ", "), self.seconds,
    names == "" and "" or ": " .. names)
end

---Prints one line, and after it each spec that failed.
---@param specs string[] that were chosen; empty: all ran
function report:print_brief(specs)
  local lines = { summary(self, specs) }
  for _, fault in ipairs(self.faults) do
    local message = strings.trim_end(fault.message):gsub("\n", "\n    ")
    local is_placed = fault.file == "" or message:find(fault.file .. ":", 1, true) == 1
    local place = is_placed and "" or ("%s:%s: "):format(fault.file, fault.line)
    lines[#lines + 1] = ("  %s%s\n    %s\n"):format(place, fault.name, message)
  end
  stdout:write(table.concat(lines))
end

---@param coverage weir.Coverage[]? of the files that ran
function report:print(coverage)
  local files = coverage and json.array {}
  for i, file in ipairs(coverage or {}) do
    files[i] = { file = file.path, lines = file.all, ran = file.ran, not_run = file.missing }
  end
  stdout:write(json.encode {
    successes = self.successes, failures = self.failures, errors = self.errors, pending = self.pending,
    seconds = self.seconds, faults = json.array(self.faults), coverage = files,
  }, "\n")
end

return report
