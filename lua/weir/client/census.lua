-- Counts runs by state and workflow. Redis keeps no such counts, as each change of state would cost a write, so the
-- sets that hold runs are read in pages. Of large sets pages spread over the whole set are read, and the counts scaled.

local redis = require "weir.client.redis"

local census = {}

local PAGE, SPREAD = 500, 50 -- runs of a page, in a set that is read whole and in one that is not
local PAGES = 25 -- in one call
local OWNED = 2000 -- runs of a page of a set without an order, which is its only one

---@class weir.Census
---@field states table<string, integer> runs by state; completed and cancelled ones only of roots
---@field workflows table<string, table<string, integer>> by workflow, then by state
---@field running table<string, integer> by host
---@field sampled boolean whether some counts are estimates
---@field oldest { run: string, workflow: string, state: string, created_at: integer }? that has not ended, but for
---scheduled ones; of a sample the oldest in it

-- The states that are counted in a set: each run in one set.
local COUNTED = {
  delayed = { scheduled = true, waiting = true, retrying = true }, -- ready ones are in another set, too
  ready = { ready = true },
  owned = { running = true, ready = true },
  failed = { failed = true },
  roots = { completed = true, cancelled = true },
}
local ENDED = { failed = true, roots = true } -- sets

local function kind_of(set) return set.name:match "^%l+" end

-- The pages of a set that are read, so many runs in all.
local function pages_of(set, most)
  local pages = {}
  if kind_of(set) == "owned" then -- has no order: they are picked at random
    return { { set = set.name, from = 0, count = math.min(set.size, most, OWNED) } }
  elseif set.size <= most then
    for from = 0, set.size - 1, PAGE do pages[#pages + 1] = { set = set.name, from = from, count = PAGE } end
    return pages
  end
  local count = math.max(1, most // SPREAD)
  for i = 0, count - 1 do
    pages[#pages + 1] = { set = set.name, from = i * set.size // count, count = math.min(SPREAD, most) }
  end
  return pages
end

-- Shares `budget` runs among sets by their sizes; each gets a few.
local function plan(sets, budget, pages)
  local all = 0
  for _, set in ipairs(sets) do all = all + set.size end
  for _, set in ipairs(sets) do
    local most = all <= budget and set.size or math.max(10, set.size * budget // all)
    for _, page in ipairs(pages_of(set, most)) do
      page.of = set
      pages[#pages + 1] = page
    end
  end
end

-- The next pages for one call, from `at` on: few enough runs that Redis serves others soon.
local function next_pages(pages, at)
  local some, runs = {}, 0
  repeat
    some[#some + 1] = pages[at]
    runs, at = runs + pages[at].count, at + 1
  until not pages[at] or #some == PAGES or runs + pages[at].count > OWNED
  return some, at
end

local function read_pages(pages)
  local at = 1
  while pages[at] do
    local some
    some, at = next_pages(pages, at)
    for i, counted in ipairs((redis.census(some))) do
      local page, set = some[i], some[i].of
      page.groups = counted.groups
      set.looked_at = (set.looked_at or 0) + counted.looked_at
    end
  end
end

local function is_older(group, oldest)
  return group.state ~= "scheduled" and (not oldest or group.created_at < oldest.created_at)
end

local function add(table_of, name, count) table_of[name] = (table_of[name] or 0) + count end

local function add_page(found, page)
  local set = page.of
  local kind, scale = kind_of(set), set.size / math.max(1, set.looked_at)
  for _, group in ipairs(page.groups) do
    if COUNTED[kind][group.state] then
      local count = group.count * scale
      found.workflows[group.workflow] = found.workflows[group.workflow] or {}
      add(found.workflows[group.workflow], group.state, count)
      add(found.states, group.state, count)
      if kind == "owned" and group.state == "running" then add(found.running, set.name:match "%d+", count) end
      if not ENDED[kind] and is_older(group, found.oldest) then
        found.oldest = { run = group.run, workflow = group.workflow, state = group.state,
                         created_at = group.created_at }
      end
    end
  end
  found.sampled = found.sampled or set.looked_at < set.size
end

local function round(counts)
  for name, count in pairs(counts) do counts[name] = math.floor(count + 0.5) end
end

---Counts the runs.
---@param budget integer how many unfinished runs are looked at, at most, and half as many others
---@return weir.Census
function census.take(budget)
  local sets, living, ended = redis.sets(), {}, {}
  for _, set in ipairs(sets) do table.insert(ENDED[kind_of(set)] and ended or living, set) end
  local pages = {}
  plan(living, budget, pages)
  plan(ended, budget // 2, pages)
  read_pages(pages)
  local found = { states = {}, workflows = {}, running = {}, sampled = false }
  for _, page in ipairs(pages) do add_page(found, page) end
  round(found.states)
  round(found.running)
  for _, states in pairs(found.workflows) do round(states) end
  return found
end

return census
