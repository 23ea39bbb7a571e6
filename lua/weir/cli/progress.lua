-- One line at the foot of the terminal, for what takes its time: how far it has come. Without a terminal, and for what
-- is soon over, there is none.

local client = require "weir.native.client"
local output = require "weir.cli.output"
local terminal = require "weir.view.terminal"

local progress = {}
progress.__index = progress

local GRACE_MS, FRAME_MS = 500, 100
local BAR = 20 -- columns

---@class weir.Progress

---@return weir.Progress
function progress.new()
  return setmetatable({ due = client.now_ms() + GRACE_MS, live = output.is_live(), shown = false }, progress)
end

---@param format string
---@param ... any
function progress:say(format, ...)
  if not self.live or client.now_ms() < self.due then return end
  local style = output.style_of_messages()
  client.show(terminal.paint(style, "dim", terminal.clip(format:format(...), style.columns - 1)) .. "\27[K\n")
  self.due, self.shown = client.now_ms() + FRAME_MS, true
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

---Takes the line away, so that something else can be written.
function progress:over()
  if not self.shown then return end
  client.show("")
  client.show()
  self.shown = false
end

return progress
