-- Shows the progress of a long command in the last line of the terminal. A command that ends soon, or has no terminal,
-- shows none.

local native = require "weir.native.client"
local output = require "weir.cli.output"
local terminal = require "weir.view.terminal"

local progress = {}
progress.__index = progress

local GRACE_MS, FRAME_MS = 500, 100
local BAR = 20 -- columns

---@class weir.Progress

---@return weir.Progress
function progress.new()
  return setmetatable({ due = native.now_ms() + GRACE_MS, live = output.is_live(), shown = false }, progress)
end

---@param format string
---@param ... any
function progress:say(format, ...)
  if not self.live or native.now_ms() < self.due then return end
  local style = output.style_of_messages()
  native.show(terminal.paint(style, "dim", terminal.clip(format:format(...), style.columns - 1)) .. "\27[K\n")
  self.due, self.shown = native.now_ms() + FRAME_MS, true
end

---"deleting ████████░░░░░░░░░░░░ 160 of 400"
---@param doing string
---@param done integer
---@param total integer
function progress:bar(doing, done, total)
  local full = BAR * done // math.max(1, total)
  self:say("%s %s%s %s of %s", doing, ("█"):rep(full), ("░"):rep(BAR - full), terminal.number(done),
    terminal.number(total))
end

---Removes the line, so that something else can be written.
function progress:clear()
  if not self.shown then return end
  native.show("")
  native.show()
  self.shown = false
end

return progress
