-- reset: a run that begins again removes an operation and its outcome from its journal, before any of its code runs.
-- args   operation  mark             mark: drop | reuse | restart; the last two of an invoke only
--                                    reuse: if the code asks for the same child, that child goes on
--                                    restart: a new generation of the child begins, also of one that was reset before
--        "" number                   an outcome that belongs to no operation: a cancel, an expiry, a crash loop
-- moves  nothing

local runs = lib.runs

function effects.reset(run)
  local operation, mark = lib.next_args(2)
  if operation == "" then return runs.set(run, mark, nil) end
  local field = "o:" .. operation
  local entry = runs.get(run, field)
  local was_reset = not entry and runs.get(run, "x:" .. operation)
  if not entry and not (was_reset and mark == "restart") then return end
  local number = string.match(entry or "", "^%d+")
  if number then runs.set(run, number, nil) end
  runs.set(run, field, nil)
  if runs.get(run, "w:" .. operation) then
    lib.dedupe.stop_waiting(run, operation, "reset")
    runs.set(run, "w:" .. operation, nil)
  end
  if mark == "drop" then return end

  -- When the operation was reset before and its invoke was refused, no child has begun since, so the earlier mark
  -- holds.
  local generation = runs.get(run, "c:" .. operation)
  local before = not generation and runs.get(run, "x:" .. operation) or ""
  generation = generation or string.match(before, "^%d+") or "1"
  if string.find(before, "\trestart", 1, true) then mark = "restart" end
  runs.set(run, "x:" .. operation, generation .. "\t" .. mark)
  runs.set(run, "c:" .. operation, nil)
  if mark ~= "restart" then return end
  local child = runs.load(run.id .. "/" .. operation .. (generation ~= "1" and "~" .. generation or ""))
  if child and not runs.ended(child) then lib.detached.detach(child, "1") end -- no operation takes its outcome
end
