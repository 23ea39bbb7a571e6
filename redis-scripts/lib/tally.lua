-- tally: counts the runs that started and that ended, so that people see rates. Each batch adds to the counts of `meta`
-- (commit.lua). Periodic work notes them, a note a second while they change.

local call, key = redis.call, lib.key
local tally = {}
lib.tally = tally

local NAMES = { "started", "completed", "failed", "cancelled" }
local NOTES, EVERY_MS = 90, 1000 -- a note is at most that old when it is used: see `since`

local function counts()
  local list = call("HMGET", key("meta"), unpack(NAMES))
  for i = 1, #NAMES do list[i] = tonumber(list[i] or 0) end
  return list
end

--- Note the counts when they have changed.
function tally.note()
  local now, text = lib.now(), table.concat(counts(), " ")
  local at, last = string.match(call("LRANGE", key("tally"), -1, -1)[1] or "", "^(%d+) (.*)$")
  local age = now - tonumber(at or 0)
  if last == text or age >= 0 and age < EVERY_MS then return end
  lib.write("RPUSH", "tally", lib.stamp .. " " .. text)
  lib.write("LTRIM", "tally", -NOTES, -1)
end

--- Return a span in ms and by how much each count has changed in it: `window`, or less where no note is that old.
--- Between two notes the counts did not change. Nil: no host was alive within the window to note them.
function tally.since(window)
  local now, span, before = lib.now(), nil, nil
  if tonumber(call("HGET", key("meta"), "heartbeat_at") or 0) < now - window then return nil end
  local notes = call("LRANGE", key("tally"), 0, -1)
  for i = #notes, 1, -1 do
    local age = now - tonumber(string.match(notes[i], "^%d+"))
    if age > 0 then span, before = math.min(age, window), notes[i] end -- else Redis' clock was put back
    if span == window then break end
  end
  if not span then return nil end
  local was, changes = string.gmatch(string.gsub(before, "^%d+ ", ""), "%d+"), counts()
  for i = 1, #NAMES do changes[i] = changes[i] - tonumber(was()) end
  return span, changes
end
