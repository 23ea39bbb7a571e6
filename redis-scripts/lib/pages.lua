-- pages: reads the whole record of a run, a page at a time: for a worker that replays its journal, and for people.

local call, match, push, ELSEWHERE = redis.call, string.match, lib.push, lib.ELSEWHERE
local pages = {}
lib.pages = pages

local PAGE = 1000 -- fields, at least

-- Adds a field whose value is in v:<run>, if the reply has room. Returns whether it did.
local function add_long(id, field, into)
  local value = lib.may_reply(0) and (call("HGET", lib.key("v:" .. id), field) or "")
  if not value then return false end
  lib.use_reply_budget(#value)
  into[#into + 1], into[#into + 2] = field, value
  return true
end

--- Add a page of a run's fields to `into`: field, value, …, with the values of v:<run>. It has as many fields as the
--- reply has room for, which may be none. Returns the cursor of the next page: "0" for the first, "" after the last. A
--- cursor is the cursor of HSCAN, empty after its last page, and the fields of the page that had no room.
function pages.page(id, cursor, into)
  if not lib.may_reply(0) then return cursor end
  local hash = lib.key("r:" .. id)
  local scan, owed = match(cursor, "^(%d*)(.*)$")
  local left, fields = {}, {}
  if owed ~= "" then
    for field in string.gmatch(owed, "[^\t]+") do
      if not add_long(id, field, into) then push(left, field) end
    end
  elseif scan == "0" and call("HLEN", hash) <= PAGE then
    scan, fields = "", call("HGETALL", hash)
  else
    local shown = call("HSCAN", hash, scan, "COUNT", PAGE)
    scan, fields = shown[1] ~= "0" and shown[1] or "", shown[2]
  end
  for i = 1, #fields, 2 do
    local field, value = fields[i], fields[i + 1]
    if value ~= ELSEWHERE then
      lib.use_reply_budget(#value)
      into[#into + 1], into[#into + 2] = field, value
    elseif not add_long(id, field, into) then
      push(left, field)
    end
  end
  return left[1] and scan .. "\t" .. table.concat(left, "\t") or scan
end

--- Return the part of a `cold` reply that stands before the fields.
function pages.header(run, cursor)
  return { "cold", run.id, run.turn, run.crashes or 0, run.bundle or "", run.last_number, cursor }
end

--- Return a page of a run for a worker that replays its journal: { "cold", run, turn, crashes, bundle, number, cursor,
--- field, value, … }.
function pages.cold(run, cursor)
  local reply = pages.header(run, "")
  if run.fresh then
    -- The run is created in this batch: its fields are only planned.
    for field, value in pairs(run.changed) do
      if value then
        reply[#reply + 1], reply[#reply + 2] = field, tostring(value)
      end
    end
    return reply
  end
  reply[7] = pages.page(run.id, cursor, reply)
  return reply
end
