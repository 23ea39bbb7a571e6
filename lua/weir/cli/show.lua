-- `weir show`: one run, with what it did and what it did it with.

local family = require "weir.cli.family"
local json = require "weir.json"
local nearest = require "weir.nearest"
local output = require "weir.cli.output"
local record = require "weir.record"
local store = require "weir.cli.store"
local terminal = require "weir.terminal"
local tree = require "weir.cli.tree"

local show = {}

local REMEMBERED = 1000 -- runs of which the tree tells more than that they were invoked
local LABEL = 10
local LISTED = 50 -- runs, without a --limit

local function state_text(style, run, now)
  local words = { ("%s %s"):format(tree.mark(style, run.state), run.state) }
  if run.finished_at then
    if run.started_at then words[#words + 1] = "in " .. terminal.span(run.finished_at - run.started_at) .. "," end
    words[#words + 1] = terminal.paint(style, "dim", ("%s ago"):format(terminal.span(now - run.finished_at)))
  elseif run.started_at then
    words[#words + 1] = ("for %s"):format(terminal.span(now - run.started_at))
  end
  if run.attempt > 1 then words[#words + 1] = ("(attempt %d)"):format(run.attempt) end
  if run.cancel and not record.ENDED[run.state] then words[#words + 1] = "and is to end: " .. run.cancel.state end
  return table.concat(words, " ")
end

local function facts(style, run, now)
  local list = {}
  local function add(label, text) list[#list + 1] = { label, text } end
  local function payload(label, text)
    if text then add(label, terminal.clip(terminal.plain(text), style.columns - LABEL - 3)) end
  end
  add("state", state_text(style, run, now))
  add("created", terminal.instant(run.created_at))
  if run.parent then add("parent", terminal.plain(run.parent)) end
  add("queue", terminal.plain(run.queue) .. (run.priority ~= 0 and ", priority " .. run.priority or ""))
  if run.bundle then add("bundle", run.bundle) end
  if run.tags then payload("tags", run.tags) end
  payload("data", run.data)
  payload("result", run.result)
  if run.error then
    local message = terminal.plain(tostring(run.error.message))
    add("error", record.ENDED[run.state] and terminal.paint(style, "red", message)
      or message .. " (of the attempt before)")
  end
  return list
end

---@param id string
---@return string text
function show.text(id)
  local style = output.style()
  local all = family.new(id, REMEMBERED)
  all:refresh()
  local run = all.runs[id] or store.no_such_run(id)
  local workflow = terminal.paint(style, "dim", terminal.plain(run.workflow))
  local lines = { terminal.paint(style, "bold", terminal.plain(id)) .. "  " .. workflow, "" }
  for _, fact in ipairs(facts(style, run, all.now)) do
    lines[#lines + 1] = "  " .. terminal.paint(style, "dim", terminal.pad(fact[1], LABEL)) .. fact[2]
  end
  if run.error and record.ENDED[run.state] then
    for _, line in ipairs(output.explained(run.error)) do
      lines[#lines + 1] = (" "):rep(LABEL) .. terminal.clip(line, math.max(40, style.columns - LABEL))
    end
  end
  if #run.operations > 0 then
    lines[#lines + 1] = ""
    local root = tree.plant(id, all.runs)
    root.failed = nil -- told above
    for _, line in ipairs(tree.draw(root, { style = style, now = all.now, origin = root.began })) do
      lines[#lines + 1] = line
    end
  end
  return table.concat(lines, "\n")
end

-- ------------------------------------------------------------------------------------------------
-- Lists of runs

local function message_of(glance)
  if glance.state ~= "failed" or not glance.error then return "" end
  local failure = json.decode(glance.error)
  while failure.cause do failure = failure.cause end -- what is at the bottom of it says most
  return terminal.plain(tostring(failure.message))
end

local function row_of(glance, now)
  local began = glance.started_at or glance.created_at
  local took = glance.state == "scheduled" and "" or terminal.span((glance.finished_at or now) - began)
  return {
    glance.state, terminal.plain(glance.id), terminal.plain(glance.workflow),
    terminal.span(now - glance.created_at) .. " ago", took, message_of(glance),
  }
end

local RUN, MESSAGE = 2, 6
local COLOURS = { completed = "green", failed = "red", cancelled = "yellow", retrying = "yellow" }

local function print_table(glances, now)
  local style, rows = output.style(), { { "STATE", "RUN", "WORKFLOW", "CREATED", "TOOK", "" } }
  for i, glance in ipairs(glances) do rows[i + 1] = row_of(glance, now) end
  for _, row in ipairs(rows) do row[MESSAGE] = terminal.clip(row[MESSAGE], math.max(12, style.columns // 3)) end
  for n, row in ipairs(terminal.columns(rows, style.columns - 1, RUN)) do
    local state = rows[n][1]
    row[1] = terminal.paint(style, n == 1 and "dim" or COLOURS[state] or nil, row[1])
    for i = 2, #row do row[i] = n == 1 and terminal.paint(style, "dim", row[i]) or row[i] end
    output.print((table.concat(row, "  "):gsub("%s+$", "")))
  end
end

local STATES = { "scheduled", "ready", "running", "waiting", "retrying", "completed", "failed", "cancelled" }

local function check_state(state)
  for _, known in ipairs(STATES) do
    if state == nil or state == known then return end
  end
  local near = nearest.find(state, STATES)
  store.fault(store.USAGE, "--state: there is no state %s; %s", state,
    near and ("did you mean %s?"):format(near) or "there are " .. table.concat(STATES, ", "))
end

---Prints runs, newest first: a line of JSON each, or a table.
---@param options { limit: integer?, state: string?, json: boolean }
function show.list(options)
  check_state(options.state)
  local limit = options.limit or LISTED
  local chosen, now = {}, 0
  -- A failed run may be a child; of all others the roots are what people started.
  for ids in store.pages(options.state == "failed" and "failed" or "roots") do
    local found
    found, now = store.glance(ids)
    for _, id in ipairs(ids) do
      local glance = found[id]
      if glance and #chosen < limit and (not options.state or glance.state == options.state) then
        chosen[#chosen + 1] = glance
      end
    end
    if #chosen >= limit then break end
  end
  if not options.json then
    if #chosen > 0 then print_table(chosen, now) end
    return
  end
  for _, glance in ipairs(chosen) do
    local run = store.inspect({ glance.id })[glance.id]
    if run then output.print(record.json(run)) end
  end
end

return show
