-- Draws a graph, if it fits: a column for each stage, a row for each node, and lines between the columns for the edges,
-- heavy ones along the critical path. Pure.
--
-- Lines run to the right, then up or down, then to the right. A reader can follow each of them:
--   where two unrelated lines cross, one of them is interrupted;
--   lines share a track, or join, only where each way along them is an edge;
--   no line runs on top of another.
-- If that is impossible, edges get a line each, and stages then use every other row.

local graph_view = require "weir.view.graph_view"
local strings = require "weir.base.strings"
local terminal = require "weir.view.terminal"
local tree = require "weir.view.tree"

local diagram = {}

local MOST_NODES, MOST_EDGES = 150, 400 -- a larger drawing is not readable
local LONGEST_NAME = 30
local SWEEPS = 4

---@class weir.DiagramSlot one row of a stage: a node, or an edge that passes the stage
---@field node weir.GraphNode? nil: a line
---@field place integer among the slots of its stage, from the top
---@field row integer
---@field ins weir.DiagramSlot[]
---@field outs weir.DiagramSlot[]
---@field heavy table<weir.DiagramSlot, boolean> outs along the critical path

-- ------------------------------------------------------------------------------------------------
-- Slots

local function add_slot(layers, layer, node)
  local slot = { node = node, row = 0, ins = {}, outs = {}, heavy = {} }
  table.insert(layers[layer], slot)
  slot.place = #layers[layer]
  return slot
end

local function connect(from, to)
  if not from.heavy[to] then
    table.insert(from.outs, to)
    table.insert(to.ins, from)
  end
end

-- The node that follows each node of the critical path.
local function successors(view)
  local after = {}
  for i = 2, #view.critical do after[view.critical[i - 1]] = view.critical[i] end
  return after
end

-- An edge over several stages passes those between as a line; edges of the same node share it.
local function add_edges(layers, slots, node, heavy_to)
  local furthest, by_stage = node.stage, {}
  for _, after in ipairs(node.required_by) do
    by_stage[after.stage] = by_stage[after.stage] or {}
    table.insert(by_stage[after.stage], slots[after])
    furthest = math.max(furthest, after.stage)
  end
  local from, way = slots[node], heavy_to and heavy_to.stage or 0
  for stage = node.stage + 1, furthest do
    for _, to in ipairs(by_stage[stage] or {}) do
      connect(from, to)
      from.heavy[to] = to.node == heavy_to or nil
    end
    if stage < furthest then
      local line = add_slot(layers, stage)
      connect(from, line)
      from.heavy[line] = stage < way or nil
      from = line
    end
  end
end

local function make_slots(view)
  local layers, slots, after = {}, {}, successors(view)
  for stage, nodes in ipairs(view.stages) do
    layers[stage] = {}
    for _, node in ipairs(nodes) do slots[node] = add_slot(layers, stage, node) end
  end
  for _, node in ipairs(view.nodes) do add_edges(layers, slots, node, after[node]) end
  return layers
end

-- ------------------------------------------------------------------------------------------------
-- Order within the stages: as few crossings as a few sweeps over the means of neighbours find

local function crossings(layers)
  local n = 0
  for _, layer in ipairs(layers) do
    for i, upper in ipairs(layer) do
      for j = i + 1, #layer do
        for _, a in ipairs(upper.outs) do
          for _, b in ipairs(layer[j].outs) do
            if a.place > b.place then n = n + 1 end
          end
        end
      end
    end
  end
  return n
end

local function mean_place(slot, side)
  if #slot[side] == 0 then return slot.place end
  local sum = 0
  for _, other in ipairs(slot[side]) do sum = sum + other.place end
  return sum / #slot[side]
end

local function arrange(layer, side)
  local means = {}
  for _, slot in ipairs(layer) do means[slot] = mean_place(slot, side) end
  table.sort(layer, function(a, b)
    if means[a] ~= means[b] then return means[a] < means[b] end
    return a.place < b.place
  end)
  for i, slot in ipairs(layer) do slot.place = i end
