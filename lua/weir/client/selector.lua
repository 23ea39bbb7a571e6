-- Selects runs by filters or by ids (SELECTOR), and walks over the selected runs. The newest roots come first, each
-- followed by its descendants, parents before their children. Runs that start during the walk are not visited. The walk
-- reads a page at a time and never writes.
--
-- `since` and `until` compare the instant at which a run, or a child, was created. Redis keeps the roots in that order,
-- so the walk skips newer roots. Below a root that is older than `since`, only runs that had not ended by then can have
-- children created since.

local duration = require "weir.base.duration"
local fault = require "weir.client.fault"
local identifier = require "weir.base.identifier"
local json = require "weir.json"
local record = require "weir.record.record"
local redis = require "weir.client.redis"
local run_id = require "weir.base.run_id"
local suggest = require "weir.base.suggest"

local selector = {}

local PAGE = 100 -- runs looked at in one call
local EARLIEST = 100000000000 -- ms, in 1973: a smaller number is more likely a span without its unit

---@class weir.Selection
---@field ids string[]? named one by one; then no filter is set
---@field piped boolean? the ids came by stdin
---@field workflow string?
---@field state string?
---@field since integer? ms
---@field until integer? ms
---@field after weir.Place? where the walk goes on
---@field error string? a code
---@field match string? in lower case
---@field tags table<string, string>?
---@field queue string?
---@field roots boolean?
---@field limit integer?
---@field narrowed boolean whether any filter was set

---@class weir.Place the place of a run in the order of the walk
---@field id string
---@field root string of its tree
---@field before string where the pages after it begin, as `redis.pages` reads it

---@class weir.Filters as a request spells them
---@field workflow string?
---@field state string?
---@field since string? see `selector.instant`
---@field until string?
---@field after string? the id of a run
---@field error string?
---@field match string?
---@field tag string[]? of KEY=VALUE
---@field queue string?
---@field roots boolean?
---@field limit integer?

-- ------------------------------------------------------------------------------------------------
-- Reading the filters

local FILTERS = { "workflow", "state", "since", "until", "error", "match", "tag", "queue", "roots" }

selector.STATES = { "scheduled", "ready", "running", "waiting", "retrying", "completed", "failed", "cancelled" }

local function check_state(state)
  for _, known in ipairs(selector.STATES) do
    if state == nil or state == known then return end
  end
  local suggestion = suggest.find(state, selector.STATES)
  fault.option("state", "cannot be %s; %s", state,
    suggestion and ("did you mean %s?"):format(suggestion) or "the states are " .. table.concat(selector.STATES, ", "))
end

-- Days from 1970-01-01, by the calendar of today.
local function days_until(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month - 457) // 5 + day - 719469
end

local function is_date(year, month, day)
  local at = os.date("!*t", days_until(year, month, day) * 86400)
  return at.year == year and at.month == month and at.day == day
end

local function read_date(text)
  local year, month, day, rest = text:match("^(%d%d%d%d)%-(%d%d?)%-(%d%d?)(.*)$")
  if not year then return nil end
  local clock, zone = rest:match("^[ T]([%d:]+)(Z?)$")
  if not clock and rest ~= "" then return nil end
  local hour, minute, second = (clock or "0:00"):match("^(%d%d?):(%d%d):?(%d*)$")
  if not hour then return nil end
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  hour, minute, second = tonumber(hour), tonumber(minute), tonumber(second) or 0
  if not is_date(year, month, day) or hour > 23 or minute > 59 or second > 60 then return nil end
  if zone == "Z" then return ((days_until(year, month, day) * 24 + hour) * 60 + minute) * 60 + second end
  return os.time { year = year, month = month, day = day, hour = hour, min = minute, sec = second }
end

---Reads an instant.
---@param text string a span ago, a date with or without a time of day (Z: UTC, else the local time), or ms since 1970
---@param now integer ms
---@return integer? ms
---@return string? message why the text is no instant: the rest of a sentence that begins with the option
function selector.instant(text, now)
  local ms = text:find("^%d+$") and math.tointeger(tonumber(text))
  if ms and ms >= EARLIEST then return ms end
  if ms then return nil, ("cannot be %s; a span needs a unit, as in %ss"):format(text, text) end
  local seconds = read_date(text)
  if seconds then return math.floor(seconds) * 1000 end
  local span = duration.ms(text)
  if span then return now - span end
  return nil, ('cannot be "%s"; write 1h (that long ago), 2026-11-21, "2026-11-21 12:00", 2026-11-21T12:00:00Z, '
    .. "or milliseconds since 1970"):format(text)
end

local function read_instant(option, text)
  if not text then return nil end
  local _, now = redis.call()
  local ms, message = selector.instant(text, now)
  return ms or fault.option(option, "%s", message)
end

