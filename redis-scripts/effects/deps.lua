-- deps: a graph's node reads what became of nodes that it depends on. That is the outcome of an operation of its own,
-- so that it reads the same again whatever its parent records later.
-- args   operation  entry  n  (key)×n
-- moves  nothing
-- The outcome is a list, {"ok":true,"value":…} or {"ok":false,"error":…} for each key, without error while it has no
-- outcome. The texts are those of the parent's journal. When they pass a MiB the list ends: it has one at least.

local runs = lib.runs
local MOST_BYTES = 1024 * 1024

local function state_of(parent, key)
  local entry = parent and runs.get(parent, "o:" .. key)
  local number = entry and string.match(entry, "^%d+")
  local outcome = number and runs.get(parent, number)
  if not outcome then return '{"ok":false}' end
  local state, from = string.match(outcome, "^[^\t]*\t(%a+)\t%d+\t%d+\t()")
  local called = state == "completed" and '{"ok":true,"value":' or '{"ok":false,"error":'
  return called .. string.sub(outcome, from) .. "}"
end

function effects.deps(run)
  local operation, entry, n = lib.take_many(3)
  local parent_id = runs.parent_of(run.id)
  local parent = parent_id and runs.load(parent_id)
  local states, bytes = {}, 0
  for i = 1, tonumber(n) do
    local key = lib.take()
    local state = bytes < MOST_BYTES and state_of(parent, key)
    if state and (i == 1 or bytes + #state <= MOST_BYTES) then
      states[i], bytes = state, bytes + #state
    else
      bytes = MOST_BYTES -- those that follow are not asked for either: the list has no gaps
    end
  end
  runs.begin_operation(run, operation, entry)
  runs.record_outcome(run, operation, "completed", 1, "[" .. table.concat(states, ",") .. "]")
end
