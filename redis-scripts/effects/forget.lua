-- forget: a run that begins again takes an operation out of its journal, before any of its code runs.
-- args   operation  mark             mark: "" | again | anew, of an invoke: its child goes on when it is asked the same
--                                    again | a new round of it begins in any case, also of one forgotten before
--        "" number                   the outcome of no operation: a cancel, an expiry
-- moves  nothing

function effects.forget(run)
  local operation, mark = lib.take_many(2)
  if operation == "" then return lib.set(run, mark, nil) end
  local field = "o:" .. operation
  local entry = lib.get(run, field)
  local forgotten = not entry and lib.get(run, "x:" .. operation)
  if not entry and not (forgotten and mark == "anew") then return end
  local number = string.match(entry or "", "^%d+")
  if number then lib.set(run, number, nil) end
  lib.set(run, field, nil)
  if lib.get(run, "w:" .. operation) then
    lib.sharing.stop_waiting(run, operation, "forgotten")
    lib.set(run, "w:" .. operation, nil)
  end
  if mark == "" then return end

  -- Forgotten before, and refused when it was asked for: nothing has begun since, so that what was wanted then holds.
  local round = lib.get(run, "c:" .. operation)
  local before = not round and lib.get(run, "x:" .. operation) or ""
  round = round or string.match(before, "^%d+")
  local anew = mark == "anew" or string.find(before, "+", 1, true)
  lib.set(run, "x:" .. operation, (round or "1") .. (anew and "+" or ""))
  lib.set(run, "c:" .. operation, nil)
  if mark ~= "anew" then return end
  local child = lib.load(run.id .. "/" .. operation .. (round and round ~= "1" and "~" .. round or ""))
  if child and not lib.ended(child) then lib.loose.let_go(child, "detached") end -- its end is nobody's outcome now
end
