-- retry: people have an ended run begin again, and runs below it with it.
-- args   n  (run  turn  again)×n      the topmost run first, then runs below it; `turn` as it was looked at;
--        `again`: what it is to forget, see README.md
-- moves  completed | failed | cancelled -> ready, the first of them
-- reply  retried       the others begin again when the run above asks for them
--        changed run   it is not what was looked at, nothing was written
--        missing run

local runs = lib.runs

-- Each begins a new generation that forgets all, or from some operation on.
local function begins_generation(again)
  return again == "scratch" or string.sub(again, 1, 5) == "from\t"
end

-- Reads the request, and computes the mark that identifies it when the client sends it again. The mark covers the whole
-- request, because another client may ask for something else at the same turn.
local function read_asked()
  local asked, texts = {}, {}
  for i = 1, tonumber(lib.take()) do
    local id, turn, again = lib.take_many(3)
    asked[i] = { id = id, turn = tonumber(turn), again = again }
    texts[i] = id .. "\n" .. turn .. "\n" .. again
  end
  return asked, asked[1].turn .. " " .. redis.sha1hex(table.concat(texts, "\n"))
end

function verbs.retry()
  local asked, mark = read_asked()
  for i, one in ipairs(asked) do
    local run = runs.load(one.id)
    if not run or lib.retention.deleting_above(one.id) then return { "missing", one.id } end
    one.run = run
    if i == 1 and runs.get(run, "retried_at") == mark then return { "retried" } end
    if not runs.ended(run) or run.turn ~= one.turn then return { "changed", one.id } end
  end
  for i, one in ipairs(asked) do
    runs.set(one.run, "retried_at", mark)
    if begins_generation(one.again) then
      runs.set(one.run, "generation", tonumber(runs.get(one.run, "generation") or 1) + 1)
    end
    if i == 1 then
      lib.reopen.begin_again(one.run, one.again)
    else
      runs.set(one.run, "again", one.again)
    end
  end
  return { "retried" }
end
