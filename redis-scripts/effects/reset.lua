-- reset: a run that begins again takes an operation out of its journal, before any of its code runs.
-- args   operation  mark             mark: "" | again | anew, of an invoke: its child goes on when it is asked the same
--                                    again | a new generation of it begins in any case, also of one forgotten before
--        "" number                   the outcome of no operation: a cancel, an expiry
-- moves  nothing

local runs = lib.runs

function effects.reset(run)
  local operation, mark = lib.take_many(2)
  if operation == "" then return runs.set(run, mark, nil) end
  local field = "o:" .. operation
  local entry = runs.get(run, field)
  local forgotten = not entry and runs.get(run, "x:" .. operation)
  if not entry and not (forgotten and mark == "anew") then return end
  local number = string.match(entry or "", "^%d+")
  if number then runs.set(run, number, nil) end
  runs.set(run, field, nil)
  if runs.get(run, "w:" .. operation) then
    lib.dedupe.stop_waiting(run, operation, "reset")
    runs.set(run, "w:" .. operation, nil)
  end
  if mark == "" then return end

  -- Forgotten before, and refused when it was asked for: nothing has begun since, so that what was wanted then holds.
  local generation = runs.get(run, "c:" .. operation)
  local before = not generation and runs.get(run, "x:" .. operation) or ""
  generation = generation or string.match(before, "^%d+")
  local anew = mark == "anew" or string.find(before, "+", 1, true)
  runs.set(run, "x:" .. operation, (generation or "1") .. (anew and "+" or ""))
  runs.set(run, "c:" .. operation, nil)
  if mark ~= "anew" then return end
  local child = runs.load(run.id .. "/" .. operation .. (generation and generation ~= "1" and "~" .. generation or ""))
  if child and not runs.ended(child) then lib.detached.detach(child, "detached") end -- no operation takes its outcome
end
