-- retention: deletes trees of runs, a bounded number of steps a call, for `delete`, `sweep` and `start`.
--
-- The script keeps the remaining work on a stack. It takes a run from the stack, reads its journal, pushes its children
-- and deletes the run. When a call has used up its steps, the rest of the stack waits in `deleting:<run>` for the next
-- call of any client or host. A journal too long for one call is read page by page; meanwhile its key is `d:<run>`, so
-- that no caller finds it. The caller has decided that the tree may be deleted; a run in it that lives is kept.

local runs = lib.runs
local call, match, find = redis.call, string.match, string.find
local STEPS = 100 -- a call; a run is one, and so are 64 fields of its journal
local PAGE = 200 -- fields of a journal, at least
local FIELDS_A_STEP = 64

local retention = {}
lib.retention = retention

--- Return how many steps this batch may still take.
function retention.steps_left() return lib.plan.steps or STEPS end

function retention.take_steps(n) lib.plan.steps = retention.steps_left() - n end

-- ---------------------------------------------------------------------------------------------------------------
-- One run

-- Pushes the children that a field of a journal names. An invoke that was reset (x:) has a child, too. A child that
-- does not exist costs little.
local function push_children(stack, id, field, value)
  local kind, operation = match(field, "^([ocx]):(.+)$")
  if not kind then return end
  local child = id .. "/" .. operation
  value = lib.resolve_value(id, field, value) or ""
  if kind == "x" or kind == "o" and find(value, "^%d*\t%d+\tinvoke") then lib.push(stack, { id = child }) end
  for generation = 2, kind ~= "o" and tonumber(match(value, "^%d+")) or 1 do
    lib.push(stack, { id = child .. "~" .. generation })
  end
end

-- Handles a page of the journal of the top run: its children go onto the stack, above the run itself if there are more
-- pages.
local function step(stack, deleted)
  local entry = table.remove(stack)
  local id = entry.id
  local hash = (entry.renamed and "d:" or "r:") .. id
  local state, waiters = unpack(call("HMGET", lib.key(hash), "state", "waiters"))
  retention.take_steps(1)
  if not runs.is_end(state) then return end
  if waiters then -- `promote` first tells its end to the runs that share it
    retention.take_steps(retention.steps_left())
    return lib.push(stack, entry)
  end
  runs.set_missing(id)
  if state == "failed" then lib.push(deleted.failed, id) end

  local page = call("HSCAN", lib.key(hash), entry.cursor or "0", "COUNT", PAGE)
  local fields = page[2]
  retention.take_steps(math.floor(#fields / 2 / FIELDS_A_STEP))
  entry.cursor = page[1]
  if page[1] ~= "0" then
    lib.push(stack, entry)
  else
    lib.push(deleted.keys, lib.key(hash))
    lib.push(deleted.keys, lib.key("v:" .. id))
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

-- Returns the stack as `deleting:<run>` stores it: "<run>", or "<run>\t<cursor>" of a journal that is read in part.
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

-- Takes steps until the stack is empty or none is left. Returns true when it is empty.
local function work(id, stack)
  local deleted = { keys = {}, failed = {} }
  repeat
    step(stack, deleted) -- at least one step, which makes the top invisible
  until #stack == 0 or retention.steps_left() <= 0
  write_chunks(pack(stack), "RPUSH", lib.key("deleting:" .. id))
  write_chunks(deleted.keys, "UNLINK")
  write_chunks(deleted.failed, "ZREM", lib.key("failed"))
  lib.plan.deleting[id] = #stack > 0
  lib.plan.frees_memory = true
  return #stack == 0
end

--- Delete an ended run with its descendants. Returns true when all is gone; otherwise `continue` has to be called.
function retention.delete_tree(id)
  if not find(id, "/", 1, true) then lib.write("ZREM", "roots", id) end
  if work(id, { { id = id } }) then return true end
  lib.write("ZADD", "deleting", lib.now(), id)
  return false
end

--- Continue a deletion that is under way. Returns true when all is gone.
function retention.continue(id)
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

--- Return the run whose tree, with this run in it, is being deleted; nil when there is none.
function retention.deleting_above(id)
  while id do
    if lib.starts.being_deleted(id) then return id end
    id = runs.parent_of(id)
  end
end

--- Whether the outcome of an ended child stands in the journal of its parent, and no run will ask for the child again.
--- A retry asks for a child that failed, and for a child that it selected.
function retention.is_taken(run)
  if run.state ~= "completed" or runs.get(run, "reset") then return false end
  local parent_id, operation = runs.parent_of(run.id)
  local parent = runs.load(parent_id, "o:" .. operation)
  if not parent then return true end
  local number = match(runs.get(parent, "o:" .. operation) or "", "^%d+")
  return number ~= nil and match(runs.get(parent, number) or "", "^[^\t]*\t(%a+)") == "completed"
end
