-- SELECTOR: which runs a command is about, by filters or by ids, and the walk that finds them. Newest roots come
-- first, each with the tree below it, parents before their children; newer runs that arrive meanwhile change nothing.
-- Reads a page at a time and never writes.
--
-- --since and --until go by the instant at which each run was created itself. Roots stand in that order, so that newer
-- ones are passed over; below those that are older than --since only what lived by then can have got children since.

local client = require "weir.native.client"
local duration = require "weir.base.duration"
local identifier = require "weir.base.identifier"
local json = require "weir.json"
local nearest = require "weir.base.suggest"
local record = require "weir.record.record"
local store = require "weir.client.redis"

local selector = {}

local FILTERS = { "workflow", "state", "since", "until", "error", "match", "tag", "queue", "roots" }
local PAGE = 100 -- runs looked at in one call
local EARLIEST = 100000000000 -- ms, in 1973: a smaller number is more likely a span that somebody meant

---@class weir.Selection
---@field ids string[]? named one by one; then nothing of what follows is there
---@field piped boolean? they came by stdin
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
---@field narrowed boolean whether any filter was given

---@class weir.Place where a run stands in the order of the walk
---@field id string
---@field root string of the tree that it is in
---@field before string what the pages behind it begin after, as the store reads it

-- ------------------------------------------------------------------------------------------------
-- What was asked for

selector.STATES = { "scheduled", "ready", "running", "waiting", "retrying", "completed", "failed", "cancelled" }

local function check_state(state)
  for _, known in ipairs(selector.STATES) do
    if state == nil or state == known then return end
  end
  local near = nearest.find(state, selector.STATES)
  store.fault(store.USAGE, "--state: there is no state %s; %s", state,
    near and ("did you mean %s?"):format(near) or "there are " .. table.concat(selector.STATES, ", "))
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

---An instant that a person named.
---@param text string a span ago, a date with or without its time of day (Z: UTC, else by the clock here), or ms
---@param now integer ms
---@return integer? ms
---@return string? message why it is none
function selector.instant(text, now)
  local ms = text:find("^%d+$") and math.tointeger(tonumber(text))
  if ms and ms >= EARLIEST then return ms end
  if ms then return nil, ("%s is no instant; a span ago has a unit, as in %ss"):format(text, text) end
  local seconds = read_date(text)
  if seconds then return math.floor(seconds) * 1000 end
  local span = duration.ms(text)
  if span then return now - span end
  return nil, ('"%s" is no instant; write 1h (that long ago), 2026-11-21, "2026-11-21 12:00", 2026-11-21T12:00:00Z, '
    .. "or milliseconds since 1970"):format(text)
end

local function read_instant(flag, text)
  if not text then return nil end
  local _, now = store.call()
  local ms, message = selector.instant(text, now)
  return ms or store.fault(store.USAGE, "--%s: %s", flag, message)
end

-- Of failed runs the instant of the end is their place, of all others that of their root.
local function read_after(id, state)
  if not id then return nil end
  local root = id:match("^[^/]*")
  local found = store.glance { id, root }
  if not found[id] then
    store.fault(store.NO_INPUT, "--after: there is no run %s any more; --until goes on from an instant", id)
  elseif state ~= "failed" then
    return { id = id, root = root, before = ("%d %s"):format(found[root].created_at, root) }
  elseif found[id].state ~= "failed" then
    store.fault(store.USAGE, "--after: run %s has no place among the failed: it is %s; list them anew", id,
      found[id].state)
  end
  return { id = id, root = root, before = ("%d %s"):format(found[id].finished_at, id) }
end

