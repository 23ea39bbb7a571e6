-- How far a run is, in words: what it said itself, and the counts of its branches. Pure.

local terminal = require "weir.view.terminal"

local progress_text = {}

local function number(value)
  local whole = math.tointeger(value)
  return whole and terminal.number(whole) or ("%.1f"):format(value)
end

---The counts of a ctx:parallel or a ctx:map.
---@param group weir.ProgressGroup
---@return string "212 of 5,000, 3 failed"
function progress_text.group(group)
  local text = group.total and ("%s of %s"):format(number(group.done), number(group.total))
    or number(group.done) .. " so far"
  return group.failed > 0 and ("%s, %s failed"):format(text, number(group.failed)) or text
end

---How far the run said it is.
---@param progress weir.Progress
---@return string? "30 of 200 (15%): pages"
function progress_text.progress(progress)
  local done, total = progress.done, progress.total
  if not done then return nil end
  local text = number(done)
  if total then
    text = ("%s of %s"):format(text, number(total))
    if total > 0 then text = ("%s (%d%%)"):format(text, math.floor(100 * math.min(done, total) / total)) end
  end
  return progress.text and ("%s: %s"):format(text, progress.text) or text
end

---All that the run said, in one line.
---@param progress weir.Progress?
---@return string? text nil: it said nothing
function progress_text.line(progress)
  if not progress then return nil end
  local own = progress_text.progress(progress)
  return progress.status and own and ("%s; %s"):format(progress.status, own) or progress.status or own
end

return progress_text
