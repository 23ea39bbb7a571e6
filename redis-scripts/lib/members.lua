-- members: pages of the sets that hold runs, as `sets` names them.

local members = {}
lib.members = members

--- Return runs of a set: `count` of them behind the first `from`. `owned:` sets have no order: `count` runs are picked
--- at random, each once.
function members.page(set, from, count)
  if string.sub(set, 1, 6) == "owned:" then return redis.call("SRANDMEMBER", lib.key(set), count) end
  return redis.call("ZRANGE", lib.key(set), from, from + count - 1)
end
