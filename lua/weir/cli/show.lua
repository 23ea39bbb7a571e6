-- `weir show`: one run with its data, its operations and its outcome; a graph as a drawing.

local dot = require "weir.view.dot"
local fault = require "weir.client.fault"
local graph_text = require "weir.view.graph_text"
local graph_view = require "weir.view.graph_view"
local native = require "weir.native.client"
local output = require "weir.cli.output"
local progress_text = require "weir.view.progress_text"
local plan = require "weir.reset.plan"
local record = require "weir.record.record"
local redis = require "weir.client.redis"
local subtree = require "weir.client.subtree"
local suggest = require "weir.base.suggest"
local terminal = require "weir.view.terminal"
local tree = require "weir.view.tree"
local wait = require "weir.cli.wait"

local show = {}

local REMEMBERED = 1000 -- runs that are read; of others the tree shows only the invoke
local LABEL = 10 -- columns
local ROWS = 200 -- lines of a tree, without --all
local STAGES = 40 -- lines of a graph that is listed instead of drawn

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

-- After a retry the parent may wait for another generation of this run.
local function parent_text(run)
  local text = terminal.plain(run.parent)
  local status = redis.status({ run.parent })[run.parent]
  if not status or status.attempt == 1 then return text end
  local parent = redis.inspect({ run.parent })[run.parent]
  local successor = parent and plan.successor(parent, run.id)
  return successor and ("%s, which now waits for %s"):format(text, terminal.plain(successor)) or text
end

