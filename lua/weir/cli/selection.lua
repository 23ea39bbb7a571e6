-- SELECTOR on the command line: filters as flags, ids as arguments, or ids on stdin.

local fault = require "weir.client.fault"
local json = require "weir.json"
local native = require "weir.native.client"
local selector = require "weir.client.selector"

local selection = {}

---A line that `read_ids` reads as this id.
---@param id string
---@return string
function selection.id_line(id)
  return id:find "^{" and json.encode { run = id } or id
end

-- Reads ids, one a line, or runs as JSON in the form of `weir list --json`. An id may begin and end with blanks, so
-- only the end of the line is cut off.
local function read_ids(text)
  local ids = {}
  for line in text:gmatch("[^\n]+") do
    local id = line:gsub("\r$", "")
    local run = id:find "^%s*{" and json.try_decode(id, json.DEEPEST)
    if type(run) == "table" and run ~= json.null then
      id = run.id or run.run
      if type(id) ~= "string" then
        fault.raise("invalid", "line %d of stdin is neither the id of a run nor a run as JSON", #ids + 1)
      end
    end
    if id ~= "" then ids[#ids + 1] = id end
  end
  return ids
end

local function read_named(options)
  local filters = selector.names(options)
  if options.limit then filters[#filters + 1] = "limit" end
  if #filters > 0 then
    fault.raise("invalid", "ids and --%s cannot be combined: name runs, or select them by filters", filters[1])
  end
  local piped = false
  for _, id in ipairs(options) do piped = piped or id == "-" end
  if piped and #options > 1 then
    fault.raise("invalid", "- reads all ids from stdin: leave out the other ids")
  end
  local ids = piped and read_ids(native.read("-")) or table.move(options, 1, #options, 1, {})
  local selected = selector.by_ids(ids)
  selected.piped = piped
  return selected
end

---The runs that the arguments and flags of a command select.
---@param options table
---@return weir.Selection
function selection.read(options)
  if #options > 0 then return read_named(options) end
  return selector.read(options)
end

return selection
