-- Builds the arguments of the verb `announce`, by which a host registers its workflow folder in Redis. A folder with
-- faults is not announced.

local bundle = require "weir.code.bundle"
local json = require "weir.json"
local sorted_keys = require "weir.base.sorted_keys"

local announcement = {}

---@class weir.FolderFindings more about a folder, for people
---@field workflows string[] ids
---@field notes string[] on files that are no fault
---@field silent string[] paths of files that return nothing

-- Loads the whole folder. If only `wanted` is to be run, and it loads, faults of other files become notes.
local function load(files, wanted)
  local loaded, faults = bundle.load("", files)
  if loaded or not wanted then return loaded, faults, files, {} end
  local sound, left_out, left = bundle.load_sound("", files)
  if sound and (left[wanted] or sound.workflows[wanted]) then
    for i, fault in ipairs(left_out) do left_out[i] = fault .. " (left out: this run does not need it)" end
    return sound, nil, left, left_out
  end
  return nil, faults
end

---@param files table<string, string> path -> source
---@param name fun(sources: string[]): string the name of the bundle of these sources: path, source…
---@param wanted? string all that is to be run: a workflow, or a file. What else is there may have faults
---@return (string|integer)[]? arguments name, count, path, source…, count, workflow, entry of the registry…
---@return string[]? faults each "file:line: message"
---@return weir.FolderFindings? findings
function announcement.announcement(files, name, wanted)
  local loaded, faults, left, notes = load(files, wanted)
  if not loaded then return nil, faults end

  local paths, ids = sorted_keys.of(left), sorted_keys.of(loaded.workflows)
  if #paths == 0 then ids = {} end -- weir's own workflows need sources to be run from
  local sources = {}
  for i, path in ipairs(paths) do sources[2 * i - 1], sources[2 * i] = path, left[path] end
  local bundle_name = name(sources)
  local arguments = table.move(sources, 1, #sources, 3, { bundle_name, #paths })
  local function add(value) arguments[#arguments + 1] = value end
  add(#ids)
  for _, id in ipairs(ids) do
    local workflow = loaded.workflows[id]
    add(id)
    add(json.encode {
      bundle = bundle_name, queue = workflow.queue, priority = workflow.priority, timeout_ms = workflow.timeout_ms,
      retain_ms = workflow.retain_ms,
      schema = workflow.validate and json.encode(workflow.schema), -- a function is checked when it runs
    })
  end
  if not wanted then table.move(loaded.notes, 1, #loaded.notes, #notes + 1, notes) end
  return arguments, nil, { workflows = bundle.ids(loaded), notes = notes, silent = sorted_keys.of(loaded.silent) }
end

return announcement
