-- census: counts a page of the runs of a set by state and workflow. The caller pages, so that no call is long.
-- args   set  from  count     set: as `sets` names it. Of `owned:` sets, which have no order, `from` says nothing and
--        `count` runs are picked at random, each once
-- reply  census looked_at (state workflow count run created_at)…     run: the oldest of them

function verbs.census()
  local set, from, count = lib.next_args(3)
  local ids, groups, order = lib.members.page(set, tonumber(from), tonumber(count)), {}, {}
  for _, id in ipairs(ids) do
    local v = redis.call("HMGET", lib.key("r:" .. id), "state", "workflow", "created_at")
    local state, workflow, created_at = v[1], v[2] or "", tonumber(v[3])
    if state then
      local name = state .. "\t" .. workflow
      local group = groups[name]
      if not group then
        group = { state, workflow, 0, id, created_at }
        groups[name], order[#order + 1] = group, group
      end
      group[3] = group[3] + 1
      if created_at and created_at < (group[5] or math.huge) then group[4], group[5] = id, created_at end
    end
  end
  local reply = { "census", #ids }
  for _, group in ipairs(order) do
    for i = 1, 5 do reply[#reply + 1] = i == 5 and string.format("%d", group[5] or 0) or group[i] end
  end
  return reply
end
