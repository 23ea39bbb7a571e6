-- Lists the selected runs, and groups failed ones by their error.

local json = require "weir.json"
local redis = require "weir.client.redis"
local selector = require "weir.client.selector"

local list = {}

local PAGE = 500 -- members of a set in one call

---Finds the innermost cause of an error, which says most about it.
---@param text string? JSON
---@return table
function list.root_cause(text)
  local failure = redis.table_of(text)
  while type(failure.cause) == "table" and failure.cause ~= json.null do failure = failure.cause end
  return failure
end

---The first selected runs.
---@param selection weir.Selection
---@param most integer
---@param on_page (fun(chosen: integer, seen: integer))? told how far the search is
---@return weir.RunStatus[] runs
---@return integer now_ms
function list.runs(selection, most, on_page)
  local runs, now = {}, 0
  selector.walk(selection, function(page, seen, at)
    table.move(page, 1, math.min(#page, most - #runs), #runs + 1, runs)
    now = at
    if on_page then on_page(#runs, seen) end
    return #runs >= most
  end)
  return runs, now
end

---The first selected runs among those that the search meets first.
---@param selection weir.Selection
---@param most integer
---@param looked_at integer after so many runs the search ends
---@return weir.RunStatus[] runs
---@return integer? seen the runs looked at, when the search ended before it had found enough or seen all
function list.newest(selection, most, looked_at)
  local runs, ended_at = {}, nil
  selector.walk(selection, function(page, seen)
    table.move(page, 1, math.min(#page, most - #runs), #runs + 1, runs)
    if #runs >= most then return true end
    ended_at = seen >= looked_at and seen or nil
    return ended_at ~= nil
  end)
  return runs, ended_at
end

-- The sets that hold the runs of a state.
local HELD = {
  scheduled = { delayed = true }, waiting = { delayed = true }, retrying = { delayed = true },
  ready = { ready = true, owned = true }, running = { owned = true },
}

-- The ids in these sets, about as many as asked for: of each set a share.
local function members_of(sets, most)
  local all, ids = 0, {}
  for _, set in ipairs(sets) do all = all + set.size end
  for _, set in ipairs(sets) do
    local count = all <= most and set.size or math.max(1, set.size * most // all)
    local step = set.name:find "^owned:" and count or PAGE -- members without an order come in one page
    for from = 0, count - 1, step do
      local page = redis.members(set.name, from, math.min(step, count - from))
      table.move(page, 1, #page, #ids + 1, ids)
    end
  end
  return ids, all
end

---The selected runs of one state that is no end, also old ones: they stand in sets of their own.
---@param selection weir.Selection its `state` is no end
---@param most integer
---@param looked_at integer so many runs of these sets are looked at
---@return weir.RunStatus[] runs newest first
---@return integer? left how many runs were not looked at
function list.unfinished(selection, most, looked_at)
  local sets, runs = {}, {}
  for _, set in ipairs(redis.sets()) do
    if HELD[selection.state][set.name:match "^%l+"] then sets[#sets + 1] = set end
  end
  local ids, all = members_of(sets, looked_at)
  for _, run in pairs((redis.status(ids))) do
    if selector.fits(selection, run) then runs[#runs + 1] = run end
  end
  table.sort(runs, function(a, b)
    if a.created_at ~= b.created_at then return a.created_at > b.created_at end
    return a.id < b.id
  end)
  for i = #runs, most + 1, -1 do runs[i] = nil end
  return runs, all > #ids and all - #ids or nil
end

---Whether the runs of a state can be read by `list.unfinished`.
---@param state string?
---@return boolean
function list.is_unfinished(state) return state ~= nil and HELD[state] ~= nil end

---A message without its numbers, which differ from run to run.
---@param message string
---@return string
function list.without_numbers(message)
  return (message:gsub("%d+", "N"))
end

---@class weir.ErrorGroup
---@field count integer
---@field code string
---@field message string without numbers
---@field run string the newest
---@field created_at integer of that run

local function add(groups, run)
  local cause = list.root_cause(run.error)
  local code, message = tostring(cause.code or "error"), list.without_numbers(tostring(cause.message))
  local key = code .. "\0" .. message
  local group = groups[key]
  if not group then
    group = { count = 0, code = code, message = message, created_at = -1 }
    groups[key], groups[#groups + 1] = group, group
  end
  group.count = group.count + 1
  if run.created_at > group.created_at then group.run, group.created_at = run.id, run.created_at end
end

---Groups the selected runs by the innermost cause of their error, the largest group first. A child and its ancestors
---that failed because of it are in one group.
---@param selection weir.Selection
---@param on_page (fun(seen: integer))? told how far the search is
---@return weir.ErrorGroup[]
function list.error_groups(selection, on_page)
  local groups = {}
  selector.walk(selection, function(page, seen)
    for _, run in ipairs(page) do
      if run.error then add(groups, run) end
    end
    if on_page then on_page(seen) end
  end)
  table.sort(groups, function(a, b)
    if a.count ~= b.count then return a.count > b.count end
    if a.created_at ~= b.created_at then return a.created_at > b.created_at end
    return a.run < b.run
  end)
  return groups
end

return list
