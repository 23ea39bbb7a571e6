-- retry: another attempt. The effect is a run's own: its code failed and it has attempts left. The verb is for people:
-- an ended run begins again.
-- args   the effect: delay_ms  error
--        the verb: n  (run  turn  again)×n      the topmost run first, then runs below it; `turn` as it was looked at;
--        `again`: what it is to forget, see README.md
-- moves  the effect: running -> retrying         the verb: completed | failed | cancelled -> ready, the first of them
-- reply  the verb: retried       the others begin again when the run above asks for them
--                  changed run   it is not what was looked at, nothing was written
--                  missing run

-- A cancel that the worker has not been told comes first: the run stays running and is told.
function effects.retry(run)
  local delay, failure = tonumber(lib.take()), lib.take()
  if run.cancel and run.cancel > run.told then return end
  lib.move(run, "retrying")
  lib.set(run, "error", failure)
  lib.hold(run, "")
  lib.delay(run, lib.now() + delay)
  lib.push(lib.plan.published, "due") -- its worker forgets it, so somebody else has to look at the clock
  lib.push(lib.plan.published, lib.plan.delayed[run.id])
end

-- Each begins a new round that forgets all, or from some operation on.
local function begins_a_round(again)
  return again == "scratch" or string.sub(again, 1, 5) == "from\t"
end

-- What is asked, and how it is known when it is sent again: somebody else may ask for something else at the same turn.
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
    local run = lib.load(one.id)
    if not run or lib.retention.deleting_above(one.id) then return { "missing", one.id } end
    one.run = run
    if i == 1 and lib.get(run, "retried_at") == mark then return { "retried" } end
    if not lib.ended(run) or run.turn ~= one.turn then return { "changed", one.id } end
  end
  for i, one in ipairs(asked) do
    lib.set(one.run, "retried_at", mark)
    if begins_a_round(one.again) then
      lib.set(one.run, "round", tonumber(lib.get(one.run, "round") or 1) + 1)
    end
    if i == 1 then
      lib.reopening.reopen(one.run, one.again)
    else
      lib.set(one.run, "again", one.again)
    end
  end
  return { "retried" }
end