end

local function places_of(layers)
  local places = {}
  for _, layer in ipairs(layers) do
    for _, slot in ipairs(layer) do places[slot] = slot.place end
  end
  return places
end

local function put_back(layers, places)
  for _, layer in ipairs(layers) do
    for _, slot in ipairs(layer) do slot.place = places[slot] end
    table.sort(layer, function(a, b) return a.place < b.place end)
  end
end

local function order(layers)
  local best, fewest = places_of(layers), crossings(layers)
  for _ = 1, SWEEPS do
    if fewest == 0 then break end
    for i = 2, #layers do arrange(layers[i], "ins") end
    local n = crossings(layers)
    if n < fewest then best, fewest = places_of(layers), n end
    for i = #layers - 1, 1, -1 do arrange(layers[i], "outs") end
    n = crossings(layers)
    if n < fewest then best, fewest = places_of(layers), n end
  end
  put_back(layers, best)
end

-- ------------------------------------------------------------------------------------------------
-- Rows: as high as possible, level with the first neighbour where there is room

local function highest(slots)
  local row
  for _, slot in ipairs(slots) do row = math.min(row or slot.row, slot.row) end
  return row
end

---@param pitch integer rows between slots of a stage
---@param staggered boolean odd stages stand in odd rows, even ones in even rows
local function place(layers, pitch, staggered)
  local function fitted(row, layer)
    return staggered and row + (row + layer) % 2 or pitch == 2 and row + row % 2 or row
  end
  for i, layer in ipairs(layers) do
    local free = 0
    for _, slot in ipairs(layer) do
      slot.row = fitted(math.max(free, highest(slot.ins) or 0), i)
      free = slot.row + pitch
    end
  end
  for i = #layers - 1, 1, -1 do
    local lowest = math.huge
    for at = #layers[i], 1, -1 do
      local slot = layers[i][at]
      local wanted = fitted(highest(slot.outs) or slot.row, i)
      if wanted > slot.row and wanted <= lowest then slot.row = wanted end
      lowest = slot.row - pitch
    end
  end
end

-- ------------------------------------------------------------------------------------------------
-- Tracks between two stages