-- The filters that were given, as they were spelled.
local function filters_of(options)
  local given = {}
  for _, name in ipairs(FILTERS) do
    local value = options[name]
    if value and (type(value) ~= "table" or #value > 0) then given[#given + 1] = "--" .. name end
  end
  return given
end

---A line that `read_ids` reads as this id.
---@param id string
---@return string
function selector.id_line(id)
  return id:find "^{" and json.encode { run = id } or id
end

-- Ids, one a line; or JSON that names a run, as `list --json` and the acts print it. An id may begin and end with
-- blanks, so nothing is trimmed but the end of the line.
local function read_ids(text)
  local ids = {}
  for line in text:gmatch("[^\n]+") do
    local id = line:gsub("\r$", "")
    local run = id:find "^%s*{" and json.try_decode(id, json.DEEPEST)
    if type(run) == "table" and run ~= json.null then
      id = run.id or run.run
      if type(id) ~= "string" then
        store.fault(store.USAGE, "line %d of stdin is neither the id of a run nor a run as JSON", #ids + 1)
      end
    end
    if id ~= "" then ids[#ids + 1] = id end
  end
  return ids
end

local function read_named(options, given)
  if options.limit then given[#given + 1] = "--limit" end
  if #given > 0 then
    store.fault(store.USAGE, "ids and %s exclude each other: name runs, or say by filters which", given[1])
  end
  local piped = false
  for _, id in ipairs(options) do piped = piped or id == "-" end
  if piped and #options > 1 then store.fault(store.USAGE, "- stands for all ids, on stdin; no other beside it") end
  local ids = piped and read_ids(client.read("-")) or table.move(options, 1, #options, 1, {})
  for i, id in ipairs(ids) do
    if not utf8.len(id) then store.fault(store.USAGE, "id %d is not valid UTF-8, so no run has it", i) end
  end
  return { ids = ids, piped = piped, narrowed = true }
end

---What the options of a command say, checked.
---@param options table
---@return weir.Selection
function selector.read(options)
  local given = filters_of(options)
  if #options > 0 then return read_named(options, given) end
  check_state(options.state)
  local since, till = read_instant("since", options.since), read_instant("until", options["until"])
  if since and till and since > till then
    store.fault(store.USAGE, "--since is later than --until: no run is between them")
  end
  return {
    workflow = options.workflow, state = options.state, since = since, ["until"] = till,
    after = read_after(options.after, options.state), error = options.error,
    match = options.match and options.match:lower(), tags = store.tags(options.tag), queue = options.queue,
    roots = options.roots or nil, limit = options.limit, narrowed = #given > 0,
  }
end

-- ------------------------------------------------------------------------------------------------
-- Whether a run is meant

-- Whether any link of a failure's chain is so.
local function some_link(text, is_so)
  local link = store.table_of(text)
  while type(link) == "table" and link ~= json.null do
    if is_so(link) then return true end
    link = link.cause
  end
  return false
end

local function has_text(glance, text)
  if glance.id:lower():find(text, 1, true) or glance.workflow:lower():find(text, 1, true) then return true end
  return some_link(glance.error, function(link) return tostring(link.message):lower():find(text, 1, true) end)
end

local function has_tags(glance, tags)
  local own = store.table_of(glance.tags)
  for key, value in pairs(tags) do
    if own[key] ~= value then return false end
  end
  return true
end

---Says that no run can be meant, as no host has ever announced that workflow; nil when one may be.
---@param selection weir.Selection
---@return string?
function selector.misspelt(selection)
  local workflow = selection.workflow
  local registry = workflow and store.registry()
  if not registry or registry[workflow] then return nil end
  local near = nearest.find(workflow, identifier.not_own(registry))
  return ('there is no workflow "%s"%s'):format(workflow, near and ('; did you mean "%s"?'):format(near) or "")
end

---Whether a run is one of those meant.
---@param selection weir.Selection
---@param glance weir.Glance
---@return boolean
function selector.fits(selection, glance)
  if selection.state and glance.state ~= selection.state then return false end
  if selection.workflow and glance.workflow ~= selection.workflow then return false end
  if selection.queue and glance.queue ~= selection.queue then return false end
  if selection.roots and glance.id:find("/", 1, true) then return false end
  if selection.tags and not has_tags(glance, selection.tags) then return false end
  local code = selection.error
  if code and not some_link(glance.error, function(link) return link.code == code end) then return false end
  return not selection.match or has_text(glance, selection.match)
end

local function in_time(selection, glance)
  local at = glance.created_at
  return not (selection.since and at < selection.since or selection["until"] and at > selection["until"])
end

-- ------------------------------------------------------------------------------------------------
-- The walk

-- Those of these runs that there are, in their order.
local function look(ids)
  local found, now = store.glance(ids)
  local glances = {}
  for _, id in ipairs(ids) do glances[#glances + 1] = found[id] end
  return glances, now
end

-- What never began has no children, and those of the others are created after them, as long as they live. What they let
-- go may go on longer.
local function may_have_children(selection, glance)
  if not glance.started_at then return false end
  if selection["until"] and glance.created_at > selection["until"] then return false end
  if not selection.since or glance.special or not record.ENDED[glance.state] then return true end
  return glance.finished_at >= selection.since
end

local function children_of(selection, glances)
  local ids = {}
  for _, glance in ipairs(glances) do
    if may_have_children(selection, glance) then ids[#ids + 1] = glance.id end
  end
  return store.children(ids)
end

-- All below a root, a page at a time. True, as everywhere here: it was enough.
local function descend(selection, children, visit)
  local waiting, at = children, 1
  while at <= #waiting do
    local ids = table.move(waiting, at, math.min(at + PAGE - 1, #waiting), 1, {})
    at = at + #ids
    local page, now = look(ids)
    if visit(page, now) then return true end
    local below = children_of(selection, page)
    for _, glance in ipairs(page) do
      for _, id in ipairs(below[glance.id] or {}) do waiting[#waiting + 1] = id end
    end
  end
  return false
end

-- What stands behind that run in its tree.
local function beyond(id, visit)
  local passed = false
  return function(page, now)
    if passed then return visit(page, now) end
    for i, glance in ipairs(page) do
      passed = glance.id == id
      if passed then return visit(table.move(page, i + 1, #page, 1, {}), now) end
    end
  end
end

-- All filters but these look at children too; without any, a list is one of what people started.
local function with_children(selection) return selection.narrowed and not selection.roots end

-- The trees of these roots.
local function walk_trees(selection, ids, visit)
  local roots, now = look(ids)
  local below = with_children(selection) and children_of(selection, roots) or {}
  for _, root in ipairs(roots) do
    if visit({ root }, now) or descend(selection, below[root.id] or {}, visit) then return true end
  end
  return false
end

-- The place in a set at which the pages begin, nil: its head.
local function beginning(selection)
  return selection.after and selection.after.before or selection["until"] and ("%d /"):format(selection["until"])
end

-- Roots that are older than --since matter only for the children that they may have got since.
local function walk_roots(selection, visit)
  local after, since, whole = selection.after, selection.since, with_children(selection)
  if after and walk_trees(selection, { after.root }, beyond(after.id, visit)) then return end
  for ids, at in store.pages("roots", beginning(selection), whole and since or nil) do
    if walk_trees(selection, ids, visit) or since and not whole and at < since then return end
  end
end

-- By the instant of their end, so that only what ended before --since is sure to have been created before it.
local function walk_failed(selection, visit)
  for ids, at in store.pages("failed", selection.after and selection.after.before) do
    local page, now = look(ids)
    if visit(page, now) or selection.since and at < selection.since then return end
  end
end

---Goes through the runs that are meant; how many of them, `limit` says to whoever walks.
---@param selection weir.Selection
---@param on_page fun(page: weir.Glance[], seen: integer, now: integer): boolean? some that fit, perhaps none; how many
---runs were looked at so far; the store's clock, ms. True: that was enough
function selector.walk(selection, on_page)
  local seen = 0
  local walk = selection.state == "failed" and walk_failed or walk_roots
  walk(selection, function(glances, now)
    local page = {}
    for _, glance in ipairs(glances) do
      seen = seen + 1
      if in_time(selection, glance) and selector.fits(selection, glance) then page[#page + 1] = glance end
    end
    return on_page(page, seen, now)
  end)
end

-- ------------------------------------------------------------------------------------------------
-- Trees

local function parent_of(id) return id:match("^(.*)/[^/]*$") end

-- The runs from `id` up to, but without, the nearest selected one above it; nil when there is none.
local function path_to_selected(id, selected)
  local path = { id }
  local above = parent_of(id)
  while above do
    if selected[above] then return path end
    path[#path + 1] = above
    above = parent_of(above)
  end
  return nil
end

---Those of the runs that no other one takes along: what stands below another one goes with it.
---@param ids string[]
---@param whole boolean? also what was let go, as a detached child is
---@return string[] topmost in their order
function selector.topmost(ids, whole)
  local selected, paths, asked, wanted = {}, {}, {}, {}
  for _, id in ipairs(ids) do selected[id] = true end
  for _, id in ipairs(ids) do
    paths[id] = path_to_selected(id, selected)
    for _, run in ipairs(not whole and paths[id] or {}) do
      if not wanted[run] then asked[#asked + 1], wanted[run] = run, true end
    end
  end
  local found = store.glance(asked)
  local topmost, taken = {}, {}
  for _, id in ipairs(ids) do
    local free = not paths[id]
    for _, run in ipairs(paths[id] or {}) do free = free or found[run] ~= nil and found[run].detached end
    if free and not taken[id] then topmost[#topmost + 1], taken[id] = id, true end
  end
  return topmost
end

return selector
