-- epoch: a host or a client has connected. An epoch of the dataset begins with each process of Redis that serves it: a
-- process is known by its run_id, and the epoch begins at the number of the last batch that changed something. So a
-- caller that was here before finds out up to which batch Redis kept its history, also when other batches followed.
-- args   run_id  creates("1"|"0")  number  run_id
--        run_id: of this Redis, empty when it does not tell; creates: whether a Redis without a dataset gets one now
--        number run_id: the epoch that the caller knows; 0 when it knows none
-- reply  epoch dataset number run_id before kept
--        dataset: empty when there is none; number run_id before: the present epoch, and the run_id of the one before
--        kept: the last batch of the caller's epoch that Redis kept

local LAST = 100 -- epochs that are kept

-- An epoch as it is kept: "<number> <run_id> <commit> <when>"
local function entries()
  local list = {}
  for _, line in ipairs(redis.call("LRANGE", lib.key("epochs"), 0, -1)) do
    local number, run_id, commit = string.match(line, "^(%d+) (%S+) (%d+)")
    if number then lib.push(list, { number = tonumber(number), run_id = run_id, commit = tonumber(commit) }) end
  end
  return list
end

-- The caller's epoch ended where the next one began. An epoch that was lost with its number is followed by another one
-- of that number, or by a lower one.
local function kept_of(list, number, run_id, commit)
  local last = list[#list]
  if not last or (last.number == number and last.run_id == run_id) then return commit end
  for _, epoch in ipairs(list) do
    if epoch.number > number or (epoch.number == number and epoch.run_id ~= run_id) then return epoch.commit end
  end
  return last.commit
end

function verbs.epoch()
  local run_id, creates, known, known_run_id = lib.next_args(4)
  local meta = redis.call("HMGET", lib.key("meta"), "dataset", "commit")
  local dataset, commit = meta[1], tonumber(meta[2] or 0)
  if not dataset then
    if creates ~= "1" then return { "epoch", "", "0", "", "", "0" } end
    dataset = string.sub(redis.sha1hex(run_id .. " " .. lib.key("") .. table.concat(redis.call("TIME"), ".")), 1, 12)
    lib.write("HSET", "meta", "dataset", dataset)
  end
  local list = entries()
  local last = list[#list] or { number = 0, run_id = "" }
  if run_id ~= "" and last.run_id ~= run_id then
    last = { number = last.number + 1, run_id = run_id, commit = commit }
    lib.push(list, last)
    lib.write("RPUSH", "epochs", string.format("%d %s %d %d", last.number, run_id, commit, lib.now()))
    lib.write("LTRIM", "epochs", -LAST, -1)
  end
  lib.plan.frees_memory = true -- these are few bytes, and a host must be able to delete runs in a full Redis
  local before = list[#list - 1]
  local kept = tonumber(known) > 0 and kept_of(list, tonumber(known), known_run_id, commit) or commit
  return { "epoch", dataset, lib.text[last.number], last.run_id, before and before.run_id or "", lib.text[kept] }
end