-- Groups the sources that lead to the same targets, by a text that names these targets.
local function alike(sources)
  local groups, by_targets = {}, {}
  for _, source in ipairs(sources) do
    local places = {}
    for i, target in ipairs(source.outs) do places[i] = target.place end
    table.sort(places)
    local targets = table.concat(places, " ")
    local group = by_targets[targets]
    if not group then
      group = { sources = {}, targets = source.outs }
      by_targets[targets], groups[#groups + 1] = group, group
    end
    table.insert(group.sources, source)
  end
  return groups
end

local function is_closed(group)
  for _, target in ipairs(group.targets) do
    if #target.ins ~= #group.sources then return false end
  end
  return true
end

local function single_edges(layer)
  local groups = {}
  for _, source in ipairs(layer) do
    for _, target in ipairs(source.outs) do groups[#groups + 1] = { sources = { source }, targets = { target } } end
  end
  return groups
end

-- Groups the edges between two stages that share a track. There are few groups, so a reader may be unable to tell their
-- lines apart; `is_clear` finds out.
local function group_edges(layer)
  local sources, groups, taken = {}, {}, {}
  for _, slot in ipairs(layer) do
    if #slot.outs > 0 then sources[#sources + 1] = slot end
  end
  for _, group in ipairs(alike(sources)) do
    if #group.targets == 1 or is_closed(group) then
      groups[#groups + 1] = group
    else
      for _, source in ipairs(group.sources) do
        local fresh = {}
        for _, target in ipairs(source.outs) do
          if taken[target] then
            groups[#groups + 1] = { sources = { source }, targets = { target } }
          else
            fresh[#fresh + 1], taken[target] = target, true
          end
        end
        if #fresh > 0 then groups[#groups + 1] = { sources = { source }, targets = fresh } end
      end
    end
  end
  return groups
end

local function measure(group)
  local from, to = math.huge, -1
  for _, side in ipairs { group.sources, group.targets } do
    for _, slot in ipairs(side) do from, to = math.min(from, slot.row), math.max(to, slot.row) end
  end
  group.from, group.to = from, to
  group.straight = from == to
  local source, target = group.sources[1].row, group.targets[1].row
  -- Lines down are drawn from the lowest source on, lines up from the highest one on: so fewer cross.
  group.rank = target >= source and -source or source
end

local function by_slot(groups, side)
  local groups_of = {}
  for _, group in ipairs(groups) do
    for _, slot in ipairs(group[side]) do
      groups_of[slot] = groups_of[slot] or {}
      table.insert(groups_of[slot], group)
    end
  end
  return groups_of
end

-- The constraints on the order of groups from left to right: in a row, groups that leave it come before groups that
-- enter it; at a target, a group that also leads elsewhere comes before the others.
local function constraints(groups)
  local after, from, into, by_row = {}, by_slot(groups, "sources"), by_slot(groups, "targets"), {}
  for _, group in ipairs(groups) do after[group] = {} end
  for source, list in pairs(from) do by_row[source.row] = list end
  for target, list in pairs(into) do
    for _, right in ipairs(list) do
      for _, left in ipairs(by_row[target.row] or {}) do
        if left ~= right then after[left][right] = true end
      end
      for _, left in ipairs(list) do
        if left ~= right and #left.targets > 1 then after[left][right] = true end
      end
    end
  end
  return after
end

-- The groups that need a track, in an order that keeps the constraints; nil if there is no such order.
local function sort_groups(groups, after)
  local open, sorted = {}, {}
  for _, group in ipairs(groups) do
    for right in pairs(after[group]) do open[right] = (open[right] or 0) + 1 end
  end
  local left = table.move(groups, 1, #groups, 1, {})
  while #left > 0 do
    local best
    for i, group in ipairs(left) do
      if (open[group] or 0) == 0 and (not best or group.rank < left[best].rank) then best = i end
    end
    if not best then return nil end
    local group = table.remove(left, best)
    sorted[#sorted + 1] = group
    for right in pairs(after[group]) do open[right] = open[right] - 1 end
  end
  return sorted
end

-- Groups whose rows do not touch may share a track.
local function assign_tracks(groups)
  for _, group in ipairs(groups) do measure(group) end
  local after = constraints(groups)
  local sorted, tracks = sort_groups(groups, after), 0
  if not sorted then return nil end
  for i, group in ipairs(sorted) do
    group.track = 0
    if not group.straight then
      for j = 1, i - 1 do
        local left = sorted[j]
        local touches = left.from <= group.to and group.from <= left.to
        if not left.straight and (after[left][group] or touches) then
          group.track = math.max(group.track, left.track)
        end
      end
      group.track = group.track + 1
      tracks = math.max(tracks, group.track)
    end
  end
  return tracks
end

-- Whether the lines lead from each source to its own targets and nowhere else. They are followed as a reader follows
-- them, from left to right.
local function is_clear(groups)
  local from, into = by_slot(groups, "sources"), by_slot(groups, "targets")
  local reached, seen, walk

  -- Into a target, past the tracks that come into it behind this one.
  local function enter(target, track)
    reached[target] = true
    for _, group in ipairs(into[target]) do
      if not group.straight and group.track > track then walk(group) end
    end
  end

  -- Along the row of a source, over the tracks that leave it behind this one.
  local function leave(source, track)
    for _, group in ipairs(from[source]) do
      if group.straight then
        enter(group.targets[1], track)
      elseif group.track > track then
        walk(group)
      end
    end
  end

  function walk(group)
    if seen[group] then return end
    seen[group] = true
    for _, target in ipairs(group.targets) do enter(target, group.track) end
    for _, source in ipairs(group.sources) do leave(source, group.track) end
  end

  for source in pairs(from) do
    reached, seen = {}, {}
    leave(source, 0)
    for _, target in ipairs(source.outs) do reached[target] = nil end
    if next(reached) then return false end
  end
  return true
end

local function route_gutter(layer)
  for _, divide in ipairs { group_edges, single_edges } do
    local groups = divide(layer)
    local tracks = assign_tracks(groups)
    if tracks and is_clear(groups) then return { groups = groups, tracks = tracks } end
  end
  return nil
end

-- Nil if the lines of some gutters cannot be followed, and those gutters.
local function route(layers)
  local gutters, unclear = {}, {}
  for i = 1, #layers - 1 do
    gutters[i] = route_gutter(layers[i]) or false
    if not gutters[i] then unclear[#unclear + 1] = i end
  end
  if #unclear > 0 then return nil, unclear end
  return gutters
end

-- Gives each edge after this stage a line of its own, in a stage without nodes: then all lines that leave a node belong
-- to one edge each, and all lines that join have the same target.
local function untangle(layers, i)
  local lines = {}
  for _, source in ipairs(layers[i]) do
    local outs = source.outs
    source.outs = {}
    for _, target in ipairs(outs) do
      local line = { row = 0, place = 0, ins = { source }, outs = { target }, heavy = {} }
      line.heavy[target], source.heavy[line] = source.heavy[target], source.heavy[target]
      table.insert(source.outs, line)
      for at, other in ipairs(target.ins) do
        if other == source then target.ins[at] = line end
      end
      lines[#lines + 1] = line
    end
  end
  for at, line in ipairs(lines) do line.place = at end
  arrange(lines, "outs")
  table.insert(layers, i + 1, lines)
end

-- Rows and tracks, as dense as possible: tries the ways to lay them out, the densest first, until the lines can be
-- followed.
local function lay_out(layers, pitch)
  for _, staggered in ipairs { false, true } do
    for _ = 1, 2 do
      place(layers, staggered and 2 or pitch, staggered)
      local gutters, unclear = route(layers)
      if gutters then return gutters end
      for at = #unclear, 1, -1 do untangle(layers, unclear[at]) end
    end
  end
  place(layers, 2, true)
  return route(layers)
end

-- ------------------------------------------------------------------------------------------------
-- Lines on a canvas

local UP, DOWN, LEFT, RIGHT = 8, 4, 2, 1

-- The characters of each set of directions, by which of them are heavy.
local GLYPHS = {
  [LEFT | RIGHT] = "─╼╾━", [UP | DOWN] = "│╽╿┃",
  [UP | RIGHT] = "└┕┖┗", [UP | LEFT] = "┘┙┚┛", [DOWN | RIGHT] = "┌┍┎┏", [DOWN | LEFT] = "┐┑┒┓",
  [UP | DOWN | RIGHT] = "├┝┟┢┞┡┠┣", [UP | DOWN | LEFT] = "┤┥┧┪┦┩┨┫",
  [DOWN | LEFT | RIGHT] = "┬┮┭┯┰┲┱┳", [UP | LEFT | RIGHT] = "┴┶┵┷┸┺┹┻",
  [UP | DOWN | LEFT | RIGHT] = "┼┾┽┿╁╆╅╈╀╄╃╇╂╊╉╋",
}

local function glyph_of(lines, heavy)
  local index = 0
  for _, direction in ipairs { UP, DOWN, LEFT, RIGHT } do
    if lines & direction ~= 0 then index = index << 1 | (heavy & direction ~= 0 and 1 or 0) end
  end
  local glyphs = GLYPHS[lines]
  return glyphs:sub(utf8.offset(glyphs, index + 1), utf8.offset(glyphs, index + 2) - 1)
end

local function cell_at(canvas, row, column)
  canvas[row] = canvas[row] or {}
  local cell = canvas[row][column]
  if not cell then
    cell = { lines = 0, heavy = 0 }
    canvas[row][column] = cell
  end
  return cell
end

local function draw_line(canvas, row, column, lines, heavy)
  local cell = cell_at(canvas, row, column)
  cell.lines = cell.lines | lines
  if heavy then cell.heavy = cell.heavy | lines end
  return cell
end

local function draw_level(canvas, row, from, to, heavy)
  for column = from, to do draw_line(canvas, row, column, LEFT | RIGHT, heavy) end
end

-- Draws one edge: out of its source, along the track of its group, into its target.
local function draw_edge(canvas, source, target, from, track, to)
  local heavy = source.heavy[target]
  if not track then return draw_level(canvas, source.row, from, to, heavy) end
  draw_level(canvas, source.row, from, track - 1, heavy)
  draw_level(canvas, target.row, track + 1, to, heavy)
  local step = target.row > source.row and 1 or -1
  local away, back = step == 1 and DOWN or UP, step == 1 and UP or DOWN
  if source.row == target.row then
    draw_line(canvas, source.row, track, LEFT | RIGHT, heavy).joined = true
    return
  end
  draw_line(canvas, source.row, track, LEFT | away, heavy).joined = true
  for row = source.row + step, target.row - step, step do draw_line(canvas, row, track, UP | DOWN, heavy) end
  draw_line(canvas, target.row, track, back | RIGHT, heavy).joined = true
end

-- Where unrelated lines cross, the heavier one goes on, or the vertical one if both are alike.
local function text_of(cell)
  local lines, heavy = cell.lines, cell.heavy
  if lines == UP | DOWN | LEFT | RIGHT and not cell.joined then
    local level = heavy & LEFT ~= 0 and heavy & UP == 0
    lines = level and LEFT | RIGHT or UP | DOWN
    heavy = heavy & lines
  end
  return glyph_of(lines, heavy), heavy ~= 0
end

-- ------------------------------------------------------------------------------------------------
-- Nodes

local function label_of(node, now, form)
  local name = terminal.clip(terminal.plain(node.key), LONGEST_NAME)
  local span = graph_view.span(node, now)
  local width = 2 + terminal.width(name)
  if span and form.inline then width = width + 1 + #span end
  return { name = name, span = span, width = width, below = span and not form.inline and 2 + #span or 0 }
end

local function painted(style, node, label, form)
  local name = terminal.paint(style, graph_view.COLOURS[node.state], label.name)
  if node.critical then name = terminal.paint(style, "bold", label.name) end
  local text = tree.mark(style, node.state) .. " " .. name
  if label.span and form.inline then text = text .. " " .. terminal.paint(style, "dim", label.span) end
  return text
end

-- The columns of stages and of the tracks between them.
local function measure_columns(layers, gutters, form, now)
  local labels, at = {}, 1
  for i, layer in ipairs(layers) do
    local width = 1
    for _, slot in ipairs(layer) do
      if slot.node then
        labels[slot] = label_of(slot.node, now, form)
        width = math.max(width, labels[slot].width, labels[slot].below)
      end
    end
    layer.from, layer.to = at, at + width - 1
    at = at + width
    local gutter = gutters[i]
    if gutter then
      gutter.lead, gutter.spread = at + form.lead, form.spread
      local tracks = gutter.tracks > 0 and (gutter.tracks - 1) * form.spread + 1 or form.bare
      at = gutter.lead + 1 + tracks + form.trail + 1
    end
  end
  return labels, at - 1
end

local function draw_gutter(canvas, layers, i, gutter, labels)
  local to = layers[i + 1].from - 1
  for _, group in ipairs(gutter.groups) do
    local track = not group.straight and gutter.lead + 1 + (group.track - 1) * gutter.spread or nil
    for _, source in ipairs(group.sources) do
      local from = source.node and layers[i].from + labels[source].width + 1 or layers[i].from
      for _, target in ipairs(group.targets) do
        draw_edge(canvas, source, target, from, track, target.node and to - 1 or to)
      end
    end
  end
end

local function put_text(canvas, row, column, width, text)
  canvas[row] = canvas[row] or {}
  canvas[row][column] = { text = text, width = width }
end

local function render_row(style, cells, width)
  local parts, column = {}, 1
  while column <= width do
    local cell = cells[column]
    if not cell then
      parts[#parts + 1], column = " ", column + 1
    elseif cell.text then
      parts[#parts + 1], column = cell.text, column + cell.width
    else
      local run, heavy = {}, nil
      while cells[column] and cells[column].lines do
        local glyph, is_heavy = text_of(cells[column])
        if heavy ~= nil and heavy ~= is_heavy then break end
        run[#run + 1], heavy, column = glyph, is_heavy, column + 1
      end
      parts[#parts + 1] = terminal.paint(style, heavy and "bold" or "dim", table.concat(run))
    end
  end
  return strings.trim_end(table.concat(parts))
end

local function render(layers, gutters, labels, width, form, style)
  local canvas, last = {}, 0
  for i, gutter in ipairs(gutters) do draw_gutter(canvas, layers, i, gutter, labels) end
  for _, layer in ipairs(layers) do
    for _, slot in ipairs(layer) do
      local label = labels[slot]
      last = math.max(last, slot.row + (label and label.below > 0 and 1 or 0))
      if label then
        put_text(canvas, slot.row, layer.from, label.width, painted(style, slot.node, label, form))
        if label.below > 0 then
          put_text(canvas, slot.row + 1, layer.from + 2, #label.span, terminal.paint(style, "dim", label.span))
        end
      end
    end
  end
  local lines = {}
  for row = 0, last do lines[row + 1] = render_row(style, canvas[row] or {}, width) end
  while lines[1] == "" do table.remove(lines, 1) end
  return lines
end

-- ------------------------------------------------------------------------------------------------

-- From the most generous form to the tightest: the time of a node beside its name or below it, dashes before and behind
-- the tracks, columns from track to track, dashes where there is no track.
local FORMS = {
  { inline = true, lead = 1, trail = 1, spread = 2, bare = 0 },
  { inline = true, lead = 0, trail = 1, spread = 2, bare = 0 },
  { inline = true, lead = 0, trail = 0, spread = 1, bare = 1 },
  { inline = false, lead = 1, trail = 1, spread = 2, bare = 0 },
  { inline = false, lead = 0, trail = 1, spread = 2, bare = 0 },
  { inline = false, lead = 0, trail = 0, spread = 1, bare = 1 },
}

local function count_edges(view)
  local n = 0
  for _, node in ipairs(view.nodes) do n = n + #node.depends_on end
  return n
end

-- The columns that the stages take in any form, without tracks.
local function least_width(view, now)
  local total = 0
  for _, stage in ipairs(view.stages) do
    local width = 0
    for _, node in ipairs(stage) do width = math.max(width, label_of(node, now, FORMS[#FORMS]).width) end
    total = total + width + 3
  end
  return total - 3
end

---@class weir.DiagramOptions
---@field style weir.Style
---@field now integer
---@field rows integer at most

---@param view weir.GraphView
---@param options weir.DiagramOptions
---@return string[]? lines nil: it does not fit
function diagram.draw(view, options)
  if #view.nodes > MOST_NODES or count_edges(view) > MOST_EDGES then return nil end
  if least_width(view, options.now) >= options.style.columns then return nil end
  local layers = make_slots(view)
  order(layers)
  for _, form in ipairs(FORMS) do
    local gutters = assert(lay_out(layers, form.inline and 1 or 2), "lines of one edge each are clear")
    local labels, width = measure_columns(layers, gutters, form, options.now)
    if width < options.style.columns then
      local lines = render(layers, gutters, labels, width, form, options.style)
      if #lines <= options.rows then return lines end
    end
  end
  return nil
end

return diagram
