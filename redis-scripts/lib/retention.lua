-- retention: deletes trees of runs, a bounded number of steps a call, for `delete`, `sweep` and `start`.
--
-- The script keeps the remaining work on a stack. It takes a run from the stack, reads its journal, pushes its children
-- and deletes the run. When a call has used up its steps, the rest of the stack waits in `deleting:<run>` for the next
-- call of any client. A journal too long for one call is read page by page; meanwhile it is `d:<run>`, so that no
-- caller finds it. Whether a tree may go is decided before; a run in it that lives all the same is left alone.

local runs = lib.runs
local call, match, find = redis.call, string.match, string.find
local STEPS = 100 -- a call; a run is one, and so are 64 fields of its journal
local PAGE = 200 -- fields of a journal, at least
local FIELDS_A_STEP = 64

local retention = {}
lib.retention = retention

-- How many steps this batch may still take.
function retention.steps_left() return lib.plan.steps or STEPS end

function retention.take_steps(n) lib.plan.steps = retention.steps_left() - n end

-- ---------------------------------------------------------------------------------------------------------------
-- One run

-- An operation that was forgotten (x:) has its child all the same. A child that is not there costs little.
local function push_children(stack, id, field, value)
  local what, operation = match(field, "^([ocx]):(.+)$")
  if not what then return end
  local child = id .. "/" .. operation
  if value == lib.ELSEWHERE then value = call("HGET", lib.key("v:" .. id), field) or "" end
  if what == "x" or what == "o" and find(value, "^%d*\t%d+\tinvoke") then lib.push(stack, { id = child }) end
  for generation = 2, what ~= "o" and tonumber(match(value, "^%d+")) or 1 do
    lib.push(stack, { id = child .. "~" .. generation })
  end
end

-- A page of a run's journal. Its children go onto the stack, above the run itself if there are more pages.
local function step(stack, gone)
  local entry = table.remove(stack)
  local id = entry.id
  local hash = (entry.renamed and "d:" or "r:") .. id
  local state, waiters = unpack(call("HMGET", lib.key(hash), "state", "waiters"))
  retention.take_steps(1)
  if not runs.is_end(state) then return end
  if waiters then -- those that share it are told of its end by `promote` first
    retention.take_steps(retention.steps_left())
    return lib.push(stack, entry)
  end
  runs.set_missing(id)
  if state == "failed" then lib.push(gone.failed, id) end

  local page = call("HSCAN", lib.key(hash), entry.cursor or "0", "COUNT", PAGE)
  local fields = page[2]
  retention.take_steps(math.floor(#fields / 2 / FIELDS_A_STEP))
  entry.cursor = page[1]
  if page[1] ~= "0" then
    lib.push(stack, entry)
  else
    lib.push(gone.keys, lib.key(hash))
    lib.push(gone.keys, lib.key("v:" .. id))
  end
  for i = 1, #fields, 2 do push_children(stack, id, fields[i], fields[i + 1]) end
end

-- ---------------------------------------------------------------------------------------------------------------
-- A tree

local CHUNK = 3000

local function write_chunks(members, ...)
  for from = 1, #members, CHUNK do
    local write = { ... }
    for i = from, math.min(from + CHUNK - 1, #members) do lib.push(write, members[i]) end
    lib.push(lib.plan.calls, write)
  end
end

-- Entries as they wait in `deleting:<run>`: "<run>", or "<run>\t<cursor>" of a journal that is read in part.
local function pack(stack)
  local texts = {}
  for i, entry in ipairs(stack) do
    if entry.cursor and not entry.renamed then lib.write("RENAME", "r:" .. entry.id, lib.key("d:" .. entry.id)) end
    texts[i] = entry.cursor and entry.id .. "\t" .. entry.cursor or entry.id
  end
  return texts
end

local function read(text)
  local id, cursor = match(text, "^(.*)\t(%d+)$")
  return { id = id or text, cursor = cursor, renamed = id ~= nil }
end

-- True when the whole stack is gone.
local function work(id, stack)
  local gone = { keys = {}, failed = {} }
  repeat
    step(stack, gone) -- at least one: the top is at once out of sight, whatever else was deleted
  until #stack == 0 or retention.steps_left() <= 0
  write_chunks(pack(stack), "RPUSH", lib.key("deleting:" .. id))
  write_chunks(gone.keys, "UNLINK")
  write_chunks(gone.failed, "ZREM", lib.key("failed"))
  lib.plan.deleting[id] = #stack > 0
  lib.plan.frees_memory = true
  return #stack == 0
end

--- Delete an ended run that may go, with all below it. True when all is gone; else `go_on_deleting` has to be said.
function retention.delete_tree(id)
  if not find(id, "/", 1, true) then lib.write("ZREM", "roots", id) end
  if work(id, { { id = id } }) then return true end
  lib.write("ZADD", "deleting", lib.now(), id)
  return false
end

--- Another step of a deletion that was begun. True when all is gone.
function retention.go_on_deleting(id)
  local planned = lib.plan.deleting[id]
  if planned ~= nil then return not planned end
  local list = "deleting:" .. id
  local texts, stack = call("LRANGE", lib.key(list), -STEPS, -1), {}
  for i, text in ipairs(texts) do stack[i] = read(text) end
  local left = call("LLEN", lib.key(list)) - #texts
  if #texts > 0 then lib.write("RPOP", list, #texts) end
  if not work(id, stack) or left > 0 then
    lib.plan.deleting[id] = true
    return false
  end
  lib.write("ZREM", "deleting", id)
  return true
end

--- The run that is being deleted with all below it, this one among them; nil when there is none.
function retention.deleting_above(id)
  while id do
    if lib.starts.being_deleted(id) then return id end
    id = runs.parent_of(id)
  end
end

--- Whether an ended child's outcome stands in its parent's journal, so that no run will ask for it again. A retry
--- asks for a child that failed, and for a child that is to begin again.
function retention.is_taken(run)
  if run.state ~= "completed" or runs.get(run, "again") then return false end
  local parent_id, operation = runs.parent_of(run.id)
  local parent = runs.load(parent_id, "o:" .. operation)
  if not parent then return true end
  local number = match(runs.get(parent, "o:" .. operation) or "", "^%d+")
  return number ~= nil and match(runs.get(parent, number) or "", "^[^\t]*\t(%a+)") == "completed"
end
