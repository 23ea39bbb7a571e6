-- retry: a client lets an ended run begin again, and descendants with it.
-- args   n  (run  turn  selection)×n     the topmost run first, then its descendants; `turn`: of the run as the client
--                                        read it; `selection`: the operations that the run resets, see `reset` in
--                                        README.md
-- moves  completed | failed | cancelled -> ready, the topmost run
-- reply  retried       a descendant begins again when its parent asks for it
--        changed run   the run is not as the client read it; nothing was written
--        missing run

local runs = lib.runs

-- Whether a run with this selection begins a new generation.
local function begins_generation(selection)
  return selection == "all" or string.sub(selection, 1, 5) == "from\t"
end

-- Reads the request, and computes the id of the retry, by which Redis knows it when the client sends it again. The id
-- covers the whole request, because another client may ask for something else at the same turn.
local function read_request()
  local asked, texts = {}, {}
  for i = 1, tonumber(lib.next_arg()) do
    local id, turn, selection = lib.next_args(3)
    asked[i] = { id = id, turn = tonumber(turn), selection = selection }
    texts[i] = id .. "\n" .. turn .. "\n" .. selection
  end
  return asked, asked[1].turn .. " " .. redis.sha1hex(table.concat(texts, "\n"))
end

function verbs.retry()
  local asked, retry_id = read_request()
  for i, one in ipairs(asked) do
    local run = runs.load(one.id)
    if not run or lib.retention.deleting_above(one.id) then return { "missing", one.id } end
    one.run = run
    if i == 1 and runs.get(run, "retry_id") == retry_id then return { "retried" } end
    if not runs.ended(run) or run.turn ~= one.turn then return { "changed", one.id } end
  end
  for i, one in ipairs(asked) do
    runs.set(one.run, "retry_id", retry_id)
    if begins_generation(one.selection) then
      runs.set(one.run, "generation", tonumber(runs.get(one.run, "generation") or 1) + 1)
    end
    if i == 1 then
      lib.reopen.begin_again(one.run, one.selection)
    else
      runs.set(one.run, "reset", one.selection)
    end
  end
  return { "retried" }
end
