-- Draws a progress bar: how many nodes, children or operations have ended, and in which state. Pure.

local terminal = require "weir.view.terminal"

local bar = {}

local WIDTH = 24

---@class weir.BarCounts
---@field noun string "node", "child", "operation"
---@field total integer? nil: unknown
---@field running integer? nil: unknown
---@field completed integer
---@field failed integer
---@field cancelled integer

---@param counts weir.BarCounts
---@return integer
local function ended_of(counts) return counts.completed + counts.failed + counts.cancelled end

---@param counts weir.BarCounts
---@return string "34 of 100 nodes, 12 running, 1 failed"
function bar.text(counts)
  local ended = ended_of(counts)
  local words = { counts.total
    and ("%s of %s"):format(terminal.number(ended), terminal.count(counts.total, counts.noun))
    or terminal.count(ended, counts.noun) .. " ended" }
  for _, state in ipairs { "running", "failed", "cancelled" } do
    if (counts[state] or 0) > 0 then words[#words + 1] = ("%s %s"):format(terminal.number(counts[state]), state) end
  end
  return table.concat(words, ", ")
end

-- The columns of a share of n, at least one if n is not 0.
local function columns_of(n, total, width)
  return n > 0 and math.max(1, n * width // total) or 0
end

local function blocks(style, counts, width)
  local total, left, parts = math.max(1, counts.total), width, {}
  local function add(columns, colour, sign)
    columns = math.max(0, math.min(left, columns))
    left = left - columns
    parts[#parts + 1] = terminal.paint(style, colour, sign:rep(columns))
  end
  local failed, cancelled = columns_of(counts.failed, total, width), columns_of(counts.cancelled, total, width)
  local completed = columns_of(ended_of(counts), total, width) - failed - cancelled
  add(failed, "red", "█")
  add(cancelled, "yellow", "█")
  add(counts.completed > 0 and math.max(1, completed) or 0, "green", "█")
  add(columns_of(counts.running or 0, total, width), "cyan", "▒")
  add(left, "dim", "░")
  return table.concat(parts)
end

---One line: the share that has ended, the counts, and the time so far.
---@param style weir.Style
---@param counts weir.BarCounts
---@param elapsed_ms integer
---@return string
function bar.draw(style, counts, elapsed_ms)
  local text = ("%s  %s"):format(bar.text(counts), terminal.span(elapsed_ms))
  if not counts.total then return terminal.clip(text, style.columns - 1) end
  local width = math.max(4, math.min(WIDTH, style.columns // 4))
  text = ("  %d%%  %s"):format(100 * ended_of(counts) // math.max(1, counts.total), text)
  return blocks(style, counts, width) .. terminal.clip(text, math.max(0, style.columns - 1 - width))
end

return bar