local function facts(style, run, now)
  local list = {}
  local function add(label, text) list[#list + 1] = { label, text } end
  local function payload(label, text)
    if text then add(label, terminal.clip(terminal.plain(text), style.columns - LABEL - 3)) end
  end
  add("state", state_text(style, run, now))
  add("created", terminal.instant(run.created_at))
  if run.parent then add("parent", parent_text(run)) end
  add("queue", terminal.plain(run.queue) .. (run.priority ~= 0 and ", priority " .. run.priority or ""))
  if run.bundle then add("bundle", run.bundle:sub(1, 16)) end
  if run.tags then payload("tags", run.tags) end
  local said = run.progress and progress_text.progress(run.progress)
  payload("status", run.progress and run.progress.status)
  payload("progress", said)
  payload("data", run.data)
  payload("result", run.result)
  if run.error then
    local message = terminal.plain(tostring(run.error.message))
    add("error", record.ENDED[run.state] and terminal.paint(style, "red", message)
      or message .. " (of the attempt before)")
  end
  return list
end

local function read(id, whole)
  local all = subtree.new(id, whole and math.maxinteger or REMEMBERED)
  all:refresh()
  return all, all.runs[id] or redis.raise_not_found(id)
end

-- The tree with at most ROWS lines, and a note if lines are left out.
local function shortened(root, all)
  local gathered = tree.gather(root)
  local pruned = tree.prune(gathered, ROWS)
  local left_out = pruned ~= gathered
  if all.unread > 0 or left_out or tree.size(gathered) < tree.size(root) then
    return pruned, ("%s; weir show %s --all shows every line"):format(
      all.unread > 0 and ("below %s was not read"):format(terminal.count(all.unread, "child"))
      or left_out and "some lines are only counted" or "lines that repeat each other are one", terminal.plain(all.root))
  end
  return root
end

local function draw_operations(style, all, run, whole)
  if run.graph then
    return graph_text.draw(graph_view.view(run, all.now, all.runs), { style = style, now = all.now, rows = STAGES })
  end
  local root = tree.plant(run.id, all.runs)
  root.failed = nil -- it stands above the tree
  local shown, note = root, nil
  if not whole then shown, note = shortened(root, all) end
  local lines = tree.draw(shown, { style = style, now = all.now, origin = root.began })
  if note then table.move({ "", terminal.paint(style, "dim", note) }, 1, 2, #lines + 1, lines) end
  return lines
end

---A run as lines.
---@param all weir.Subtree as it was read
---@param style weir.Style
---@param whole boolean? leaves nothing out
---@return string[] lines
function show.lines(all, style, whole)
  local id, run = all.root, all.runs[all.root]
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
  if #run.operations > 0 or run.graph then
    lines[#lines + 1] = ""
    local drawn = draw_operations(style, all, run, whole)
    table.move(drawn, 1, #drawn, #lines + 1, lines)
  end
  return lines
end

---@param id string
---@param whole boolean? leaves nothing out
---@return string text
function show.text(id, whole)
  return table.concat(show.lines((read(id, whole)), output.style(), whole), "\n")
end

---@param id string
---@return string text for Graphviz
function show.dot(id)
  local all, run = read(id)
  if run.graph then return dot.graph(id, graph_view.view(run, all.now, all.runs), all.now) end
  return dot.tree(tree.plant(id, all.runs), all.now)
end

-- ------------------------------------------------------------------------------------------------
-- One operation

local function find_operation(run, id)
  local names = {}
  for i, operation in ipairs(run.operations) do
    if operation.id == id then return operation end
    names[i] = operation.id
  end
  local nearest = suggest.find(id, names)
  fault.raise_with("not_found", { run = run.id, nearest = nearest }, 'run %s has no operation "%s"%s', run.id, id,
    nearest and ('; did you mean "%s"?'):format(nearest) or "")
end

local function operation_facts(style, operation, now)
  local list = {}
  local function add(label, text) list[#list + 1] = { label, text } end
  local state = ("%s %s"):format(tree.mark(style, operation.state), operation.state)
  local ended = operation.finished_at
  if operation.started_at then
    state = ("%s %s %s"):format(state, ended and "in" or "for", terminal.span((ended or now) - operation.started_at))
  end
  add("state", state)
  if operation.attempts > 1 then add("attempts", terminal.number(operation.attempts)) end
  if operation.started_at then add("began", terminal.instant(operation.started_at)) end
  if operation.line then add("line", terminal.plain(operation.line)) end
  if operation.run then add("run", terminal.plain(operation.run)) end
  if operation.arguments then add("arguments", terminal.plain(operation.arguments)) end
  if operation.result then add("result", terminal.plain(operation.result)) end
  if operation.error then add("error", terminal.plain(tostring(operation.error.message))) end
  return list
end

-- Prints one operation, with whole payloads.
local function show_operation(options)
  local run, now = redis.run(options[1])
  local operation, style = find_operation(run, options[2]), output.style()
  if options.json then return output.print(record.operation_json(operation)) end
  output.print(("%s  %s\n"):format(terminal.paint(style, "bold", terminal.plain(operation.id)),
    terminal.paint(style, "dim", terminal.plain(operation.workflow or operation.kind) .. " of "
      .. terminal.plain(run.id))))
  for _, fact in ipairs(operation_facts(style, operation, now)) do
    output.print("  " .. terminal.paint(style, "dim", terminal.pad(fact[1], LABEL)) .. fact[2])
  end
  for _, line in ipairs(operation.error and output.explained(operation.error) or {}) do
    output.print((" "):rep(LABEL) .. line)
  end
end

-- Draws the run in place until it has ended, then prints it.
local function watch(id)
  if not native.is_terminal(1) or not output.is_live() then
    fault.raise("invalid", "show --watch needs a terminal; use weir wait %s", id)
  end
  wait.watch(id)
  output.print(show.text(id))
end

---@param options { [1]: string, [2]: string?, json: boolean, dot: boolean, watch: boolean, all: boolean }
---@return integer status
function show.main(options)
  local id = options[1]
  if options[2] then
    if options.dot or options.watch then
      fault.raise("invalid", "--%s shows a whole run: leave out the operation", options.dot and "dot" or "watch")
    end
    show_operation(options)
    return 0
  end
  if options.json and options.dot then
    fault.raise("invalid", "--json and --dot cannot be combined")
  elseif options.watch and (options.json or options.dot) then
    fault.raise("invalid", "--watch draws on a terminal and cannot be combined with %s",
      options.json and "--json" or "--dot")
  end
  if options.watch then
    watch(id)
  elseif options.dot then
    output.print(show.dot(id))
  elseif options.json then
    output.print(record.json((redis.run(id))))
  else
    output.print(show.text(id, options.all))
  end
  return 0
end

return show
