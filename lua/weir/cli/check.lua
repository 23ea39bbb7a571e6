-- `weir check`: loads workflow folders as a host would, without serving them, and prints their faults. With --against
-- it also replays the runs in flight of a Redis on them.

local bundles = require "weir.code.bundle"
local exit_status = require "weir.cli.exit_status"
local json = require "weir.json"
local lint = require "weir.code.lint"
local native = require "weir.native.client"
local output = require "weir.cli.output"
local preflight = require "weir.preflight"
local preflight_options = require "weir.cli.preflight_options"
local redis = require "weir.client.redis"
local sorted_keys = require "weir.base.sorted_keys"
local terminal = require "weir.view.terminal"

local check = {}

local NAMED = 20 -- runs in a text

---@class weir.CheckedFolder
---@field folder string
---@field name string of its bundle
---@field files integer
---@field bundle weir.Bundle?
---@field faults string[]
---@field notes string[]

---@return weir.CheckedFolder
local function load(folder, options)
  local sources, name, unread = native.bundle(folder)
  local loaded, faults = preflight.load(options, name, sources)
  local notes = {}
  for line in (unread or ""):gmatch "[^\n]+" do notes[#notes + 1] = line end
  for _, note in ipairs(loaded and loaded.notes or {}) do notes[#notes + 1] = note end
  return { folder = folder, name = name, sources = sources, files = #sorted_keys.of(sources), bundle = loaded,
           faults = faults or {}, notes = notes }
end

-- Two folders define the same workflow: the one that is announced last would serve it.
local function add_duplicates(folders)
  local first = {}
  for _, checked in ipairs(folders) do
    for _, id in ipairs(checked.bundle and bundles.ids(checked.bundle) or {}) do
      local definition, before = checked.bundle.workflows[id], first[id]
      if before then
        table.insert(checked.faults, ('%s:%d: workflow "%s" is already defined in %s at %s:%d'):format(definition.file,
          definition.line, id, before.folder, before.definition.file, before.definition.line))
      else
        first[id] = { folder = checked.folder, definition = definition }
      end
    end
  end
end

-- Mistakes in files that do load.
local function warnings_of(folders, registry)
  local known, warnings = {}, {}
  for id in pairs(registry or {}) do known[id] = true end
  for _, checked in ipairs(folders) do
    for id in pairs(checked.bundle and checked.bundle.workflows or {}) do known[id] = true end
  end
  for _, checked in ipairs(folders) do
    for _, warning in ipairs(checked.bundle
      and lint.check(checked.sources, known, registry and " and none of this Redis") or {}) do
      warnings[#warnings + 1] = ("%s:%d: %s"):format(warning.path, warning.line, warning.message)
    end
  end
  return warnings
end

-- Replays the runs in flight on each folder.
local function look(folders, options, clear)
  local found
  for _, checked in ipairs(folders) do
    local one = preflight.look(checked.bundle, nil, options)
    found = found and preflight.joined(found, one) or one
  end
  clear()
  return found
end

local function count(number, noun) return number == 0 and "no " .. noun .. "s" or terminal.count(number, noun) end

local function summary(checked, warnings)
  local workflows = #bundles.ids(checked.bundle)
  local text = ("%s, %s, no faults"):format(count(checked.files, "file"), count(workflows, "workflow"))
  if warnings > 0 then text = ("%s, %s"):format(text, terminal.count(warnings, "warning")) end
  if checked.files > 0 then return text end
  return ("%s: nothing in %s ends in .lua"):format(text, checked.folder)
end

local function print_text(folders, warnings, found)
  local lines = {}
  local function add(text) lines[#lines + 1] = terminal.plain(text) end
  for _, checked in ipairs(folders) do
    local before = #folders > 1 and checked.folder .. ": " or ""
    for _, note in ipairs(checked.notes) do add(note) end
    for _, fault in ipairs(checked.faults) do add(before .. fault) end
    if not checked.faults[1] and #folders > 1 then add(before .. summary(checked, 0)) end
  end
  for _, warning in ipairs(warnings) do add("warning: " .. warning) end
  if #folders == 1 and not folders[1].faults[1] then add(summary(folders[1], #warnings)) end
  if found then
    add(preflight.sentence(found) or "no run is in flight that began on other code")
    for i, fault in ipairs(found.faults) do
      if i > NAMED then
        add(("and %d more: --json names all"):format(#found.faults - NAMED))
        break
      end
      add(("run %s: %s"):format(fault.run, fault.message))
    end
  end
  output.print(table.concat(lines, "\n"))
end

local function print_json(folders, warnings, found)
  local faults = json.array {}
  for _, checked in ipairs(folders) do
    table.move(checked.faults, 1, #checked.faults, #faults + 1, faults)
  end
  output.print(json.encode { faults = faults, warnings = json.array(warnings),
                             preflight = found and preflight.to_json(found) })
end

---@param options table of the command
---@return integer status
function check.main(options)
  local folders, limits, clear = {}, preflight_options.of(options)
  for i, folder in ipairs(options.folders) do folders[i] = load(folder, limits) end
  add_duplicates(folders)
  local has_faults = false
  for _, checked in ipairs(folders) do has_faults = has_faults or checked.faults[1] ~= nil end
  local warnings = warnings_of(folders, options.against and redis.registry() or nil)
  local found = options.against and not has_faults and look(folders, limits, clear) or nil
  if options.json then print_json(folders, warnings, found) else print_text(folders, warnings, found) end
  return (has_faults or found and found.faults[1]) and exit_status.FAILED or exit_status.DONE
end

return check
