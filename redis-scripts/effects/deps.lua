-- deps: a node of a graph reads the outcomes of nodes that it depends on. They become the outcome of an operation of
-- its own, so that the node reads the same again whatever its parent records later.
-- args   operation  entry  n  (key)×n
-- moves  nothing
-- The outcome is a list with {"ok":true,"value":…} or {"ok":false,"error":…} for each key, without error while the node
-- has no outcome. The texts are those of the parent's journal. The list ends when the texts exceed 1 MiB; it has at
-- least one item.

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
  local operation, entry, n = lib.next_args(3)
  local parent_id = runs.parent_of(run.id)
  local parent = parent_id and runs.load(parent_id)
  local states, bytes = {}, 0
  for i = 1, tonumber(n) do
    local key = lib.next_arg()
    local state = bytes < MOST_BYTES and state_of(parent, key)
    if state and (i == 1 or bytes + #state <= MOST_BYTES) then
      states[i], bytes = state, bytes + #state
    else
      bytes = MOST_BYTES -- the list has no gaps, so it ends here
    end
  end
  runs.begin_operation(run, operation, entry)
  runs.record_outcome(run, operation, "completed", 1, "[" .. table.concat(states, ",") .. "]")
end