-- Failed runs are listed in the order in which they ended, all others in the order of their roots.
local function read_after(id, state)
  if not id then return nil end
  local root = run_id.root(id)
  local runs = redis.status { id, root }
  if not runs[id] then
    fault.raise_with("not_found", { option = "after", run = id },
      "names run %s, which no longer exists; until takes an instant instead", id)
  elseif state ~= "failed" then
    return { id = id, root = root, before = ("%d %s"):format(runs[root].created_at, root) }
  elseif runs[id].state ~= "failed" then
    fault.option("after", "names run %s, which is no longer among the failed runs: it is %s; list them from the start",
      id, runs[id].state)
  end
  return { id = id, root = root, before = ("%d %s"):format(runs[id].finished_at, id) }
end

---Reads tags.
---@param list string[]? of KEY=VALUE
---@return table<string, string>?
function selector.tags(list)
  if not list or #list == 0 then return nil end
  local tags = {}
  for _, text in ipairs(list) do
    local key, value = text:match("^([^=]+)=(.*)$")
    if not key then fault.option("tag", "must be KEY=VALUE, not %s", text) end
    if not utf8.len(text) then fault.option("tag", "is not valid UTF-8") end
    tags[key] = value
  end
  return tags
end

---The names of the filters that are set.
---@param filters weir.Filters
---@return string[]
function selector.names(filters)
  local names = {}
  for _, name in ipairs(FILTERS) do
    local value = filters[name]
    if value and (type(value) ~= "table" or #value > 0) then names[#names + 1] = name end
  end
  return names
end

---Checks filters.
---@param filters weir.Filters
---@return weir.Selection
function selector.read(filters)
  check_state(filters.state)
  local since, till = read_instant("since", filters.since), read_instant("until", filters["until"])
  if since and till and since > till then fault.option("since", "is later than until: no run is between them") end
  return {
    workflow = filters.workflow, state = filters.state, since = since, ["until"] = till,
    after = read_after(filters.after, filters.state), error = filters.error,
    match = filters.match and filters.match:lower(), tags = selector.tags(filters.tag), queue = filters.queue,
    roots = filters.roots or nil, limit = filters.limit, narrowed = #selector.names(filters) > 0,
  }
end

---Selects runs by their ids.
---@param ids string[]
---@return weir.Selection
function selector.by_ids(ids)
  for i, id in ipairs(ids) do
    if not utf8.len(id) then fault.raise("invalid", "id %d is not valid UTF-8, so no run has it", i) end
  end
  return { ids = ids, narrowed = true }
end

-- ------------------------------------------------------------------------------------------------
-- Whether a run is selected

-- Whether the predicate holds for an error or for one of its causes.
local function some_link(text, predicate)
  local link = redis.table_of(text)
  while type(link) == "table" and link ~= json.null do
    if predicate(link) then return true end
    link = link.cause
  end
  return false
end

local function has_text(run, text)
  if run.id:lower():find(text, 1, true) or run.workflow:lower():find(text, 1, true) then return true end
  return some_link(run.error, function(link) return tostring(link.message):lower():find(text, 1, true) end)
end

local function has_tags(run, tags)
  local own = redis.table_of(run.tags)
  for key, value in pairs(tags) do
    if own[key] ~= value then return false end
  end
  return true
end

---Says that no run can be selected because no host has ever announced the workflow; nil if a run may be selected.
---@param selection weir.Selection
---@return string?
function selector.misspelt(selection)
  local workflow = selection.workflow
  local registry = workflow and redis.registry()
  if not registry or registry[workflow] then return nil end
  local suggestion = suggest.find(workflow, identifier.not_own(registry))
  return ('there is no workflow "%s"%s'):format(workflow,
    suggestion and ('; did you mean "%s"?'):format(suggestion) or "")
end

---Whether a run passes all filters except `since` and `until`.
---@param selection weir.Selection
---@param run weir.RunStatus
---@return boolean
function selector.fits(selection, run)
  if selection.state and run.state ~= selection.state then return false end
  if selection.workflow and run.workflow ~= selection.workflow then return false end
  if selection.queue and run.queue ~= selection.queue then return false end
  if selection.roots and not run_id.is_root(run.id) then return false end
  if selection.tags and not has_tags(run, selection.tags) then return false end
  local code = selection.error
  if code and not some_link(run.error, function(link) return link.code == code end) then return false end
  return not selection.match or has_text(run, selection.match)
end

local function in_time(selection, run)
  local at = run.created_at
  return not (selection.since and at < selection.since or selection["until"] and at > selection["until"])
end

-- ------------------------------------------------------------------------------------------------
-- The walk

-- The runs that exist, in the order of their ids.
local function read(ids)
  local by_id, now = redis.status(ids)
  local runs = {}
  for _, id in ipairs(ids) do runs[#runs + 1] = by_id[id] end
  return runs, now
end

-- A run has children only after it has begun, creates them later than itself and before it ends; only detached children
-- outlive it, and may then have children of their own.
local function may_have_children(selection, run)
  if not run.started_at then return false end
  if selection["until"] and run.created_at > selection["until"] then return false end
  if not selection.since or run.has_rare or not record.ENDED[run.state] then return true end
  return run.finished_at >= selection.since
end

local function children_of(selection, runs)
  local ids = {}
  for _, run in ipairs(runs) do
    if may_have_children(selection, run) then ids[#ids + 1] = run.id end
  end
  return redis.children(ids)
end

-- Visits the descendants of a root, a page at a time. As everywhere here, true ends the walk.
local function descend(selection, pending, visit)
  local at = 1
  while at <= #pending do
    local ids = table.move(pending, at, math.min(at + PAGE - 1, #pending), 1, {})
    at = at + #ids
    local page, now = read(ids)
    if visit(page, now) then return true end
    local children = children_of(selection, page)
    for _, run in ipairs(page) do
      for _, id in ipairs(children[run.id] or {}) do pending[#pending + 1] = id end
    end
  end
  return false
end

-- Visits only the runs that come after this one in its tree.
local function visit_after(id, visit)
  local passed = false
  return function(page, now)
    if passed then return visit(page, now) end
    for i, run in ipairs(page) do
      passed = run.id == id
      if passed then return visit(table.move(page, i + 1, #page, 1, {}), now) end
    end
  end
end

-- With a filter, except --roots, the walk includes children; without one it visits only root runs.
local function with_children(selection) return selection.narrowed and not selection.roots end

-- Visits the trees of these roots.
local function walk_trees(selection, ids, visit)
  local roots, now = read(ids)
  local children = with_children(selection) and children_of(selection, roots) or {}
  for _, root in ipairs(roots) do
    if visit({ root }, now) or descend(selection, children[root.id] or {}, visit) then return true end
  end
  return false
end

-- Where the pages of the roots begin; nil: with the newest.
local function first_place(selection)
  return selection.after and selection.after.before or selection["until"] and ("%d /"):format(selection["until"])
end

-- Below roots older than `since` the walk looks for children created since.
local function walk_roots(selection, visit)
  local after, since, whole = selection.after, selection.since, with_children(selection)
  if after and walk_trees(selection, { after.root }, visit_after(after.id, visit)) then return end
  local tags = not whole and selection.tags or nil -- else a child may have them
  for ids, at in redis.pages("roots", first_place(selection), whole and since or nil, tags) do
    if walk_trees(selection, ids, visit) or since and not whole and at < since then return end
  end
end

-- Failed runs come in the order in which they ended: those that ended before `since` were created before it.
local function walk_failed(selection, visit)
  for ids, at in redis.pages("failed", selection.after and selection.after.before) do
    local page, now = read(ids)
    if visit(page, now) or selection.since and at < selection.since then return end
  end
end

---Visits the selected runs, whatever `limit` says.
---@param selection weir.Selection
---@param on_page fun(page: weir.RunStatus[], seen: integer, now: integer): boolean? told some selected runs, perhaps
---none, how many runs the walk has looked at, and Redis' clock in ms; returns true to end the walk
function selector.walk(selection, on_page)
  local seen = 0
  local walk = selection.state == "failed" and walk_failed or walk_roots
  walk(selection, function(runs, now)
    local page = {}
    for _, run in ipairs(runs) do
      seen = seen + 1
      if in_time(selection, run) and selector.fits(selection, run) then page[#page + 1] = run end
    end
    return on_page(page, seen, now)
  end)
end

-- ------------------------------------------------------------------------------------------------
-- Trees

-- The runs from `id` up to, and without, its nearest selected ancestor; nil when it has none.
local function path_to_selected(id, selected)
  local path = { id }
  local above = run_id.parent(id)
  while above do
    if selected[above] then return path end
    path[#path + 1] = above
    above = run_id.parent(above)
  end
  return nil
end

---Leaves out the runs that an act on another one includes, as an act on a run includes its descendants.
---@param ids string[]
---@param whole boolean? the act includes detached descendants
---@return string[] topmost in their order
function selector.topmost(ids, whole)
  local selected, paths, on_paths, listed = {}, {}, {}, {}
  for _, id in ipairs(ids) do selected[id] = true end
  for _, id in ipairs(ids) do
    paths[id] = path_to_selected(id, selected)
    for _, run in ipairs(not whole and paths[id] or {}) do
      if not listed[run] then on_paths[#on_paths + 1], listed[run] = run, true end
    end
  end
  local runs = redis.status(on_paths)
  local topmost, added = {}, {}
  for _, id in ipairs(ids) do
    local independent = not paths[id]
    for _, run in ipairs(paths[id] or {}) do
      independent = independent or runs[run] ~= nil and runs[run].detached
    end
    if independent and not added[id] then topmost[#topmost + 1], added[id] = id, true end
  end
  return topmost
end

return selector
